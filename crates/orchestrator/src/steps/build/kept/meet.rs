//! New rows meet those of a kept table: what the query yields under a clock is held against what is stored, written
//! aside, and made one version. A run does this once a batch; `reproduce` does it again for recorded batches.
//!
//! It does not know runs, plans or the ledger.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use baton_core::asset::{ColumnPolicy, Deletes, Materialize, Table, VALID_FROM};
use baton_core::check::{Check, CheckResult};
use baton_core::{AssetName, Interval, TableVersion, Timestamp};
use baton_engine::keep::{Effect, Held, Keeping, Keys, effect, kept_schema, taken_at};
use baton_engine::{BatchStream, BuildOptions, EngineError, Session, SessionInput, TableFiles, TableInput};
use baton_lake::{Change, CommitInfo, StagedFile, TableLocation};
use futures::TryStreamExt as _;

use super::END;
use crate::checks::{checks_of_pass, quoted};
use crate::error::RunError;
use crate::python::{TableCall, session_for};
use crate::services::Services;
use crate::tracked::Tie;
use crate::write::{Pass, Place};

/// One time that rows meet those of the table.
pub(crate) struct Batch<'t> {
    pub(crate) asset: &'t AssetName,
    pub(crate) table: &'t Table,
    /// What the table holds; `None` when it is made from nothing.
    pub(crate) stored: Option<TableVersion>,
    pub(crate) location: TableLocation,
    /// Rows whose time lies before are as they were the last time.
    pub(crate) since: Option<i64>,
    /// The clock: what the query sees, and what rows bear that say when they were taken in.
    pub(crate) as_of: Timestamp,
    /// The run that does it; `None` when it is done again outside of one.
    pub(crate) run: Option<&'t str>,
    /// What runs that programs track are tied to.
    pub(crate) tie: Option<&'t Tie>,
    pub(crate) checks: Vec<Check>,
    /// See [`BuildOptions::spill_joins`].
    pub(crate) spill_joins: bool,
}

/// What came of it, not visible yet.
pub(crate) struct Outcome {
    /// Rows that come.
    pub(crate) rows: u64,
    /// Keys of which every stored row goes.
    pub(crate) gone: usize,
    /// The oldest time, in microseconds, among rows that came or went.
    pub(crate) oldest: Option<i64>,
    /// Checks that were judged by the way.
    pub(crate) checks: Vec<CheckResult>,
    schema: SchemaRef,
    change: Change,
}

/// The rows that a query yields, and what they meet.
struct Meeting {
    rows: BatchStream,
    /// The columns of the table afterwards.
    schema: SchemaRef,
    /// What the table holds, looked at as a whole: its rows are its own, whatever the clock.
    held: Option<(Session, SchemaRef)>,
    /// Whether the rows are all that the query yields.
    whole: bool,
}

