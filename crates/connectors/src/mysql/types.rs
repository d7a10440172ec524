//! What the server's columns are in Arrow, and its texts as our texts.
//!
//! Rows come in the text form of the protocol: numbers, dates and times as the server prints them, bits and bytes as they
//! are.

use std::borrow::Cow;
use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use sqlx::mysql::MySqlRow;
use sqlx::{
    AssertSqlSafe, Column as _, Executor as _, MySql, Row as _, SqlSafeStr as _, Statement as _, Type, TypeInfo as _,
};

use super::config::{MysqlSource, quoted};
use super::connect::Session;
use crate::ConnectorError;
use crate::relation::Relation;
use crate::written::WrittenRows;

/// Digits of a `decimal` whose own are not known, as in a query.
const WIDE: DataType = DataType::Decimal128(38, 18);

/// A column as the server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MyColumn {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) data_type: DataType,
}

/// How a column's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whole numbers, signed or not.
    Whole,
    /// `decimal`.
    Decimal,
    /// `double`.
    Double,
    /// `float`, of which the server prints six digits unless it is asked for a double.
    Single,
    /// `date`.
    Date,
    /// `datetime` and `timestamp`.
    Instant,
    /// `bit`, as bytes, the highest first.
    Bits,
    /// A truth: `tinyint(1)`, `bit(1)`.
    Truth,
    /// Bytes.
    Bytes,
    /// Texts that can be compared byte by byte.
    Text,
    /// Texts whose order says nothing: `enum`, `set`, `json`, `time`.
    Other,
}

/// The columns of the table or query, as the server says them.
pub(super) async fn columns(session: &mut Session, mysql: &MysqlSource) -> Result<Vec<MyColumn>, ConnectorError> {
    let statement = AssertSqlSafe(format!("select * from {} limit 0", mysql.from())).into_sql_str();
    let prepared = (&mut session.connection).prepare(statement).await;
    let prepared = prepared.map_err(|error| session.origin.refused(&error))?;
    let kinds: Vec<(String, &'static str, bool)> = prepared.columns().iter().map(told_kind).collect();
    let declared = declared_types(session, &mysql.relation).await?;
    Ok(kinds.into_iter().map(|(name, kind, is_text)| column(name, kind, is_text, &declared)).collect())
}

/// Name, the library's word for the type, and whether its values are text.
fn told_kind(column: &sqlx::mysql::MySqlColumn) -> (String, &'static str, bool) {
    let info = column.type_info();
    let word = WORDS.iter().find(|word| **word == info.name()).copied().unwrap_or("TEXT");
    (column.name().to_owned(), word, <str as Type<MySql>>::compatible(info))
}

/// The words of the library that mean something here; all others are text.
const WORDS: &[&str] = &[
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "MEDIUMINT",
    "INT",
    "BIGINT",
    "TINYINT UNSIGNED",
    "SMALLINT UNSIGNED",
    "MEDIUMINT UNSIGNED",
    "INT UNSIGNED",
    "BIGINT UNSIGNED",
    "YEAR",
    "DECIMAL",
    "DOUBLE",
    "FLOAT",
    "DATE",
    "DATETIME",
    "TIMESTAMP",
    "TIME",
    "BIT",
    "ENUM",
    "SET",
    "JSON",
    "GEOMETRY",
    "BINARY",
    "VARBINARY",
    "TINYBLOB",
    "BLOB",
    "MEDIUMBLOB",
    "LONGBLOB",
];

/// The full types of a table's columns (`decimal(10,2)`, `bit(3)`), which results do not carry; none for a query.
async fn declared_types(session: &mut Session, relation: &Relation) -> Result<HashMap<String, String>, ConnectorError> {
    let Relation::Table(parts) = relation else { return Ok(HashMap::new()) };
    let (schema, table) = match parts.as_slice() {
        [schema, table] => (Some(schema.clone()), table.clone()),
        _ => (None, parts.join(".")),
    };
    let rows = sqlx::query(
        "select cast(column_name as char), cast(column_type as char) from information_schema.columns \
         where table_schema = coalesce(?, database()) and table_name = ?",
    )
    .bind(schema)
    .bind(table)
    .fetch_all(&mut session.connection)
    .await
    .map_err(|error| session.origin.refused(&error))?;
    let text = |row: &MySqlRow, place: usize| row.try_get_unchecked::<String, _>(place).unwrap_or_default();
    Ok(rows.iter().map(|row| (text(row, 0), text(row, 1).to_lowercase())).collect())
}

fn column(name: String, word: &str, is_text: bool, declared: &HashMap<String, String>) -> MyColumn {
    let full = declared.get(&name).map_or("", String::as_str);
    let (kind, data_type) = match word {
        "BOOLEAN" => (Kind::Truth, DataType::Boolean),
        "DOUBLE" => (Kind::Double, DataType::Float64),
        "FLOAT" => (Kind::Single, DataType::Float64),
        "DECIMAL" => (Kind::Decimal, decimal(full)),
        "DATE" => (Kind::Date, DataType::Date32),
        "DATETIME" | "TIMESTAMP" => (Kind::Instant, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        "BIT" if full == "bit(1)" => (Kind::Truth, DataType::Boolean),
        "BIT" => (Kind::Bits, DataType::Int64),
        "TIME" | "ENUM" | "SET" | "JSON" => (Kind::Other, DataType::Utf8),
        "GEOMETRY" => (Kind::Bytes, DataType::Binary),
        word if word.contains("INT") || word == "YEAR" => (Kind::Whole, DataType::Int64),
        _ if full.starts_with("enum") || full.starts_with("set") || full == "json" => (Kind::Other, DataType::Utf8),
        // MariaDB keeps JSON as text of a collation that orders by bytes, which is text all the same.
        _ if is_text => (Kind::Text, DataType::Utf8),
        "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => (Kind::Bytes, DataType::Binary),
        _ => (Kind::Text, DataType::Utf8),
    };
    MyColumn { name, kind, data_type }
}

/// `decimal(10,2)`, within what Arrow's 128 bits hold.
fn decimal(full: &str) -> DataType {
    let inside = full.strip_prefix("decimal(").and_then(|rest| rest.split_once(')')).map(|(inside, _)| inside);
    let parsed = inside.and_then(|inside| {
        let (precision, scale) = inside.split_once(',').unwrap_or((inside, "0"));
        Some((precision.trim().parse::<u8>().ok()?, scale.trim().parse::<i8>().ok()?))
    });
    match parsed {
        Some((precision, scale)) if precision <= 38 => DataType::Decimal128(precision, scale),
        _ => WIDE,
    }
}

/// The schema in the server's own types.
pub(super) fn natural_schema(columns: &[MyColumn]) -> Schema {
    let field = |column: &MyColumn| Field::new(&column.name, column.data_type.clone(), true);
    Schema::new(columns.iter().map(field).collect::<Vec<_>>())
}

/// What stands between SELECT and FROM: all columns, those of type `float` as doubles, which are printed in full.
pub(super) fn select_list(columns: &[MyColumn]) -> String {
    let item = |column: &MyColumn| {
        let name = quoted(&column.name);
        if column.kind == Kind::Single { format!("({name} + 0e0) as {name}") } else { name }
    };
    columns.iter().map(item).collect::<Vec<_>>().join(", ")
}

impl MyColumn {
    /// A value as text; `None` for null, and for the zero date, which stands for "no date".
    pub(super) fn text<'r>(&self, value: Option<&'r [u8]>) -> Option<Cow<'r, str>> {
        let bytes = value?;
        let text = || String::from_utf8_lossy(bytes);
        match self.kind {
            Kind::Bits => Some(bits(bytes).to_string().into()),
            Kind::Bytes => Some(hex::encode(bytes).into()),
            // `bit(1)` comes as a byte, `tinyint(1)` as a digit.
            Kind::Truth if matches!(bytes, [0 | 1]) => Some(bits(bytes).to_string().into()),
            Kind::Single => Some(single(text())),
            Kind::Date | Kind::Instant if bytes.starts_with(b"0000-00-00") => None,
            _ => Some(text()),
        }
    }

    /// Appends a value, as the server sent it.
    pub(super) fn push(&self, rows: &mut WrittenRows, place: usize, value: Option<&[u8]>) {
        match (self.kind, value) {
            (Kind::Bytes, Some(bytes)) => rows.push_bytes(place, bytes),
            _ => rows.push(place, self.text(value).as_deref()),
        }
    }
}

