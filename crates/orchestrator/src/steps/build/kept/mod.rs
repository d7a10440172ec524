//! Tables whose rows outlast what their inputs say: merge, append, history, snapshot.
//!
//! Their state goes on whatever becomes of their definition: new columns come to the rows that are there, and only a
//! plan that says so makes them from nothing. How rows meet those of the table is `baton_engine::keep`; here it is
//! decided what is new, and what came of it is checked and recorded.

mod meet;

use std::collections::BTreeMap;

use baton_core::asset::{Deletes, Materialize, Table};
use baton_core::interval::MICROS_PER_SECOND;
use baton_core::{AssetName, Fingerprint, Interval, IntervalSet, Kind, Pin, Version, failpoint};
use baton_lake::TableLocation;

pub(crate) use meet::Batch;

use super::BEGINNING;
use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::extent::measured;
use crate::report::rows_of;
use crate::sessions::inputs_of;
use crate::steps::StepKey;
use crate::steps::output::Made;

/// After the last instant that a table can hold: 9999-12-31.
const END: i64 = 253_402_214_400 * MICROS_PER_SECOND;

impl Execution<'_> {
    /// Takes in what is new.
    pub(super) async fn build_kept(
        &mut self,
        asset: &AssetName,
        table: &Table,
        content: &Fingerprint,
    ) -> Result<StepOutcome, RunError> {
        let inputs = self.input_versions(asset);
        let checks = self.checks_of(asset);
        let previous = self.state_to_go_on(asset, table).await?;
        if previous.as_ref().is_some_and(|pin| self.holds_all(asset, table, pin, &inputs)) {
            return self.audit_again(asset, &checks).await;
        }
        let since = match &previous {
            Some(pin) => self.known_since(asset, table, pin, &inputs).await?,
            None => None,
        };
        let stored = previous.as_ref().and_then(|pin| pin.version.table()).cloned();
        let location = match &stored {
            Some(stored) => TableLocation::parse(&stored.location)?,
            None => TableLocation::new(asset.as_str(), content.as_str())?,
        };
        let mut key = StepKey::new("build", content).checked_by(&checks).reading(&inputs);
        key.base = stored.as_ref().map(ToString::to_string);
        key.interval = since.map(|start| Interval { start, end: END });
        key.clock = (self.reads_clock(asset) || stamps_clock(table)).then_some(self.as_of);
        if let Some(pin) = self.take_recorded(asset, &key).await? {
            return Ok(StepOutcome::reused(rows_of(pin.rows.unwrap_or_default())));
        }
        let (as_of, run) = (self.as_of, self.run.clone());
        let spill_joins = self.spill_joins;
        self.tie_programs(asset, table).await;
        let tie = self.tracked.tie.clone();
        let (run, tie) = (Some(run.as_str()), tie.as_ref());
        let batch = Batch { asset, table, stored, location, since, as_of, run, tie, checks, spill_joins };
        self.take_in(&batch, inputs, previous.as_ref(), &key).await
    }

    /// The version whose rows stay. A table that was not kept like this before has none.
    async fn state_to_go_on(&self, asset: &AssetName, table: &Table) -> Result<Option<Pin>, RunError> {
        let Some(pin) = self.working.get(asset).filter(|_| !self.applied.from_nothing.contains(asset)) else {
            return Ok(None);
        };
        let Some(version) = pin.version.table().filter(|_| pin.kind == Kind::Table) else { return Ok(None) };
        let schema = self.services.lake.snapshot(version).await?.schema().clone();
        let has_added =
            table.materialize.added_columns().iter().all(|column| schema.column_with_name(column).is_some());
        Ok(has_added.then(|| pin.clone()))
    }

    /// Whether there is nothing new: the same definition over the same inputs, or a batch that has its snapshot.
    fn holds_all(&self, asset: &AssetName, table: &Table, pin: &Pin, inputs: &BTreeMap<AssetName, String>) -> bool {
        let desired = self.prepared.desired.assets.get(asset);
        let is_same = desired.is_some_and(|found| found.rows == pin.fingerprint && found.columns == pin.columns);
        is_same
            && match table.materialize {
                Materialize::Snapshot => pin.intervals.end().is_some_and(|end| end >= self.batch_start(table)),
                _ => pin.inputs == *inputs && !self.clock_decides(asset),
            }
    }

    fn batch_start(&self, table: &Table) -> i64 {
        let batch = table.batch.max(1) * MICROS_PER_SECOND;
        self.as_of.timestamp_micros().div_euclid(batch) * batch
    }

    /// From when on the query can yield other rows than the last time, if every input that moved can tell.
    async fn known_since(
        &mut self,
        asset: &AssetName,
        table: &Table,
        previous: &Pin,
        inputs: &BTreeMap<AssetName, String>,
    ) -> Result<Option<i64>, RunError> {
        let moved = self.moved_since(asset, previous).await?;
        self.moved_from.extend(moved.map(|moved| (asset.clone(), moved)));
        let by_time = matches!(table.materialize, Materialize::Merge | Materialize::Append) && table.time.is_some();
        let desired = self.prepared.desired.assets.get(asset);
        let is_same =
            desired.is_some_and(|found| found.rows == previous.fingerprint && found.columns == previous.columns);
        if !by_time || !is_same || table.keep.incremental_sql.is_some() || self.reads_clock(asset) {
            return Ok(None);
        }
        for (input, version) in inputs {
            if previous.inputs.get(input) != Some(version) && !self.tells_when_it_moved(input, previous).await? {
                return Ok(None);
            }
        }
        let batch = table.batch.max(1) * MICROS_PER_SECOND;
        let reach = |instant: i64| (instant - table.lookback * MICROS_PER_SECOND).div_euclid(batch) * batch;
        Ok(moved.map(|moved| reach(moved).max(BEGINNING)))
    }

    async fn take_in(
        &mut self,
        batch: &Batch<'_>,
        inputs: BTreeMap<AssetName, String>,
        previous: Option<&Pin>,
        key: &StepKey,
    ) -> Result<StepOutcome, RunError> {
        let (asset, table) = (batch.asset, batch.table);
        let reads: Vec<AssetName> = self.prepared.graph.inputs(asset).cloned().collect();
        let read = inputs_of(self.services, &self.working, &reads).await?;
        let mut outcome = batch.meet(self.services, read).await?;
        let (rows, gone, oldest) = (outcome.rows, outcome.gone, outcome.oldest);
        let by_the_way = std::mem::take(&mut outcome.checks);
        failpoint::reach("build.before_commit");
        let version = batch.publish(self.services, outcome, &self.commit_info(&key.fingerprint())).await?;
        failpoint::reach("build.after_commit");
        let snapshot = self.services.lake.snapshot(&version).await?;
        let mut pin = measured(self.bare_pin(asset, Kind::Table, Version::Table(version)), &snapshot);
        pin.inputs = inputs;
        if table.materialize == Materialize::Snapshot {
            let end = self.batch_start(table);
            let batch = table.batch.max(1) * MICROS_PER_SECOND;
            let start = previous.and_then(|pin| pin.intervals.start()).unwrap_or(end - batch);
            pin.intervals = IntervalSet::of(Interval { start, end });
        }
        let made = Made { pin, checks: &batch.checks, by_the_way, new_rows: None };
        let total = self.accept(asset, key, made).await?.rows.unwrap_or_default();
        if let Some(oldest) = oldest {
            let from = self.moved_from.entry(asset.clone()).or_insert(oldest);
            *from = oldest.min(*from);
        }
        Ok(StepOutcome::done(match (&batch.stored, gone) {
            (None, _) => rows_of(total),
            (Some(_), 0) => format!("{rows} new rows, {total} in all"),
            (Some(_), gone) => format!("{gone} keys changed, {total} rows in all"),
        })
        .with_rows(rows))
    }
}

/// Whether rows bear the instant at which they were taken in.
fn stamps_clock(table: &Table) -> bool {
    match table.materialize {
        Materialize::Snapshot => true,
        Materialize::History => table.keep.updated_at.is_none() || table.keep.deletes == Deletes::Close,
        _ => false,
    }
}
