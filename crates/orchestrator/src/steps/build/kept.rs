//! Tables whose rows outlast what their inputs say: merge, append, history, snapshot.
//!
//! Their state goes on whatever becomes of their definition: new columns come to the rows that are there, and only a
//! plan that says so makes them from nothing. How rows meet those of the table is `baton_engine::keep`; here they are
//! read, written aside, checked and recorded.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use baton_core::asset::{ColumnPolicy, Deletes, Materialize, Table, VALID_FROM};
use baton_core::check::Check;
use baton_core::interval::MICROS_PER_SECOND;
use baton_core::{AssetName, Fingerprint, Interval, IntervalSet, Kind, Pin, TableVersion, Version, failpoint};
use baton_engine::keep::{Held, Keeping, Keys, VALID_TO_AVAILABLE_AT, effect, kept_schema, taken_at};
use baton_engine::{AVAILABLE_AT, BuildOptions, EngineError, Session, TableFiles, TableInput};
use baton_lake::{Change, TableLocation};
use futures::TryStreamExt as _;

use super::BEGINNING;
use crate::checks::{checks_of_pass, quoted};
use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::report::rows_of;
use crate::sessions::{inputs_of, newest_in};
use crate::steps::StepKey;
use crate::steps::output::StepOutput;
use crate::write::{Pass, Written};

/// After the last instant that a table can hold: 9999-12-31.
const END: i64 = 253_402_214_400 * MICROS_PER_SECOND;

/// One time that rows meet those of the table.
struct Batch<'t> {
    asset: &'t AssetName,
    table: &'t Table,
    /// What the table holds; `None` when it is made from nothing.
    stored: Option<TableVersion>,
    location: TableLocation,
    /// Rows whose time lies before are as they were the last time.
    since: Option<i64>,
    checks: Vec<Check>,
}