impl Batch<'_> {
    /// Runs the query over `inputs` and writes what comes of it aside.
    ///
    /// # Errors
    /// Those of engine and lake; [`RunError::Project`] when the rows do not fit those of the table.
    pub(crate) async fn meet(
        &self,
        services: &Services,
        inputs: BTreeMap<String, TableInput>,
    ) -> Result<Outcome, RunError> {
        self.met(services, inputs).await.map_err(|error| self.explained(error))
    }

    /// Makes what was written aside a version of the table.
    ///
    /// # Errors
    /// Those of the lake; [`RunError::Project`] when the columns do not fit those of the table.
    pub(crate) async fn publish(
        &self,
        services: &Services,
        outcome: Outcome,
        info: &CommitInfo,
    ) -> Result<TableVersion, RunError> {
        let base = self.stored.as_ref().map(|stored| stored.version);
        let commit = services.lake.commit(&self.location, &outcome.schema, base, outcome.change, info).await;
        let version = commit.map_err(|error| self.explained(error.into()))?;
        match (self.table.keep.on_schema_change, base) {
            (ColumnPolicy::Sync, Some(_)) => {
                self.without_former_columns(services, version, &outcome.schema, info).await
            }
            _ => Ok(version),
        }
    }

    async fn met(&self, services: &Services, inputs: BTreeMap<String, TableInput>) -> Result<Outcome, RunError> {
        let meeting = self.open(services, inputs).await?;
        let base = self.stored.as_ref().map(|stored| stored.version);
        let checks = checks_of_pass(&self.checks, base.is_none());
        let schema = meeting.schema.clone();
        let mut pass = Pass::new(services, Place { location: &self.location, base, checks: &checks }, &schema)?;
        let effect = match self.table.materialize {
            Materialize::Append => self.append(meeting, &mut pass).await?,
            Materialize::Snapshot => self.take_snapshot(meeting, &mut pass).await?,
            _ => Some(self.by_key(meeting, &mut pass).await?),
        };
        let written = pass.finish(self.as_of).await?;
        let (gone, oldest) = effect.unwrap_or_else(|| (RecordBatch::new_empty(Schema::empty().into()), None));
        let n_gone = gone.num_rows();
        let change = self.change(gone, written.files);
        Ok(Outcome { rows: written.rows, gone: n_gone, oldest, checks: written.checks, schema, change })
    }

    fn change(&self, gone: RecordBatch, files: Vec<StagedFile>) -> Change {
        match (&self.stored, self.table.materialize) {
            (None, _) => Change::Replace(files),
            (Some(_), Materialize::Append | Materialize::Snapshot) => Change::Append(files),
            (Some(_), _) => Change::ReplaceKeys { keys: self.table.grain.clone(), gone, files },
        }
    }

    async fn open(&self, services: &Services, mut inputs: BTreeMap<String, TableInput>) -> Result<Meeting, RunError> {
        let table = self.table;
        let stored = match &self.stored {
            Some(version) => Some(TableFiles::from(services.lake.snapshot(version).await?.as_ref())),
            None => None,
        };
        let going_on = table.keep.incremental_sql.as_ref().zip(stored.as_ref());
        let whole = self.since.is_none() && going_on.is_none();
        let sql = match going_on {
            Some((going_on, stored)) => {
                inputs.insert(self.asset.to_string(), TableInput::Files(stored.clone()));
                going_on
            }
            None => &table.sql,
        };
        let options = BuildOptions {
            time_column: table.time.clone(),
            interval: self.since.map(|start| Interval { start, end: END }),
            track_availability: true,
            spill_joins: self.spill_joins,
        };
        let (asset, as_of) = (self.asset, self.as_of);
        let call =
            TableCall { services, asset, table, as_of, interval: None, run: self.run, tie: self.tie, each: None };
        let session = session_for(&call, inputs).await?;
        let rows = session.execute(sql, &options).await?;
        let mut schema = kept_schema(&rows.schema(), table.materialize);
        if let Some(stored) = &stored {
            self.check_columns(&stored.schema, &schema)?;
            schema = with_former(table, schema, &stored.schema);
        }
        let held = stored.map(|stored| -> Result<(Session, SchemaRef), EngineError> {
            let schema = stored.schema.clone();
            let tables = BTreeMap::from([(self.asset.to_string(), TableInput::Files(stored))]);
            Ok((services.engine.session(SessionInput { tables, as_of: None })?, schema))
        });
        Ok(Meeting { rows, schema, held: held.transpose()?, whole })
    }

    /// Writes the rows that are not there yet.
    async fn append(&self, mut meeting: Meeting, pass: &mut Pass<'_>) -> Result<Option<Effects>, RunError> {
        let mut known = Held::new(self.table, &meeting.schema)?;
        let held = meeting.held.as_ref().filter(|_| compares(self.table));
        if let Some((held, stored)) = held {
            let mut there = held.query_stream(&self.stored_rows(stored, known.columns())).await?;
            while let Some(rows) = there.try_next().await? {
                known.add(&rows)?;
            }
        }
        let tells_apart = held.is_some() || !self.table.grain.is_empty();
        while let Some(rows) = meeting.rows.try_next().await? {
            pass.write(&if tells_apart { known.new_rows(&rows)? } else { rows }).await?;
        }
        Ok(None)
    }

    async fn take_snapshot(&self, mut meeting: Meeting, pass: &mut Pass<'_>) -> Result<Option<Effects>, RunError> {
        while let Some(rows) = meeting.rows.try_next().await? {
            pass.write(&taken_at(&rows, self.as_of.timestamp_micros())?).await?;
        }
        Ok(None)
    }

    /// Writes the rows that take the place of those with the same keys.
    async fn by_key(&self, mut meeting: Meeting, pass: &mut Pass<'_>) -> Result<Effects, RunError> {
        let mut all = vec![RecordBatch::new_empty(meeting.rows.schema())];
        while let Some(rows) = meeting.rows.try_next().await? {
            all.push(rows);
        }
        let there = self.touched(meeting.held.as_ref().map(|(held, _)| held), &all).await?;
        let clock = self.as_of.timestamp_micros();
        let keeping = Keeping { table: self.table, clock, interval: None, whole: meeting.whole };
        let effect = effect(&there, &all, &keeping)?;
        let oldest = oldest_time(self.table, &there, &effect);
        pass.write(&baton_lake::conform(&effect.rows, &meeting.schema)?).await?;
        Ok((effect.gone, oldest))
    }

    /// The stored rows of the keys among `rows`; all rows where keys that are gone are closed.
    async fn touched(&self, held: Option<&Session>, rows: &[RecordBatch]) -> Result<Vec<RecordBatch>, RunError> {
        let Some(held) = held else { return Ok(Vec::new()) };
        let all = self.table.materialize == Materialize::History && self.table.keep.deletes == Deletes::Close;
        let keys = Keys::of(rows, &self.table.grain)?;
        let mut stream = held.scan(self.asset).await?;
        let mut touched = Vec::new();
        while let Some(stored) = stream.try_next().await? {
            let found = if all { stored } else { keys.matching(&stored)? };
            if found.num_rows() > 0 {
                touched.push(found);
            }
        }
        Ok(touched)
    }

    /// The rows of a table that an append looks at.
    fn stored_rows(&self, stored: &Schema, columns: &[String]) -> String {
        let present = |name: &String| match stored.column_with_name(name) {
            Some(_) => quoted(name),
            None => format!("null as {}", quoted(name)),
        };
        let columns: Vec<String> = columns.iter().map(present).collect();
        let range = match (&self.table.time, self.since) {
            (Some(time), Some(since)) => format!(" where {} >= to_timestamp_micros({since})", quoted(time)),
            _ => String::new(),
        };
        format!("select {} from {}{range}", columns.join(", "), quoted(self.asset))
    }

    /// Holds the columns of the query against those of the table, as its policy says.
    fn check_columns(&self, stored: &Schema, now: &Schema) -> Result<(), RunError> {
        let names = |of: &Schema, other: &Schema| -> Vec<String> {
            let seen =
                of.fields().iter().map(|field| field.name()).filter(|name| !baton_engine::is_system_column(name));
            seen.filter(|name| other.column_with_name(name).is_none()).cloned().collect()
        };
        let (new, former) = (names(now, stored), names(stored, now));
        let table = self.table;
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
        Err(cannot_go_on(self.asset, &format!("the query {}, and {reason}", changes.join(" and "))))
    }

    /// The same rows with the query's columns alone.
    async fn without_former_columns(
        &self,
        services: &Services,
        version: TableVersion,
        schema: &SchemaRef,
        info: &CommitInfo,
    ) -> Result<TableVersion, RunError> {
        let snapshot = services.lake.snapshot(&version).await?;
        if snapshot.schema().fields().iter().all(|field| schema.column_with_name(field.name()).is_some()) {
            return Ok(version);
        }
        let (files, base) = (snapshot.files().to_vec(), Some(version.version));
        Ok(services.lake.commit(&self.location, schema, base, Change::Replace(files), info).await?)
    }

    fn explained(&self, error: RunError) -> RunError {
        match error {
            RunError::Engine(EngineError::Kept { reason }) => {
                RunError::Project(format!("table `{}`: {reason}", self.asset))
            }
            RunError::Lake(error @ baton_lake::LakeError::TypeChanged { .. }) => {
                cannot_go_on(self.asset, &error.to_string())
            }
            other => other,
        }
    }
}

/// Keys of which every stored row goes, and the oldest time among rows that came or went.
type Effects = (RecordBatch, Option<i64>);

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

/// Whether an append looks at what is there; a query that goes on from it says itself which rows are new.
fn compares(table: &Table) -> bool {
    table.keep.incremental_sql.is_none() || !table.grain.is_empty()
}

/// The oldest time among rows that came or went, for incremental readers.
fn oldest_time(table: &Table, stored: &[RecordBatch], effect: &Effect) -> Option<i64> {
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
