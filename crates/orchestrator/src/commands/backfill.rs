//! Backfill: intervals of an incremental table computed again, and what reads them after it.
//!
//! A plan says first which time is restated and which assets downstream take it in; executing it takes the path of every
//! other run. Years may be computed slice by slice, each published when it is there: a run that stops between two of them
//! goes on with those that are left.

mod slices;

use baton_core::asset::{Materialize, Table};
use baton_core::interval::MICROS_PER_SECOND;
use baton_core::ports::RunRecord;
use baton_core::{AssetName, CommitId, Definition, Interval, IntervalSet, Kind, Timestamp};
use baton_plan::Stage;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::slices::{done_in, slices_of};
use super::look::known_asset;
use super::{change::is_applied, head};
use crate::error::RunError;
use crate::execution::Execution;
use crate::exports::due_stages;
use crate::prepare::Prepared;
use crate::report::RunReport;
use crate::services::Services;

/// What is to be computed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillRequest {
    /// The incremental table.
    pub asset: String,
    /// The first instant.
    pub from: Timestamp,
    /// The first instant after.
    pub to: Timestamp,
    /// Whether what reads the table takes the restatement in at once.
    pub downstream: bool,
    /// Whether time between the range and what is there may stay empty.
    pub allow_gaps: bool,
    /// How many pieces are computed at once.
    pub parallel: usize,
    /// Seconds of the slices that are published one after the other; all at once when left out.
    pub every: Option<i64>,
    /// Whether the latest slice comes first.
    pub latest_first: bool,
}

/// What a backfill would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillPlan {
    /// The environment.
    pub environment: String,
    /// The logical clock.
    pub as_of: Timestamp,
    /// The commit that it was made against.
    pub base: CommitId,
    /// The table.
    pub asset: AssetName,
    /// The time that is computed, in whole batches.
    pub interval: Interval,
    /// How many batches that is.
    pub batches: u64,
    /// The times that are computed and published one after the other, in this order.
    pub slices: Vec<Interval>,
    /// Of that, what is there and is restated.
    pub restated: IntervalSet,
    /// Of that, what was missing.
    pub filled: IntervalSet,
    /// Time that stays empty between what there is.
    pub gaps: IntervalSet,
    /// What takes the restatement in, in the order of the work.
    pub downstream: Vec<RestatedAsset>,
    /// What reads the table and is left as it is until the next run.
    pub left: Vec<AssetName>,
    /// What it was made for, to go on with it.
    pub request: BackfillRequest,
}

/// An asset that a backfill reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestatedAsset {
    /// The asset.
    pub name: AssetName,
    /// What it is.
    pub kind: Kind,
    /// What happens to it.
    pub effect: String,
}

/// Says what a backfill would do. Reads, never writes.
///
/// # Errors
/// [`RunError::Project`] when the asset has no intervals, is not applied, or a gap would be left.
pub async fn plan_backfill(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    as_of: Timestamp,
    request: &BackfillRequest,
) -> Result<BackfillPlan, RunError> {
    let asset = known_asset(prepared, environment, &request.asset)?;
    let name = &asset.name;
    let table = match &asset.definition {
        Definition::Table(table) if table.materialize == Materialize::Incremental => table,
        _ => return Err(has_no_intervals(name, asset.kind())),
    };
    let commit = head(services, environment).await?;
    let Some(pin) = commit.assets.get(name).filter(|pin| is_applied(pin, name, prepared)) else {
        return Err(RunError::Project(format!(
            "`{name}` is not in environment `{environment}` as the project defines it; run `baton apply` first"
        )));
    };
    let as_of = as_of.max(commit.as_of);
    let interval = whole_batches(table, request, as_of);
    if interval.is_empty() {
        return Err(RunError::Project(format!(
            "there is no whole batch of `{name}` between {} and {} that has ended by {}; give an earlier --from or a later --to",
            request.from.format("%Y-%m-%d %H:%M"),
            request.to.format("%Y-%m-%d %H:%M"),
            as_of.format("%Y-%m-%d %H:%M")
        )));
    }
    let batch = table.batch.max(1) * MICROS_PER_SECOND;
    let asked = IntervalSet::of(interval);
    let gaps = gaps_of(&pin.intervals.union(&asked)).difference(&gaps_of(&pin.intervals));
    if let (Some(gap), false) = (gaps.ranges().first(), request.allow_gaps) {
        return Err(RunError::Project(format!(
            "`{name}` would have a gap {gap}; reach over it with --from or --to, or leave it with --allow-gaps"
        )));
    }
    let (downstream, left) = readers(prepared, name, request.downstream);
    Ok(BackfillPlan {
        environment: environment.to_owned(),
        as_of,
        base: commit.id.clone(),
        asset: name.clone(),
        interval,
        batches: (interval.end - interval.start).unsigned_abs() / batch.unsigned_abs(),
        slices: slices_of(interval, batch, request.every, request.latest_first),
        restated: asked.intersection(&pin.intervals),
        filled: asked.difference(&pin.intervals),
        gaps,
        downstream,
        left,
        request: request.clone(),
    })
}

