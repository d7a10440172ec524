//! Tables that are made for each of some values: which values there are, and how a query is handed one.
//!
//! A value is text; SQL and Python see it as the declared type. Until there is a value, a query is looked at with one that
//! stands for all.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use baton_core::asset::{ColumnType, EachOf, ForEach, Table};
use baton_engine::{BuildOptions, SessionInput, SqlProblem, TableInput, sql};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use futures::TryStreamExt as _;
use serde_json::Value;

use crate::checks::rows_as_json;
use crate::error::RunError;
use crate::python::TableCall;

/// More values than these are a mistake rather than a list.
const MOST: usize = 10_000;
/// The name under which the rows of all values are read.
pub(crate) const ROWS: &str = "rows_of_each";

/// The values, each once, in order.
///
/// # Errors
/// [`RunError::Project`] when there are too many, and those of the query.
pub(crate) async fn values(
    call: &TableCall<'_>,
    each: &ForEach,
    tables: &BTreeMap<String, TableInput>,
) -> Result<Vec<String>, RunError> {
    let mut values = match &each.values {
        EachOf::List(values) => values.clone(),
        EachOf::Query(sql) => {
            let input = SessionInput { tables: tables.clone(), as_of: Some(call.as_of) };
            let (_, batches) = call.services.engine.session(input)?.query(sql).await?;
            let rows = rows_as_json(&batches).map_err(RunError::rows(call.asset))?;
            rows.iter().filter_map(first_value).collect()
        }
    };
    values.sort();
    values.dedup();
    if values.len() > MOST {
        let (asset, found) = (call.asset, values.len());
        let message = format!("`for_each` of `{asset}` has {found} values, and {MOST} are the most: group them");
        return Err(RunError::Project(message));
    }
    Ok(values)
}

/// The query that yields a table's rows in the session that was made for them: for one value, or for all.
///
/// # Errors
/// [`RunError::Project`] for a value that is not of the declared type.
pub(crate) fn query<'t>(table: &'t Table, value: Option<&str>) -> Result<Cow<'t, str>, RunError> {
    let Some(each) = table.for_each.as_deref().filter(|_| is_query(table)) else {
        return Ok(Cow::Borrowed(&table.sql));
    };
    let Some(value) = value else { return Ok(Cow::Owned(format!("select * from {ROWS}"))) };
    bound(table, each, &literal(each, value)?).map(Cow::Owned)
}

/// The query with a value that stands for all: nothing is run with it.
///
/// # Errors
/// A [`SqlProblem`] when the query has no use for a value.
pub(crate) fn sample(table: &Table) -> Result<Cow<'_, str>, SqlProblem> {
    let Some(each) = table.for_each.as_deref().filter(|_| is_query(table)) else {
        return Ok(Cow::Borrowed(&table.sql));
    };
    match sql::bind(&table.sql, &each.name, &stand_in(each))? {
        (_, 0) => {
            let message =
                format!("the query does not use `${}`: every value of `for_each` would come to the same", each.name);
            Err(SqlProblem::somewhere(message))
        }
        (bound, _) => Ok(Cow::Owned(bound)),
    }
}

/// The rows of a query for all values, one after the other, with since when each is known.
///
/// # Errors
/// Those of the query.
pub(crate) async fn rows_of_query(
    call: &TableCall<'_>,
    each: &ForEach,
    tables: BTreeMap<String, TableInput>,
) -> Result<(SchemaRef, Vec<RecordBatch>), RunError> {
    let values = values(call, each, &tables).await?;
    let schema = schema_of_query(call, each, tables.clone()).await?;
    let session = call.services.engine.session(SessionInput { tables, as_of: Some(call.as_of) })?;
    let options = BuildOptions { track_availability: true, ..BuildOptions::default() };
    let mut rows = Vec::new();
    for value in values {
        let stream = session.execute(&query(call.table, Some(&value))?, &options).await?;
        rows.extend(stream.try_collect::<Vec<_>>().await?);
    }
    Ok((schema, rows))
}

/// The columns of a query's rows, whatever the value, with since when each is known.
///
/// # Errors
/// Those of the query.
pub(crate) async fn schema_of_query(
    call: &TableCall<'_>,
    each: &ForEach,
    tables: BTreeMap<String, TableInput>,
) -> Result<SchemaRef, RunError> {
    let session = call.services.engine.session(SessionInput { tables, as_of: Some(call.as_of) })?;
    let options = BuildOptions { track_availability: true, ..BuildOptions::default() };
    // Nothing of it is read.
    Ok(session.execute(&bound(call.table, each, &stand_in(each))?, &options).await?.schema())
}

