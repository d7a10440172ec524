//! Checks that compare rows with each other or with other tables: as queries whose rows are the failing rows.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use baton_core::check::{Check, CheckResult, Literal, Rule, Severity};
use baton_core::{AssetName, Interval, Kind, Pin, Timestamp};
use baton_engine::{AVAILABLE_AT, Session, table_references};
use baton_stats::checks::{RowChecker, is_row_rule};
use futures::TryStreamExt as _;

use crate::error::RunError;
use crate::execution::{APPLY, Execution, StepOutcome};
use crate::sessions::session_of;

/// Failing rows kept for each check.
const SAMPLES: usize = 5;

/// What part of a version is new, so that a check need not look at what an earlier one has seen.
pub(crate) struct NewRows<'a> {
    /// The time column.
    pub(crate) time: &'a str,
    /// The interval that was computed.
    pub(crate) interval: Interval,
}

/// The checks that the pass which writes rows answers: rules on single rows, and rules on all rows when it sees the
/// `whole` table.
pub(crate) fn checks_of_pass(checks: &[Check], whole: bool) -> Vec<Check> {
    checks.iter().filter(|check| is_row_rule(check) && (whole || !is_on_all_rows(check))).cloned().collect()
}

fn is_on_all_rows(check: &Check) -> bool {
    matches!(check.rule, Rule::RowCount { .. } | Rule::Freshness { .. })
}

impl Execution<'_> {
    /// The checks that an asset declares.
    pub(crate) fn checks_of(&self, asset: &AssetName) -> Vec<Check> {
        self.prepared.project.assets.get(asset).map(|found| found.checks.clone()).unwrap_or_default()
    }

    /// Evaluates the checks of `pin` that `results` does not answer yet, and judges all.
    ///
    /// # Errors
    /// [`RunError::Checks`] when one with severity error did not hold: the version must not be published.
    pub(crate) async fn audit(
        &mut self,
        asset: &AssetName,
        pin: &Pin,
        checks: &[Check],
        mut results: Vec<CheckResult>,
        new_rows: Option<NewRows<'_>>,
    ) -> Result<Vec<CheckResult>, RunError> {
        let is_open = |check: &&Check| results.iter().all(|found| found.check != check.name);
        let open: Vec<Check> = checks.iter().filter(is_open).cloned().collect();
        if !open.is_empty() {
            let session = self.session_to_check(asset, pin, &open).await?;
            let by_row = checks_of_pass(&open, false);
            results.extend(scan(&session, asset, &by_row, self.as_of).await?);
            for check in open.iter().filter(|check| !by_row.contains(check)) {
                let rows = pin.rows.unwrap_or_default();
                results.push(match &check.rule {
                    Rule::Freshness { .. } => freshness(&session, asset, check, self.as_of).await?,
                    _ => evaluate(&session, asset, check, rows, new_rows.as_ref()).await?,
                });
            }
        }
        self.keep_checks(asset, &results);
        self.alert_failed_checks(asset, &results);
        judge(asset, &results)?;
        Ok(results)
    }

    /// Holds an unchanged version to checks that are new or changed.
    ///
    /// # Errors
    /// As [`Execution::audit`].
    pub(crate) async fn audit_again(&mut self, asset: &AssetName, checks: &[Check]) -> Result<StepOutcome, RunError> {
        let metadata = self.prepared.desired.assets.get(asset).map(|desired| &desired.metadata);
        let pin = self.working.get(asset).filter(|pin| pin.metadata.as_ref() != metadata).cloned();
        let Some(pin) = pin.filter(|_| self.reason == APPLY && !checks.is_empty()) else {
            return Ok(StepOutcome::up_to_date());
        };
        let results = self.audit(asset, &pin, checks, Vec::new(), None).await?;
        Ok(StepOutcome::done(format!("{} checks on the same rows", results.len())))
    }

    /// Sees the version in question and the tables that its checks read beside it.
    async fn session_to_check(&self, asset: &AssetName, pin: &Pin, checks: &[Check]) -> Result<Session, RunError> {
        let mut pins: BTreeMap<AssetName, Pin> = BTreeMap::from([(asset.clone(), pin.clone())]);
        for name in checks.iter().flat_map(tables_of) {
            if let (false, Some(found)) = (pins.contains_key(&name), self.working.get(&name)) {
                pins.insert(name, found.clone());
            }
        }
        // A delivery is judged as a whole: it is landed once, and rows of it become known for months.
        let clock = (pin.kind != Kind::Source).then_some(self.as_of);
        session_of(self.services, &pins, pins.keys(), clock).await
    }
}