/// What came of it, not visible yet.
struct Outcome {
    written: Written,
    schema: SchemaRef,
    change: fn(Vec<String>, RecordBatch, Vec<baton_lake::StagedFile>) -> Change,
    gone: RecordBatch,
    /// The oldest time among rows that came or went.
    oldest: Option<i64>,
}

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
        let batch = Batch { asset, table, stored, location, since, checks };
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
        let outcome = self.meet(batch).await.map_err(|error| self.explained(batch, error))?;
        let (rows, gone) = (outcome.written.rows, outcome.gone.num_rows());
        let base = batch.stored.as_ref().map(|stored| stored.version);
        let change = match base {
            Some(_) => (outcome.change)(table.grain.clone(), outcome.gone, outcome.written.files),
            None => Change::Replace(outcome.written.files),
        };
        failpoint::reach("build.before_commit");
        let info = self.commit_info(&key.fingerprint());
        let schema = &outcome.schema;
        let commit = self.services.lake.commit(&batch.location, schema, base, change, &info).await;
        let mut version = commit.map_err(|error| self.explained(batch, error.into()))?;
        if let (ColumnPolicy::Sync, Some(_)) = (table.keep.on_schema_change, base) {
            version = self.without_former_columns(batch, version, schema, key).await?;
        }
        failpoint::reach("build.after_commit");
        let snapshot = self.services.lake.snapshot(&version).await?;
        let mut pin = self.bare_pin(asset, Kind::Table, Version::Table(version));
        pin.rows = Some(snapshot.rows());
        pin.digest = Some(snapshot.digest().to_string());
        pin.known_through = newest_in(&snapshot, AVAILABLE_AT).max(newest_in(&snapshot, VALID_TO_AVAILABLE_AT));
        pin.inputs = inputs;
        if table.materialize == Materialize::Snapshot {
            let end = self.batch_start(table);
            let batch = table.batch.max(1) * MICROS_PER_SECOND;
            let start = previous.and_then(|pin| pin.intervals.start()).unwrap_or(end - batch);
            pin.intervals = IntervalSet::of(Interval { start, end });
        }
        let checks = self.audit(asset, &pin, &batch.checks, outcome.written.checks, None).await?;
        if let Some(oldest) = outcome.oldest {
            let from = self.moved_from.entry(asset.clone()).or_insert(oldest);
            *from = oldest.min(*from);
        }
        let total = pin.rows.unwrap_or_default();
        let output = StepOutput { pin: pin.clone(), checks, rejected: Vec::new() };
        self.record_output(asset, key, &output, Vec::new()).await?;
        self.working.insert(asset.clone(), pin);
        Ok(StepOutcome::done(match (base, gone) {
            (None, _) => rows_of(total),
            (Some(_), 0) => format!("{rows} new rows, {total} in all"),
            (Some(_), gone) => format!("{gone} keys changed, {total} rows in all"),
        }))
    }

    /// Runs the query and writes what comes of it aside.
    async fn meet(&self, batch: &Batch<'_>) -> Result<Outcome, RunError> {
        let (asset, table) = (batch.asset, batch.table);
        let reads: Vec<AssetName> = self.prepared.graph.inputs(asset).cloned().collect();
        let mut tables = inputs_of(self.services, &self.working, &reads).await?;
        let stored = match &batch.stored {
            Some(version) => Some(TableFiles::from(self.services.lake.snapshot(version).await?.as_ref())),
            None => None,
        };
        let mut sql = &table.sql;
        if let (Some(going_on), Some(stored)) = (&table.keep.incremental_sql, &stored) {
            tables.insert(asset.to_string(), TableInput::Files(stored.clone()));
            sql = going_on;
        }
        let session = |tables| {
            let input = baton_engine::SessionInput { tables, as_of: Some(self.as_of) };
            self.services.engine.session(input)
        };
        let options = BuildOptions {
            time_column: table.time.clone(),
            interval: batch.since.map(|start| Interval { start, end: END }),
            track_availability: true,
        };
        let mut rows = session(tables)?.execute(sql, &options).await?;
        let mut schema = kept_schema(&rows.schema(), table.materialize);
        if let Some(stored) = &stored {
            self.check_columns(batch, &stored.schema, &schema)?;
            schema = with_former(table, schema, &stored.schema);
        }
        // What the table holds is looked at as a whole: its rows are its own, whatever the clock.
        let held = stored.map(|stored| -> Result<(Session, SchemaRef), EngineError> {
            let schema = stored.schema.clone();
            let tables = BTreeMap::from([(asset.to_string(), TableInput::Files(stored))]);
            let input = baton_engine::SessionInput { tables, as_of: None };
            Ok((self.services.engine.session(input)?, schema))
        });
        let held = held.transpose()?;
        let base = batch.stored.as_ref().map(|stored| stored.version);
        let checks = checks_of_pass(&batch.checks, base.is_none());
        let mut pass = Pass::new(self.services, &batch.location, base, &schema, &checks)?;
        let nothing = RecordBatch::new_empty(std::sync::Arc::new(Schema::empty()));
        let (mut gone, mut oldest) = (nothing, None);
        match table.materialize {
            Materialize::Append => {
                let mut known = Held::new(table, &schema)?;
                if let Some((held, stored)) = held.as_ref().filter(|_| compares(table)) {
                    let query = stored_rows(batch, stored, known.columns());
                    let mut there = held.query_stream(&query).await?;
                    while let Some(rows) = there.try_next().await? {
                        known.add(&rows)?;
                    }
                }
                while let Some(rows) = rows.try_next().await? {
                    let new = if compares(table) && held.is_some() || !table.grain.is_empty() {
                        known.new_rows(&rows)?
                    } else {
                        rows
                    };
                    pass.write(&new).await?;
                }
            }
            Materialize::Snapshot => {
                while let Some(rows) = rows.try_next().await? {
                    pass.write(&taken_at(&rows, self.as_of.timestamp_micros())?).await?;
                }
            }
            _ => {
                let mut all = vec![RecordBatch::new_empty(rows.schema())];
                while let Some(rows) = rows.try_next().await? {
                    all.push(rows);
                }
                let there = self.touched(batch, held.as_ref().map(|(held, _)| held), &all).await?;
                let whole = batch.since.is_none() && (table.keep.incremental_sql.is_none() || base.is_none());
                let clock = self.as_of.timestamp_micros();
                let keeping = Keeping { table, clock, interval: None, whole };
                let effect = effect(&there, &all, &keeping)?;
                oldest = oldest_time(table, &there, &effect);
                pass.write(&baton_lake::conform(&effect.rows, &schema)?).await?;
                gone = effect.gone;
            }
        }
        let change = match table.materialize {
            Materialize::Append | Materialize::Snapshot => |_, _, files| Change::Append(files),
            _ => |keys, gone, files| Change::ReplaceKeys { keys, gone, files },
        };
        Ok(Outcome { written: pass.finish(self.as_of).await?, schema, change, gone, oldest })
    }

    /// The stored rows of the keys among `rows`; all rows where keys that are gone are closed.
    async fn touched(
        &self,
        batch: &Batch<'_>,
        held: Option<&Session>,
        rows: &[RecordBatch],
    ) -> Result<Vec<RecordBatch>, RunError> {
        let Some(held) = held else { return Ok(Vec::new()) };
        let all = batch.table.materialize == Materialize::History && batch.table.keep.deletes == Deletes::Close;
        let keys = Keys::of(rows, &batch.table.grain)?;
        let mut stream = held.scan(batch.asset).await?;
        let mut touched = Vec::new();
        while let Some(stored) = stream.try_next().await? {
            let found = if all { stored } else { keys.matching(&stored)? };
            if found.num_rows() > 0 {
                touched.push(found);
            }
        }
        Ok(touched)
    }

    /// Holds the columns of the query against those of the table, as its policy says.
    fn check_columns(&self, batch: &Batch<'_>, stored: &Schema, now: &Schema) -> Result<(), RunError> {
        let names = |of: &Schema, other: &Schema| -> Vec<String> {
            let seen =
                of.fields().iter().map(|field| field.name()).filter(|name| !baton_engine::is_system_column(name));
            seen.filter(|name| other.column_with_name(name).is_none()).cloned().collect()
        };
        let (new, former) = (names(now, stored), names(stored, now));
        let table = batch.table;
        let by_content = table.materialize == Materialize::Append && compares(table) && table.grain.is_empty();
        let reason = match table.keep.on_schema_change {
            ColumnPolicy::Freeze if !new.is_empty() || !former.is_empty() => {
                "its columns are frozen (on_schema_change)"
            }
            _ if by_content && !new.is_empty() => {
                "its rows are told apart by all columns: say its `grain`, so that rows which are there are known again"
            }
            _ => return Ok(()),
        };
        let list = |verb: &str, names: &[String]| (!names.is_empty()).then(|| format!("{verb} {}", names.join(", ")));
        let changes: Vec<String> = [list("adds", &new), list("removes", &former)].into_iter().flatten().collect();
        Err(cannot_go_on(batch.asset, &format!("the query {}, and {reason}", changes.join(" and "))))
    }

    /// The same rows with the query's columns alone.
    async fn without_former_columns(
        &self,
        batch: &Batch<'_>,
        version: TableVersion,
        schema: &SchemaRef,
        key: &StepKey,
    ) -> Result<TableVersion, RunError> {
        let snapshot = self.services.lake.snapshot(&version).await?;
        if snapshot.schema().fields().iter().all(|field| schema.column_with_name(field.name()).is_some()) {
            return Ok(version);
        }
        let files = snapshot.files().to_vec();
        let (base, info) = (Some(version.version), self.commit_info(&key.fingerprint()));
        Ok(self.services.lake.commit(&batch.location, schema, base, Change::Replace(files), &info).await?)
    }

    fn explained(&self, batch: &Batch<'_>, error: RunError) -> RunError {
        match error {
            RunError::Engine(EngineError::Kept { reason }) => {
                RunError::Project(format!("table `{}`: {reason}", batch.asset))
            }
            RunError::Lake(error @ baton_lake::LakeError::TypeChanged { .. }) => {
                cannot_go_on(batch.asset, &error.to_string())
            }
            other => other,
        }
    }
}