/// A value as Python sees it before it is made one of the declared type.
///
/// # Errors
/// As [`query`].
pub(crate) fn as_json(each: &ForEach, value: &str) -> Result<Value, RunError> {
    let refused = || refused(each, value);
    Ok(match each.data_type {
        ColumnType::String => Value::from(value),
        ColumnType::Int => Value::from(value.trim().parse::<i64>().map_err(|_| refused())?),
        ColumnType::Float => Value::from(real(value).ok_or_else(refused)?),
        ColumnType::Bool => Value::from(value.trim().parse::<bool>().map_err(|_| refused())?),
        ColumnType::Date => Value::from(day(value).ok_or_else(refused)?.to_string()),
        ColumnType::Timestamp => Value::from(micros(value).ok_or_else(refused)?),
    })
}

/// Whether the table is made by its query, and not by a function or a command.
fn is_query(table: &Table) -> bool {
    table.python.is_none() && table.command.is_none()
}

fn bound(table: &Table, each: &ForEach, literal: &str) -> Result<String, RunError> {
    let bound = sql::bind(&table.sql, &each.name, literal);
    bound.map(|(sql, _)| sql).map_err(|problem| RunError::Project(problem.message))
}

/// A value in SQL.
fn literal(each: &ForEach, value: &str) -> Result<String, RunError> {
    Ok(match (each.data_type, as_json(each, value)?) {
        (ColumnType::Date, Value::String(day)) => format!("cast('{day}' as date)"),
        (ColumnType::Timestamp, micros) => instant(&micros.to_string()),
        (ColumnType::Float, number) => format!("cast('{number}' as double)"),
        (_, Value::String(text)) => format!("'{}'", text.replace('\'', "''")),
        (_, Value::Number(number)) if number.as_i64().is_some_and(|number| number < 0) => format!("({number})"),
        (_, other) => other.to_string(),
    })
}

/// What stands for all values: of the declared type, and as text as long as what it stands in for.
fn stand_in(each: &ForEach) -> String {
    match each.data_type {
        ColumnType::String => format!("'{}'", each.name.get(1..).unwrap_or_default()),
        ColumnType::Int => "0".to_owned(),
        ColumnType::Float => "cast(0 as double)".to_owned(),
        ColumnType::Bool => "true".to_owned(),
        ColumnType::Date => "cast('1970-01-01' as date)".to_owned(),
        ColumnType::Timestamp => instant("0"),
    }
}

fn instant(micros: &str) -> String {
    format!("arrow_cast({micros}, 'Timestamp(Microsecond, Some(\"UTC\"))')")
}

fn real(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

fn day(text: &str) -> Option<NaiveDate> {
    text.trim().get(..10)?.parse().ok()
}

/// An instant in microseconds; without an offset it is one of UTC.
fn micros(text: &str) -> Option<i64> {
    let text = text.trim();
    let with_offset = || DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_micros());
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    let plain = || forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let of_day = || text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    with_offset().or_else(|| plain().or_else(of_day).map(|at| at.and_utc().timestamp_micros()))
}

fn refused(each: &ForEach, value: &str) -> RunError {
    let (name, kind) = (&each.name, format!("{:?}", each.data_type).to_lowercase());
    RunError::Project(format!("value `{value}` of `for_each` is no {kind}, which `{name}` is declared to be"))
}

/// The first value of a row as text; none where it is null.
fn first_value(row: &Value) -> Option<String> {
    match row.as_object()?.values().next()? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn each(data_type: ColumnType) -> ForEach {
        ForEach { name: "day".to_owned(), values: EachOf::List(Vec::new()), data_type, parallel: 1 }
    }

    #[test]
    fn the_first_column_has_the_values() {
        let found = [json!({"carrier": "AA", "flights": 3}), json!({"carrier": null}), json!({"hour": 7})];
        let found: Vec<Option<String>> = found.iter().map(first_value).collect();
        assert_eq!(found, [Some("AA".to_owned()), None, Some("7".to_owned())]);
    }

    #[test]
    fn values_are_written_as_their_type() {
        let written = |kind: ColumnType, value: &str| literal(&each(kind), value).map_err(|error| error.to_string());
        assert_eq!(written(ColumnType::String, "it's").unwrap(), "'it''s'");
        assert_eq!(written(ColumnType::Int, "-7").unwrap(), "(-7)");
        assert_eq!(written(ColumnType::Float, "0.5").unwrap(), "cast('0.5' as double)");
        assert_eq!(written(ColumnType::Bool, "true").unwrap(), "true");
        assert_eq!(written(ColumnType::Date, "2013-01-31").unwrap(), "cast('2013-01-31' as date)");
        assert_eq!(micros("2013-01-01 00:00:01"), micros("2013-01-01T01:00:01+01:00"));
        let refused = written(ColumnType::Int, "x; drop table t").unwrap_err();
        assert_eq!(refused, "value `x; drop table t` of `for_each` is no int, which `day` is declared to be");
        assert!(written(ColumnType::Date, "soon").is_err() && written(ColumnType::Float, "nan").is_err());
    }
}