/// What of a backfill that stopped is left to do: its plan without the slices that it published.
///
/// # Errors
/// [`RunError::Project`] when the run does not say what it was asked for, or nothing is left; those of [`plan_backfill`].
pub async fn resume_backfill(
    services: &Services,
    prepared: &Prepared,
    as_of: Timestamp,
    run: &RunRecord,
) -> Result<BackfillPlan, RunError> {
    let request = run.request.clone().and_then(|request| serde_json::from_value::<BackfillRequest>(request).ok());
    let Some(request) = request else {
        let reason = "was begun by a Baton that did not write down what it was asked for; give the command again";
        return Err(RunError::Project(format!("run {} {reason}", run.id)));
    };
    let mut plan = plan_backfill(services, prepared, &run.environment, as_of, &request).await?;
    let done = done_in(services, &run.id, &plan.asset).await?;
    plan.slices.retain(|slice| !done.contains(slice));
    Ok(plan)
}

/// Executes a backfill, `parallel` pieces at a time; the rows do not depend on how many.
///
/// # Errors
/// [`RunError::Ledger`] when the environment has moved since the plan was made, [`RunError::Paused`] when somebody paused it.
pub async fn backfill(services: &Services, prepared: &Prepared, plan: &BackfillPlan) -> Result<RunReport, RunError> {
    let mut execution = Execution::begin(services, prepared, &plan.environment, plan.as_of, "backfill").await?;
    let found = execution.base.as_ref().map(|commit| &commit.id);
    if found != Some(&plan.base) {
        return Err(RunError::Ledger(baton_core::ports::LedgerError::Moved {
            environment: plan.environment.clone(),
            expected: plan.base.short().to_owned(),
            found: found.map_or("no commit".to_owned(), |id| id.short().to_owned()),
        }));
    }
    execution.restated = Some((plan.asset.clone(), plan.interval, plan.request.parallel.max(1)));
    execution.slices = plan.slices.iter().copied().collect();
    execution.request = Some(json!(plan.request));
    let work = plan.downstream.iter().map(|reader| match reader.kind {
        Kind::FeatureView => Stage::Materialize { asset: reader.name.clone() },
        _ => Stage::Build { asset: reader.name.clone() },
    });
    let slice = |_: &Interval| [Stage::Build { asset: plan.asset.clone() }, Stage::Publish];
    let mut stages: Vec<Stage> = plan.slices.iter().flat_map(slice).collect();
    // The last slice is published together with what takes it in.
    stages.pop();
    stages.extend(work.chain([Stage::Publish]));
    let is_reached =
        |name: &AssetName| *name == plan.asset || plan.downstream.iter().any(|reader| reader.name == *name);
    stages.extend(due_stages(&prepared.project, &plan.environment, &services.asked, is_reached));
    Box::pin(execution.execute(&stages)).await
}

fn has_no_intervals(name: &AssetName, kind: Kind) -> RunError {
    RunError::Project(format!(
        "{kind} `{name}` has no intervals to fill: backfill is for tables with materialize='incremental' and a `time`"
    ))
}

/// The batches that the request touches and that have ended.
fn whole_batches(table: &Table, request: &BackfillRequest, as_of: Timestamp) -> Interval {
    let batch = table.batch.max(1) * MICROS_PER_SECOND;
    let (from, to) = (request.from.timestamp_micros(), request.to.timestamp_micros());
    let ended = as_of.timestamp_micros().div_euclid(batch) * batch;
    Interval { start: from.div_euclid(batch) * batch, end: (-(-to).div_euclid(batch) * batch).min(ended) }
}

/// The time between the ranges of a set.
pub(crate) fn gaps_of(done: &IntervalSet) -> IntervalSet {
    done.ranges().windows(2).map(|pair| Interval { start: pair[0].end, end: pair[1].start }).collect()
}

/// Tables and feature views that read the asset, directly or not, in the order of the work.
fn readers(prepared: &Prepared, name: &AssetName, downstream: bool) -> (Vec<RestatedAsset>, Vec<AssetName>) {
    let reached = prepared.graph.downstream(name);
    let order = prepared.desired.order.iter().filter(|reader| reached.contains(*reader) && *reader != name);
    let data = order.filter_map(|reader| {
        let asset = prepared.project.assets.get(reader)?;
        let effect = match &asset.definition {
            Definition::Table(table) => effect_on(table),
            Definition::FeatureView(view) if view.online => "values known since are brought online",
            Definition::FeatureView(_) => "reads the new version",
            _ => return None,
        };
        Some(RestatedAsset { name: reader.clone(), kind: asset.kind(), effect: effect.to_owned() })
    });
    match downstream {
        true => (data.collect(), Vec::new()),
        false => (Vec::new(), data.map(|reader| reader.name).collect()),
    }
}

fn effect_on(table: &Table) -> &'static str {
    match table.materialize {
        Materialize::Table => "is computed again",
        Materialize::View => "shows the new rows",
        Materialize::Incremental => "is computed again from the restated time on",
        Materialize::Merge => "takes in the rows that differ, by key",
        Materialize::Append => "adds the rows that are new",
        Materialize::History => "takes in the states that are new; what it holds stays",
        Materialize::Snapshot => "keeps the snapshots it has",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_lie_between_ranges() {
        let set: IntervalSet =
            [(0, 2), (4, 6), (9, 10)].map(|(start, end)| Interval { start, end }).into_iter().collect();
        let gaps: Vec<(i64, i64)> = gaps_of(&set).ranges().iter().map(|gap| (gap.start, gap.end)).collect();
        assert_eq!(gaps, [(2, 4), (6, 9)]);
    }
}
