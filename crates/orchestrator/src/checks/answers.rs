//! Answering checks on a version: by a pass over its rows, or by a query.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use baton_core::check::{Check, CheckResult, Rule};
use baton_core::{AssetName, Timestamp};
use baton_engine::{AVAILABLE_AT, Session};
use baton_stats::checks::RowChecker;
use futures::TryStreamExt as _;

use super::queries::{failing_rows_query, quoted};
use super::{NewRows, SAMPLES};
use crate::error::RunError;
use crate::report::rows_of;

/// Answers rules on single rows by a pass over a version.
pub(super) async fn scan(
    session: &Session,
    asset: &AssetName,
    checks: &[Check],
    now: Timestamp,
) -> Result<Vec<CheckResult>, RunError> {
    if checks.is_empty() {
        return Ok(Vec::new());
    }
    let mut stream = session.query_stream(&format!("select * from {}", quoted(asset))).await?;
    let mut checker = RowChecker::new(checks, &stream.schema())?;
    while let Some(batch) = stream.try_next().await? {
        checker.update(&batch, None)?;
    }
    Ok(checker.finish(now))
}

/// Answers a check on age by the newest value among rows that are known at `now`.
pub(super) async fn freshness(
    session: &Session,
    asset: &AssetName,
    check: &Check,
    now: Timestamp,
) -> Result<CheckResult, RunError> {
    let column = quoted(check.column.as_deref().unwrap_or_default());
    let filter = check.filter.as_ref().map(|filter| format!(" and ({filter})")).unwrap_or_default();
    let known = format!("{AVAILABLE_AT} is null or {AVAILABLE_AT} <= to_timestamp_micros({})", now.timestamp_micros());
    let newest = format!("select max({column}) as {column} from system.{} where ({known}){filter}", quoted(asset));
    let (schema, batches) = session.query(&newest).await?;
    let mut checker = RowChecker::new(&[Check { filter: None, ..check.clone() }], &schema)?;
    for batch in &batches {
        checker.update(batch, None)?;
    }
    let result = checker.finish(now).pop();
    result.ok_or_else(|| RunError::Project(format!("check `{}` of `{asset}` has no result", check.name)))
}

pub(super) async fn evaluate(
    session: &Session,
    asset: &AssetName,
    check: &Check,
    rows: u64,
    new_rows: Option<&NewRows<'_>>,
) -> Result<CheckResult, RunError> {
    let query = failing_rows_query(asset, check, new_rows);
    let failed = match &check.rule {
        Rule::RowCount { min, max } => {
            let found = count(session, &query).await?;
            return Ok(row_count_result(check, asset, found, *min, *max));
        }
        _ => count(session, &query).await?,
    };
    let samples = if failed == 0 { Vec::new() } else { samples(session, asset, &query).await? };
    let allowed = (rows as f64 * check.tolerance).floor() as u64;
    Ok(CheckResult {
        check: check.name.clone(),
        column: check.column.clone(),
        severity: check.severity,
        passed: failed <= allowed,
        rows,
        failed_rows: failed,
        message: message(asset, check, rows, failed),
        samples,
    })
}

fn message(asset: &AssetName, check: &Check, rows: u64, failed: u64) -> String {
    let what = match &check.rule {
        Rule::Unique { columns } => format!("share their {}", columns.join(", ")),
        Rule::Relationships { to, field } => {
            format!("have a {} that is not in {to}.{field}", check.column.as_deref().unwrap_or("value"))
        }
        Rule::Sql { .. } => "are returned by the check's query".to_owned(),
        _ => "do not hold".to_owned(),
    };
    format!("{}: {failed} of {} of {asset} {what}", check.name, rows_of(rows))
}

fn row_count_result(check: &Check, asset: &AssetName, found: u64, min: Option<u64>, max: Option<u64>) -> CheckResult {
    let passed = min.is_none_or(|least| found >= least) && max.is_none_or(|most| found <= most);
    CheckResult {
        check: check.name.clone(),
        column: None,
        severity: check.severity,
        passed,
        rows: found,
        failed_rows: 0,
        message: format!("{}: {asset} has {}", check.name, rows_of(found)),
        samples: Vec::new(),
    }
}

/// The number of rows of a query.
pub(crate) async fn count(session: &Session, query: &str) -> Result<u64, RunError> {
    let (_, batches) = session.query(&format!("select count(*) as n from ({query})")).await?;
    let first = batches.iter().find(|batch| batch.num_rows() > 0);
    Ok(first.map_or(0, |batch| batch.column(0).as_primitive::<Int64Type>().value(0)).cast_unsigned())
}

async fn samples(session: &Session, asset: &AssetName, query: &str) -> Result<Vec<serde_json::Value>, RunError> {
    let (_, batches) = session.query(&format!("select * from ({query}) limit {SAMPLES}")).await?;
    rows_as_json(&batches).map_err(RunError::rows(asset))
}

/// Batches as JSON objects, one a row.
pub(crate) fn rows_as_json(batches: &[RecordBatch]) -> Result<Vec<serde_json::Value>, arrow::error::ArrowError> {
    let mut writer = arrow::json::ArrayWriter::new(Vec::new());
    let references: Vec<&RecordBatch> = batches.iter().collect();
    writer.write_batches(&references)?;
    writer.finish()?;
    let bytes = writer.into_inner();
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&bytes).map_err(|error| arrow::error::ArrowError::JsonError(error.to_string()))
}