/// Answers rules on single rows by a pass over a version.
async fn scan(
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
async fn freshness(
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

/// Results of the same checks on several deliveries as results on all of them.
pub(crate) fn merged(parts: impl IntoIterator<Item = Vec<CheckResult>>) -> Vec<CheckResult> {
    let mut all: Vec<CheckResult> = Vec::new();
    for result in parts.into_iter().flatten() {
        match all.iter_mut().find(|found| found.check == result.check) {
            Some(found) => merge(found, result),
            None => all.push(result),
        }
    }
    all
}

fn merge(whole: &mut CheckResult, part: CheckResult) {
    whole.passed &= part.passed;
    whole.rows += part.rows;
    whole.failed_rows += part.failed_rows;
    whole.samples.extend(part.samples);
    whole.samples.truncate(SAMPLES);
    whole.message = match whole.failed_rows {
        0 => format!("all {} rows hold", whole.rows),
        failed => format!("{failed} of {} rows do not hold", whole.rows),
    };
}

/// The tables that a check's query reads beside the asset itself.
fn tables_of(check: &Check) -> Vec<AssetName> {
    let names: Vec<String> = match &check.rule {
        Rule::Relationships { to, .. } => vec![to.clone()],
        // A query that cannot be parsed fails with its problem when it is run.
        Rule::Sql { query } => table_references(query).unwrap_or_default().into_iter().collect(),
        _ => Vec::new(),
    };
    names.iter().filter_map(|name| AssetName::parse(name).ok()).collect()
}

/// Fails when a check with severity error did not hold.
pub(crate) fn judge(asset: &AssetName, results: &[CheckResult]) -> Result<(), RunError> {
    let broken: Vec<&CheckResult> =
        results.iter().filter(|result| !result.passed && result.severity == Severity::Error).collect();
    if broken.is_empty() {
        return Ok(());
    }
    let messages: Vec<&str> = broken.iter().take(3).map(|result| result.message.as_str()).collect();
    Err(RunError::Checks {
        asset: asset.clone(),
        failed: if broken.len() == 1 { "1 check".to_owned() } else { format!("{} checks", broken.len()) },
        summary: messages.join("; "),
    })
}

async fn evaluate(
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
    format!("{}: {failed} of {rows} rows of {asset} {what}", check.name)
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
        message: format!("{}: {asset} has {found} rows", check.name),
        samples: Vec::new(),
    }
}

/// A query that yields the failing rows of a check.
fn failing_rows_query(asset: &AssetName, check: &Check, new_rows: Option<&NewRows<'_>>) -> String {
    let table = quoted(asset);
    let filtered = match &check.filter {
        Some(filter) => format!("(select * from {table} where {filter})"),
        None => table,
    };
    let column = check.column.as_deref().map(quoted).unwrap_or_default();
    match &check.rule {
        Rule::Unique { columns } => unique_query(&filtered, columns, new_rows),
        Rule::Relationships { to, field } => format!(
            "select t.* from {filtered} t left anti join {} r on t.{column} = r.{} where t.{column} is not null",
            quoted(to),
            quoted(field)
        ),
        Rule::Sql { query } => query.trim().trim_end_matches(';').to_owned(),
        Rule::NotNull => format!("select * from {filtered} where {column} is null"),
        Rule::AcceptedValues { values } => {
            let list: Vec<String> = values.iter().map(literal).collect();
            format!("select * from {filtered} where {column} not in ({})", list.join(", "))
        }
        Rule::Between { min, max } => {
            let below = min.iter().map(|least| format!("{column} < {}", literal(least)));
            let above = max.iter().map(|most| format!("{column} > {}", literal(most)));
            let outside: Vec<String> = below.chain(above).collect();
            format!("select * from {filtered} where {}", outside.join(" or "))
        }
        Rule::Matches { pattern } => {
            format!("select * from {filtered} where {column} !~ {}", literal(&Literal::Text(pattern.clone())))
        }
        Rule::RowCount { .. } | Rule::Freshness { .. } => format!("select 1 from {filtered}"),
    }
}

/// Rows that share their key with another; with `new_rows`, only keys that occur among these.
fn unique_query(table: &str, columns: &[String], new_rows: Option<&NewRows<'_>>) -> String {
    let keys: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    let present: Vec<String> = keys.iter().map(|key| format!("{key} is not null")).collect();
    let (keys, present) = (keys.join(", "), present.join(" and "));
    let looked_at = match new_rows {
        Some(NewRows { time, interval }) => {
            let on: Vec<String> = columns.iter().map(|column| format!("t.{0} = n.{0}", quoted(column))).collect();
            format!(
                "(select t.* from {table} t left semi join (select * from {table} where {0} >= to_timestamp_micros({1}) and {0} < to_timestamp_micros({2})) n on {3})",
                quoted(time),
                interval.start,
                interval.end,
                on.join(" and ")
            )
        }
        None => table.to_owned(),
    };
    format!("select {keys}, count(*) as rows from {looked_at} where {present} group by {keys} having count(*) > 1")
}

/// An identifier in quotes.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(value: &Literal) -> String {
    match value {
        Literal::Bool(value) => value.to_string(),
        Literal::Int(value) => value.to_string(),
        Literal::Float(value) => format!("{value:?}"),
        Literal::Text(value) => format!("'{}'", value.replace('\'', "''")),
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
