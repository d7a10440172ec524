//! What SQLite's columns and values are in Arrow: by declared type, else by the first value.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, TypeInfo as _, ValueRef as _};

use super::config::SqliteSource;
use super::refused;
use crate::ConnectorError;
use crate::relation::quoted;

/// The columns of the source, by a temporary view over it: a file that is opened for reading may have those.
pub(super) async fn columns(
    connection: &mut SqliteConnection,
    sqlite: &SqliteSource,
) -> Result<SchemaRef, ConnectorError> {
    let refused = |error| refused(sqlite, &error);
    let from = sqlite.relation.as_sql();
    for statement in [
        "drop view if exists temp.baton_pulled".to_owned(),
        format!("create temp view baton_pulled as select * from {from}"),
    ] {
        sqlx::query(AssertSqlSafe(statement)).execute(&mut *connection).await.map_err(refused)?;
    }
    let declared: Vec<(String, String)> = sqlx::query_as("select name, type from pragma_table_info('baton_pulled')")
        .fetch_all(&mut *connection)
        .await
        .map_err(refused)?;
    let mut fields = Vec::with_capacity(declared.len());
    for (name, declared) in declared {
        let column = quoted(&name);
        let statement = format!("select typeof({column}) from baton_pulled where {column} is not null limit 1");
        let first: Option<String> =
            sqlx::query_scalar(AssertSqlSafe(statement)).fetch_optional(&mut *connection).await.map_err(refused)?;
        fields.push(Field::new(name, data_type(&declared, first.as_deref()), true));
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// SQLite's own rules of affinity, and the usual names of types that it knows nothing of.
fn data_type(declared: &str, first: Option<&str>) -> DataType {
    let declared = declared.to_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    let is_text = first.is_none_or(|first| first == "text");
    match declared.as_str() {
        _ if has(&["BOOL"]) => DataType::Boolean,
        _ if has(&["DATETIME", "TIMESTAMP"]) && is_text => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        "DATE" if is_text => DataType::Date32,
        _ if has(&["INT"]) => DataType::Int64,
        _ if has(&["CHAR", "CLOB", "TEXT", "JSON", "UUID"]) => DataType::Utf8,
        _ if has(&["REAL", "FLOA", "DOUB"]) => DataType::Float64,
        _ if has(&["DEC", "NUMERIC"]) => decimal(&declared).unwrap_or(DataType::Float64),
        _ => match first {
            Some("integer") => DataType::Int64,
            Some("real") => DataType::Float64,
            Some("blob") => DataType::Binary,
            _ if has(&["BLOB"]) => DataType::Binary,
            _ => DataType::Utf8,
        },
    }
}

/// `DECIMAL(10,2)`, within what Arrow's 128 bits hold.
fn decimal(declared: &str) -> Option<DataType> {
    let (_, inside) = declared.split_once('(')?;
    let (precision, scale) =
        inside.trim_end_matches(')').split_once(',').unwrap_or((inside.trim_end_matches(')'), "0"));
    let (precision, scale): (u8, i8) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
    (precision <= 38 && scale >= 0 && u8::try_from(scale).is_ok_and(|scale| scale <= precision))
        .then_some(DataType::Decimal128(precision, scale))
}

/// A value as text; `None` for null.
pub(super) fn text(row: &SqliteRow, column: usize) -> Result<Option<String>, sqlx::Error> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        return Ok(None);
    }
    let kind = value.type_info().name().to_owned();
    Ok(Some(match kind.as_str() {
        "INTEGER" => row.try_get_unchecked::<i64, _>(column)?.to_string(),
        "REAL" => row.try_get_unchecked::<f64, _>(column)?.to_string(),
        "BLOB" => String::from_utf8_lossy(row.try_get_unchecked::<&[u8], _>(column)?).into_owned(),
        _ => row.try_get_unchecked::<String, _>(column)?,
    }))
}

/// Whether a value is stored as bytes.
pub(super) fn is_blob(row: &SqliteRow, column: usize) -> Result<bool, sqlx::Error> {
    let value = row.try_get_raw(column)?;
    Ok(!value.is_null() && value.type_info().name() == "BLOB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_are_read_as_sqlite_and_people_mean_them() {
        assert_eq!(data_type("VARCHAR(20)", None), DataType::Utf8);
        assert_eq!(data_type("bigint", None), DataType::Int64);
        assert_eq!(data_type("decimal(10, 2)", Some("real")), DataType::Decimal128(10, 2));
        assert_eq!(data_type("DATE", Some("text")), DataType::Date32);
        assert_eq!(data_type("DATETIME", Some("integer")), DataType::Int64);
        assert_eq!(data_type("", Some("blob")), DataType::Binary);
        assert_eq!(data_type("", None), DataType::Utf8);
    }
}
