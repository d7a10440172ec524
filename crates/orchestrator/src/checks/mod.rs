//! Checks of table versions: which of them the pass that writes rows answers, and which are asked afterwards.

mod answers;
mod queries;
mod results;

pub(crate) use answers::{count, rows_as_json};
pub(crate) use queries::quoted;
pub(crate) use results::{judge, merged};

use std::collections::BTreeMap;

use answers::{evaluate, freshness, scan};
use baton_core::check::{Check, CheckResult, Rule};
use baton_core::{AssetName, Interval, Kind, Pin, Version};
use baton_engine::{Session, table_references};
use baton_stats::checks::is_row_rule;

use crate::error::RunError;
use crate::execution::{APPLY, Execution, StepOutcome};
use crate::report::counted;
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
            let rows = match pin.rows {
                Some(rows) => rows,
                None if by_row.len() == open.len() => 0,
                None => count(&session, &format!("select 1 as one from {}", quoted(asset))).await?,
            };
            for check in open.iter().filter(|check| !by_row.contains(check)) {
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
        Ok(StepOutcome::done(format!("{} on the same rows", counted(results.len() as u64, "check", "checks"))))
    }

    /// Sees the version in question and the tables that its checks read beside it.
    async fn session_to_check(&self, asset: &AssetName, pin: &Pin, checks: &[Check]) -> Result<Session, RunError> {
        let mut pins: BTreeMap<AssetName, Pin> = BTreeMap::from([(asset.clone(), pin.clone())]);
        let mut waiting: Vec<AssetName> = checks.iter().flat_map(tables_of).chain(read_by_view(pin)).collect();
        while let Some(name) = waiting.pop() {
            if let (false, Some(found)) = (pins.contains_key(&name), self.working.get(&name)) {
                waiting.extend(read_by_view(found));
                pins.insert(name, found.clone());
            }
        }
        // A delivery is judged as a whole: it is landed once, and rows of it become known for months.
        let clock = (pin.kind != Kind::Source).then_some(self.as_of);
        session_of(self.services, &pins, pins.keys(), clock).await
    }
}

/// What a view yields its rows from; nothing for what has rows of its own.
fn read_by_view(pin: &Pin) -> Vec<AssetName> {
    match pin.version {
        Version::View { .. } => pin.inputs.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

/// The tables that a check's query reads beside the asset itself.
pub(crate) fn tables_of(check: &Check) -> Vec<AssetName> {
    let names: Vec<String> = match &check.rule {
        Rule::Relationships { to, .. } => vec![to.clone()],
        // A query that cannot be parsed fails with its problem when it is run.
        Rule::Sql { query } => table_references(query).unwrap_or_default().into_iter().collect(),
        _ => Vec::new(),
    };
    names.iter().filter_map(|name| AssetName::parse(name).ok()).collect()
}
