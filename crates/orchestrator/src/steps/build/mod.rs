//! Building a table: find what is missing, compute it aside, check it, record it.

mod each;
mod kept;
mod pieces;
mod shared;
mod view;

use std::collections::BTreeMap;

use baton_core::asset::{Materialize, Table};
use baton_core::check::Check;
use baton_core::interval::MICROS_PER_SECOND;
use baton_core::{
    AssetName, Fingerprint, Interval, IntervalSet, Kind, Pin, TableVersion, Timestamp, Version, failpoint,
};
use baton_engine::BuildOptions;
use baton_lake::{Change, CommitInfo, TableLocation};
use serde_json::json;

use self::each::Each;
pub(crate) use self::kept::Batch;
use self::pieces::Pieces;
use self::shared::Shared;
use super::key::StepKey;
use super::output::{Made, RecordedStep};
use crate::checks::{NewRows, checks_of_pass};
use crate::commands::gaps_of;
use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::extent::{measured, oldest_in};
use crate::prepare::handed;
use crate::python::{TableCall, session_for};
use crate::report::rows_of;
use crate::sessions::inputs_of;
use crate::write::{Place, Written, write_stream};

/// The beginning of time for a first build: 0001-01-01.
pub(crate) const BEGINNING: i64 = -62_135_596_800 * MICROS_PER_SECOND;

/// What is to be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Nothing,
    Whole,
    Range(Interval),
}