fn bits(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// The shortest text that means the same number of 32 bits.
fn single(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.parse::<f64>() {
        #[expect(clippy::cast_possible_truncation, reason = "it was a number of 32 bits before the server widened it")]
        Ok(number) => (number as f32).to_string().into(),
        Err(_) => text,
    }
}

/// The values of a row.
pub(super) fn values(row: &MySqlRow, n_columns: usize) -> Result<Vec<Option<&[u8]>>, sqlx::Error> {
    (0..n_columns).map(|place| row.try_get_unchecked(place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_the_digits_they_declare() {
        assert_eq!(decimal("decimal(10,2) unsigned"), DataType::Decimal128(10, 2));
        assert_eq!(decimal("decimal(65,30)"), WIDE);
        assert_eq!(decimal(""), WIDE);
    }

    #[test]
    fn values_are_read_as_they_are_meant() {
        let column = |kind| MyColumn { name: "x".to_owned(), kind, data_type: DataType::Utf8 };
        let text = |kind, bytes: &'static [u8]| column(kind).text(Some(bytes)).map(Cow::into_owned);
        assert_eq!(text(Kind::Bits, &[1, 2]).as_deref(), Some("258"));
        assert_eq!(text(Kind::Truth, &[1]).as_deref(), Some("1"));
        assert_eq!(text(Kind::Truth, b"0").as_deref(), Some("0"));
        assert_eq!(text(Kind::Single, b"0.10000000149011612").as_deref(), Some("0.1"));
        assert_eq!(text(Kind::Instant, b"0000-00-00 00:00:00"), None);
        assert_eq!(column(Kind::Text).text(None), None);
    }
}
