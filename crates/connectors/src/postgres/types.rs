//! What PostgreSQL's columns are in Arrow, and its texts as our texts.
//!
//! Both ways to read rows, COPY and logical replication, write values as text; the same text is the same value here.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use tokio_postgres::types::{Kind, Type};

use crate::written::WrittenRows;

/// Digits before and behind the point of a `numeric` that names none.
const WIDE: DataType = DataType::Decimal128(38, 18);
/// The type modifier of a column that has none, and what is added to those that have one.
const MODIFIER_BASE: i32 = 4;

/// A column as the server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PgColumn {
    pub(super) name: String,
    pub(super) kind: Type,
    pub(super) modifier: i32,
}

impl PgColumn {
    /// A column that is only known by number; of types that are not built in, the text is taken as it is.
    pub(super) fn of_oid(name: &str, oid: u32, modifier: i32) -> Self {
        Self { name: name.to_owned(), kind: Type::from_oid(oid).unwrap_or(Type::TEXT), modifier }
    }

    /// The type that it lands in.
    pub(super) fn data_type(&self) -> DataType {
        match *base_of(&self.kind) {
            Type::BOOL => DataType::Boolean,
            Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => DataType::Int64,
            Type::FLOAT4 | Type::FLOAT8 => DataType::Float64,
            Type::NUMERIC => self.decimal(),
            Type::DATE => DataType::Date32,
            Type::TIMESTAMP | Type::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Type::BYTEA => DataType::Binary,
            _ => DataType::Utf8,
        }
    }

    fn decimal(&self) -> DataType {
        if self.modifier < MODIFIER_BASE {
            return WIDE;
        }
        let packed = self.modifier - MODIFIER_BASE;
        let (precision, scale) = ((packed >> 16) & 0xffff, packed & 0x7ff);
        match (u8::try_from(precision), i8::try_from(scale)) {
            (Ok(precision), Ok(scale)) if precision <= 38 && i32::from(scale) <= i32::from(precision) => {
                DataType::Decimal128(precision, scale)
            }
            _ => WIDE,
        }
    }

    /// Appends one of its values, as the server wrote it.
    pub(super) fn push(&self, rows: &mut WrittenRows, column: usize, text: &str) {
        match base_of(&self.kind) {
            kind if *kind == Type::BYTEA => match text.strip_prefix("\\x").and_then(|text| hex::decode(text).ok()) {
                Some(bytes) => rows.push_bytes(column, &bytes),
                None => rows.push_bytes(column, text.as_bytes()),
            },
            kind => match kind.kind() {
                Kind::Array(element) => rows.push(column, Some(&array_as_json(text, element))),
                _ => rows.push(column, Some(text)),
            },
        }
    }
}

/// The schema in the server's own types.
pub(super) fn natural_schema(columns: &[PgColumn]) -> Schema {
    Schema::new(columns.iter().map(|column| Field::new(&column.name, column.data_type(), true)).collect::<Vec<_>>())
}

/// A domain is what it is made of.
fn base_of(kind: &Type) -> &Type {
    match kind.kind() {
        Kind::Domain(base) => base_of(base),
        _ => kind,
    }
}

/// The server's text of an array, `{1,NULL,{2}}`, as JSON text; what is not an array comes as it is.
fn array_as_json(text: &str, element: &Type) -> String {
    let is_bare =
        matches!(*base_of(element), Type::INT2 | Type::INT4 | Type::INT8 | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC);
    let is_truth = *base_of(element) == Type::BOOL;
    // Bounds other than the usual stand before it: `[0:1]={1,2}`.
    let body = if text.starts_with('[') { text.split_once('=').map_or(text, |(_, body)| body) } else { text };
    let mut json = String::with_capacity(body.len() + 8);
    let mut characters = body.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '{' => json.push('['),
            '}' => json.push(']'),
            ',' => json.push(','),
            '"' => {
                let mut value = String::new();
                while let Some(inner) = characters.next() {
                    match inner {
                        '"' => break,
                        '\\' => value.extend(characters.next()),
                        other => value.push(other),
                    }
                }
                json.push_str(&serde_json::Value::from(value).to_string());
            }
            first => {
                let mut value = String::from(first);
                while let Some(next) = characters.next_if(|next| !matches!(next, ',' | '}')) {
                    value.push(next);
                }
                match value.as_str() {
                    "NULL" => json.push_str("null"),
                    "t" if is_truth => json.push_str("true"),
                    "f" if is_truth => json.push_str("false"),
                    number if is_bare && number.parse::<f64>().is_ok_and(f64::is_finite) => json.push_str(number),
                    other => json.push_str(&serde_json::Value::from(other).to_string()),
                }
            }
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_become_json() {
        assert_eq!(array_as_json("{1,NULL,3}", &Type::INT4), "[1,null,3]");
        assert_eq!(array_as_json(r#"{{a,"b,\"c\""},{"",NULL}}"#, &Type::TEXT), r#"[["a","b,\"c\""],["",null]]"#);
        assert_eq!(array_as_json("{t,f}", &Type::BOOL), "[true,false]");
        assert_eq!(array_as_json("[0:1]={1.5,NaN}", &Type::FLOAT8), r#"[1.5,"NaN"]"#);
        assert_eq!(array_as_json("{}", &Type::TEXT), "[]");
    }

    #[test]
    fn numerics_have_the_digits_they_name() {
        let column = |modifier| PgColumn { name: "price".to_owned(), kind: Type::NUMERIC, modifier };
        assert_eq!(column(-1).data_type(), DataType::Decimal128(38, 18));
        assert_eq!(column(((10 << 16) | 2) + 4).data_type(), DataType::Decimal128(10, 2));
        assert_eq!(column(((60 << 16) | 2) + 4).data_type(), DataType::Decimal128(38, 18));
    }
}