impl Execution<'_> {
    /// Brings a table up to the clock.
    pub(crate) async fn build(&mut self, asset: &AssetName, table: &Table) -> Result<StepOutcome, RunError> {
        let Some(desired) = self.prepared.desired.assets.get(asset) else { return Ok(StepOutcome::up_to_date()) };
        let content = desired.content();
        if table.materialize == Materialize::View {
            return self.build_view(asset, table, &content).await;
        }
        if table.materialize.is_stateful() {
            return Box::pin(self.build_kept(asset, table, &content)).await;
        }
        let location = TableLocation::new(asset.as_str(), content.as_str())?;
        let inputs = self.input_versions(asset);
        let anew = self.applied.from_nothing.contains(asset);
        let previous = self.working.get(asset).filter(|pin| is_at(pin, &location) && !anew).cloned();
        let stands = previous.as_ref().or_else(|| self.stands_elsewhere(asset, table, &location, anew));
        let work = self.work(asset, table, stands.cloned().as_ref(), &inputs).await?;
        let checks = self.checks_of(asset);
        if work == Work::Nothing {
            return self.audit_again(asset, &checks).await;
        }
        let clock = self.reads_clock(asset).then_some(self.as_of);
        let key = step_key(&content, &checks, &inputs, work, previous.as_ref(), clock);
        let mut reused = if anew { None } else { self.take_recorded(asset, &key).await? };
        if !anew && reused.is_none() && table.materialize == Materialize::Incremental && previous.is_none() {
            reused = self.take_filled(asset, &key).await?;
        }
        if let Some(pin) = reused {
            return Ok(StepOutcome::reused(rows_of(pin.rows.unwrap_or_default())));
        }
        // In a box, as are the ways to write below: the compiler counts how deep futures lie in each other.
        Box::pin(self.compute(asset, table, &location, previous, inputs, work, &checks, &key)).await
    }

    /// The version that is there, where it was made for another table of the same query.
    fn stands_elsewhere(&self, asset: &AssetName, table: &Table, location: &TableLocation, anew: bool) -> Option<&Pin> {
        let content = location.to_string();
        let content = content.rsplit('/').next().unwrap_or_default();
        let is_same = |pin: &&Pin| {
            let version = pin.version.table();
            version.is_some_and(|table| table.location.rsplit('/').next() == Some(content))
        };
        let is_whole = table.materialize == Materialize::Table && !anew;
        self.working.get(asset).filter(|_| is_whole).filter(is_same)
    }

    /// Takes a version that was filled up to the same instant from the same inputs, in several runs.
    async fn take_filled(&mut self, asset: &AssetName, key: &StepKey) -> Result<Option<Pin>, RunError> {
        let end = key.interval.map(|interval| interval.end);
        let steps = self.newest_steps(asset).await?;
        let same = |step: &RecordedStep| {
            let other = StepKey { interval: key.interval, base: None, ..step.key.clone() };
            other == *key && step.output.pin.intervals.end() == end
        };
        Ok(self.take_same(asset, key, steps, same))
    }

    /// Whether the table's query, or that of a view which it reads, asks for the clock itself, as `now()` does.
    fn reads_clock(&self, asset: &AssetName) -> bool {
        let is_view = |input: &&AssetName| {
            let pin = self.working.get(*input);
            pin.is_some_and(|pin| matches!(pin.version, Version::View { .. }))
        };
        self.prepared.analyses.get(asset).is_some_and(|analysis| analysis.reads_clock)
            || self.prepared.graph.inputs(asset).filter(is_view).any(|view| self.reads_clock(view))
    }

    /// Whether the same inputs make other rows, because the clock has moved since the last commit.
    fn clock_decides(&self, asset: &AssetName) -> bool {
        self.reads_clock(asset) && self.base.as_ref().is_some_and(|commit| commit.as_of != self.as_of)
    }

    async fn work(
        &mut self,
        asset: &AssetName,
        table: &Table,
        previous: Option<&Pin>,
        inputs: &BTreeMap<AssetName, String>,
    ) -> Result<Work, RunError> {
        let same_inputs = previous.is_some_and(|pin| pin.inputs == *inputs) && !self.clock_decides(asset);
        let moved = match previous {
            Some(previous) if !same_inputs => self.moved_since(asset, previous).await?,
            _ => None,
        };
        if table.materialize != Materialize::Incremental {
            self.moved_from.extend(moved.map(|moved| (asset.clone(), moved)));
            return Ok(if same_inputs { Work::Nothing } else { Work::Whole });
        }
        if let Some((_, interval, _)) = self.restated.as_ref().filter(|(name, ..)| name == asset && previous.is_some())
        {
            let first = self.moved_from.get(asset).copied().unwrap_or(i64::MAX);
            self.moved_from.insert(asset.clone(), interval.start.min(first));
            return Ok(Work::Range(*interval));
        }
        let batch = table.batch.max(1) * MICROS_PER_SECOND;
        let end = self.as_of.timestamp_micros().div_euclid(batch) * batch;
        let gap = previous.and_then(|pin| gaps_of(&pin.intervals).start());
        let done = previous.and_then(|pin| pin.intervals.end());
        let Some(done) = done else { return Ok(Work::Range(Interval { start: BEGINNING, end })) };
        if done >= end && same_inputs && gap.is_none() {
            return Ok(Work::Nothing);
        }
        let reach = |instant: i64| (instant - table.lookback * MICROS_PER_SECOND).div_euclid(batch) * batch;
        let mut start = reach(done.min(end));
        if let Some(gap) = gap.filter(|gap| *gap < start) {
            start = gap;
            self.moved_from.insert(asset.clone(), gap);
        }
        if let Some(moved) = moved.filter(|moved| *moved < start) {
            // Rows came or went that lie before what the lookback covers, as with a delivery that is months late.
            start = reach(moved);
            self.moved_from.insert(asset.clone(), start);
        }
        Ok(Work::Range(Interval { start, end: end.max(done) }))
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; the arguments are the step's whole state")]
    async fn compute(
        &mut self,
        asset: &AssetName,
        table: &Table,
        location: &TableLocation,
        previous: Option<Pin>,
        inputs: BTreeMap<AssetName, String>,
        work: Work,
        checks: &[Check],
        key: &StepKey,
    ) -> Result<StepOutcome, RunError> {
        self.tie_programs(asset, table).await;
        let base = previous.as_ref().and_then(|pin| pin.version.table()).map(|table| table.version);
        let (written, schema) = match table.for_each.as_deref() {
            Some(each) => {
                let read: Vec<AssetName> = self.prepared.graph.inputs(asset).cloned().collect();
                let tables = inputs_of(self.services, &self.working, &read).await?;
                let handed = handed(asset, table).map_err(|problem| RunError::Project(problem.message))?;
                Box::pin(self.write_each(&Each { asset, table, each, location, base, checks, key, tables, handed }))
                    .await?
            }
            None => match table.command.as_deref().filter(|step| self.is_shared(asset, step)) {
                Some(step) => {
                    Box::pin(self.write_shared(&Shared { asset, table, step, location, base, checks })).await?
                }
                None => Box::pin(self.write_rows(asset, table, location, base, checks, key)).await?,
            },
        };
        let rows = written.rows;
        let change = match (work, &table.time) {
            (Work::Range(interval), Some(time)) if base.is_some() => Change::ReplaceRange {
                column: time.clone(),
                start_micros: interval.start,
                end_micros: interval.end,
                files: written.files,
            },
            _ => Change::Replace(written.files),
        };
        failpoint::reach("build.before_commit");
        let info = self.commit_info(&key.fingerprint());
        let version = self.services.lake.commit(location, &schema, base, change, &info).await?;
        failpoint::reach("build.after_commit");
        let pin = self.table_pin(asset, version, inputs, table, work, previous.as_ref()).await?;
        let new_rows = match (work, &table.time, base) {
            (Work::Range(interval), Some(time), Some(_)) => Some(NewRows { time, interval }),
            _ => None,
        };
        let pin = self.accept(asset, key, Made { pin, checks, by_the_way: written.checks, new_rows }).await?;
        Ok(StepOutcome::done(describe(work, rows, pin.rows.unwrap_or_default(), base.is_some())).with_rows(rows))
    }

    async fn write_rows(
        &self,
        asset: &AssetName,
        table: &Table,
        location: &TableLocation,
        base: Option<u64>,
        checks: &[Check],
        key: &StepKey,
    ) -> Result<(Written, arrow::datatypes::SchemaRef), RunError> {
        let inputs: Vec<AssetName> = self.prepared.graph.inputs(asset).cloned().collect();
        let tables = inputs_of(self.services, &self.working, &inputs).await?;
        let (as_of, interval) = (self.as_of, key.interval);
        let call = TableCall {
            services: self.services,
            asset,
            table,
            as_of,
            interval,
            run: Some(&self.run),
            tie: self.tracked.tie.as_ref(),
            each: None,
        };
        let session = session_for(&call, tables).await?;
        let options = BuildOptions {
            time_column: table.time.clone(),
            interval,
            track_availability: true,
            spill_joins: self.spill_joins,
        };
        if let (Some((name, interval, parallel)), Some(base)) = (&self.restated, base)
            && name == asset
        {
            let writing = Pieces { asset, table, location, base, session: &session, checks, key };
            return self.write_pieces(&writing, *interval, *parallel);
        }
        let stream = session.execute(&table.sql, &options).await?;
        let schema = stream.schema();
        let whole = base.is_none() || key.interval.is_none();
        let place = Place { location, base, checks: &checks_of_pass(checks, whole) };
        Ok((write_stream(self.services, place, stream, self.as_of).await?, schema))
    }

    pub(crate) fn commit_info(&self, key: &Fingerprint) -> CommitInfo {
        CommitInfo { operation: "WRITE".to_owned(), at: self.as_of, metadata: json!({"step": key.as_str()}) }
    }

    async fn table_pin(
        &self,
        asset: &AssetName,
        version: TableVersion,
        inputs: BTreeMap<AssetName, String>,
        table: &Table,
        work: Work,
        previous: Option<&Pin>,
    ) -> Result<Pin, RunError> {
        let snapshot = self.services.lake.snapshot(&version).await?;
        let mut pin = measured(self.bare_pin(asset, Kind::Table, Version::Table(version)), &snapshot);
        pin.inputs = inputs;
        if let (Work::Range(interval), Some(time)) = (work, &table.time) {
            let batch = table.batch.max(1) * MICROS_PER_SECOND;
            let first = oldest_in(snapshot.files(), time).unwrap_or(interval.end - batch).div_euclid(batch) * batch;
            let is_asked = self.restated.as_ref().is_some_and(|(name, ..)| name == asset);
            // Time before the first row is there as far as it was asked for.
            let first = previous.and_then(|pin| pin.intervals.start()).map_or(first, |start| start.min(first));
            let start = if is_asked { interval.start } else { interval.start.max(first) };
            let filled = IntervalSet::of(Interval { start, end: interval.end });
            if let Some(previous) = previous.filter(|_| is_asked) {
                // Of the other time, the rows are those of the former inputs: the next run goes over it.
                pin.inputs.clone_from(&previous.inputs);
            }
            pin.intervals = previous.map(|pin| pin.intervals.clone()).unwrap_or_default().union(&filled);
        }
        Ok(pin)
    }
}

fn is_at(pin: &Pin, location: &TableLocation) -> bool {
    pin.version.table().is_some_and(|table| table.location == location.to_string())
}

fn step_key(
    content: &Fingerprint,
    checks: &[Check],
    inputs: &BTreeMap<AssetName, String>,
    work: Work,
    previous: Option<&Pin>,
    clock: Option<Timestamp>,
) -> StepKey {
    let mut key = StepKey::new("build", content).checked_by(checks).reading(inputs);
    key.clock = clock;
    if let Work::Range(interval) = work {
        key.interval = Some(interval);
        key.base = previous.and_then(|pin| pin.version.table()).map(ToString::to_string);
    }
    key
}

fn describe(work: Work, written: u64, total: u64, had_base: bool) -> String {
    match work {
        Work::Range(interval) if had_base => format!("{written} rows for {interval}, {total} in all"),
        _ => rows_of(total),
    }
}