/// A table whose rows cannot be computed again is not replaced in silence.
fn cannot_go_on(asset: &AssetName, reason: &str) -> RunError {
    RunError::Project(format!(
        "table `{asset}` keeps rows that cannot be computed again, and its new definition does not fit them: {reason}; \
         change it back, or make it from nothing with `baton apply --recreate {asset}`"
    ))
}

/// With the columns that only the table still has, where rows of it are written again: they keep what they hold.
fn with_former(table: &Table, schema: SchemaRef, stored: &Schema) -> SchemaRef {
    let by_key = matches!(table.materialize, Materialize::Merge | Materialize::History);
    if !by_key || table.keep.on_schema_change == ColumnPolicy::Sync {
        return schema;
    }
    let former = stored.fields().iter().filter(|field| schema.column_with_name(field.name()).is_none());
    Schema::new(schema.fields().iter().chain(former).cloned().collect::<Vec<_>>()).into()
}

/// Whether rows bear the instant at which they were taken in.
fn stamps_clock(table: &Table) -> bool {
    match table.materialize {
        Materialize::Snapshot => true,
        Materialize::History => table.keep.updated_at.is_none() || table.keep.deletes == Deletes::Close,
        _ => false,
    }
}

/// Whether an append looks at what is there; a query that goes on from it says itself which rows are new.
fn compares(table: &Table) -> bool {
    table.keep.incremental_sql.is_none() || !table.grain.is_empty()
}

/// The rows of a table that an append looks at.
fn stored_rows(batch: &Batch<'_>, stored: &Schema, columns: &[String]) -> String {
    let present = |name: &String| match stored.column_with_name(name) {
        Some(_) => quoted(name),
        None => format!("null as {}", quoted(name)),
    };
    let columns: Vec<String> = columns.iter().map(present).collect();
    let range = match (&batch.table.time, batch.since) {
        (Some(time), Some(since)) => format!(" where {} >= to_timestamp_micros({since})", quoted(time)),
        _ => String::new(),
    };
    format!("select {} from {}{range}", columns.join(", "), quoted(batch.asset))
}

/// The oldest time among rows that came or went, for incremental readers.
fn oldest_time(table: &Table, stored: &[RecordBatch], effect: &baton_engine::keep::Effect) -> Option<i64> {
    let column = match table.materialize {
        Materialize::History => VALID_FROM,
        _ => table.time.as_deref()?,
    };
    let keys = Keys::of(std::slice::from_ref(&effect.gone), &table.grain).ok()?;
    let went = stored.iter().filter_map(|batch| keys.matching(batch).ok());
    let oldest = |batch: &RecordBatch| {
        let values = batch.column_by_name(column)?;
        (0..values.len()).filter_map(|row| crate::values::micros_at(values, row)).min()
    };
    went.chain([effect.rows.clone()]).filter_map(|batch| oldest(&batch)).min()
}
