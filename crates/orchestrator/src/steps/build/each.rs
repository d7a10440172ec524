//! Tables that are made for each of some values: the values are asked for when the table is made, each is a piece of
//! work with tries, a log and a slot of its own, and the rows of all of them are one version.
//!
//! What came of a value is written down when its files are on the disk: a value that failed, or a run that was killed, leaves
//! the others done, and one that came new is the only one that is worked on when nothing else has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::datatypes::SchemaRef;
use baton_core::asset::{CommandStep, ForEach, Python, Table};
use baton_core::check::Check;
use baton_core::{AssetName, Fingerprint, Timestamp, failpoint};
use baton_engine::{BuildOptions, Session, SessionInput, TableInput};
use baton_lake::TableLocation;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::checks::{checks_of_pass, merged};
use crate::error::RunError;
use crate::execution::{Execution, is_fatal};
use crate::for_each::{ROWS, query, schema_of_query, values};
use crate::python::{TableCall, returned_schema, session_for};
use crate::report::{StepReport, StepState, counted, rows_of};
use crate::steps::StepKey;
use crate::write::{Pass, Place, Written};

/// What is made for each value.
pub(super) struct Each<'e> {
    pub(super) asset: &'e AssetName,
    pub(super) table: &'e Table,
    pub(super) each: &'e ForEach,
    pub(super) location: &'e TableLocation,
    pub(super) base: Option<u64>,
    pub(super) checks: &'e [Check],
    /// What the whole depends on; a value depends on the same, and on itself.
    pub(super) key: &'e StepKey,
    pub(super) tables: BTreeMap<String, TableInput>,
    /// Those of them that what makes the table is handed; the others only say which values there are.
    pub(super) handed: BTreeSet<String>,
}

/// What came of a value.
struct Done {
    value: String,
    began: Timestamp,
    seconds: f64,
    attempts: u32,
    was_there: bool,
    written: Result<(Written, SchemaRef), RunError>,
}

impl Execution<'_> {
    /// Makes the table for each value, and puts the rows together in the order of the values.
    pub(super) async fn write_each(&mut self, making: &Each<'_>) -> Result<(Written, SchemaRef), RunError> {
        let values = values(&making.call(self, None), making.each, &making.tables).await?;
        let none = self.write_none(making).await?;
        let (count, finished) = (values.len(), AtomicUsize::new(0));
        let mut done: Vec<Done> = {
            let this = &*self;
            let work = values.into_iter().map(|value| async {
                let done = this.make_one(making, &none.1, value).await;
                let finished = finished.fetch_add(1, Ordering::Relaxed) + 1;
                this.services.progress.advanced(making.asset, finished as u64, count as u64);
                this.record_progress(making.asset, "build", format!("{finished} of {count} values"));
                done
            });
            futures::stream::iter(work).buffer_unordered(making.each.parallel.max(1)).collect().await
        };
        done.sort_by(|one, other| one.value.cmp(&other.value));
        if let Some(place) = done.iter().position(|done| done.written.as_ref().is_err_and(is_fatal)) {
            return done.swap_remove(place).written;
        }
        self.note_values(making.asset, &done);
        together(making.asset, done, none)
    }

    async fn make_one(&self, making: &Each<'_>, schema: &SchemaRef, value: String) -> Done {
        let began = self.services.clock.now();
        if let Err(error) = self.stop_if_paused().await {
            return self.done(value, began, 0, false, Err(error));
        }
        let (outcome, attempts) = match self.recorded_value(making, schema, &value).await {
            Ok(Some(there)) => return self.done(value, began, 0, true, Ok(there)),
            Ok(None) => {
                let label = format!("{}[{value}]", making.asset);
                self.tries_of_part(making.asset, &label, || self.try_value(making, &value)).await
            }
            Err(error) => (Err(error), 0),
        };
        if let Err(error) = &outcome {
            let label = format!("{}[{value}]", making.asset);
            self.log_as(&label, "error", error.to_string());
        }
        self.done(value, began, attempts, false, outcome)
    }

    fn done(
        &self,
        value: String,
        began: Timestamp,
        attempts: u32,
        was_there: bool,
        written: Result<(Written, SchemaRef), RunError>,
    ) -> Done {
        let seconds = (self.services.clock.now() - began).num_milliseconds() as f64 / 1_000.0;
        Done { value, began, seconds, attempts, was_there, written }
    }

    /// What was written for the same value from the same inputs, as long as all of it is on the disk.
    async fn recorded_value(
        &self,
        making: &Each<'_>,
        schema: &SchemaRef,
        value: &str,
    ) -> Result<Option<(Written, SchemaRef)>, RunError> {
        let written = self.recorded_part(making.location, &making.key_of(value), schema).await?;
        Ok(written.map(|written| (written, SchemaRef::clone(schema))))
    }

    /// Makes the table for one value once: its rows computed, written and recorded.
    async fn try_value(&self, making: &Each<'_>, value: &str) -> Result<(Written, SchemaRef), RunError> {
        let call = making.call(self, Some(value));
        let session = session_for(&call, making.handed()).await?;
        let written = self.write_session(making, &session, Some(value)).await?;
        self.record_part(&making.key_of(value), None, &written.0).await?;
        failpoint::reach("build.value_staged");
        Ok(written)
    }

    async fn write_session(
        &self,
        making: &Each<'_>,
        session: &Session,
        value: Option<&str>,
    ) -> Result<(Written, SchemaRef), RunError> {
        let options = BuildOptions { track_availability: true, ..BuildOptions::default() };
        let mut stream = session.execute(&query(making.table, value)?, &options).await?;
        let schema = stream.schema();
        let checks = checks_of_pass(making.checks, false);
        let place = Place { location: making.location, base: making.base, checks: &checks };
        let mut pass = Pass::new(self.services, place, &schema)?.after(place_of(value));
        while let Some(batch) = stream.try_next().await? {
            pass.write(&batch).await?;
        }
        Ok((pass.finish(self.as_of).await?, schema))
    }

    /// What no value comes to: the columns, and checks over no rows.
    async fn write_none(&self, making: &Each<'_>) -> Result<(Written, SchemaRef), RunError> {
        let table = making.table;
        let (name, schema) = match (&table.python, &table.command) {
            (Some(_), _) => (Python::ROWS, returned_schema(table)),
            (None, Some(_)) => (CommandStep::ROWS, returned_schema(table)),
            (None, None) => (ROWS, schema_of_query(&making.call(self, None), making.each, making.handed()).await?),
        };
        let tables = BTreeMap::from([(name.to_owned(), TableInput::Batches { schema, batches: Vec::new() })]);
        let session = self.services.engine.session(SessionInput { tables, as_of: Some(self.as_of) })?;
        self.write_session(making, &session, None).await
    }

    /// Keeps what came of each value for the report: they follow the step that they are of.
    fn note_values(&mut self, asset: &AssetName, done: &[Done]) {
        for done in done {
            let (state, detail, rows) = match &done.written {
                Ok((written, _)) if done.was_there => (StepState::Reused, rows_of(written.rows), Some(written.rows)),
                Ok((written, _)) => (StepState::Done, rows_of(written.rows), Some(written.rows)),
                Err(error) => (StepState::Failed, error.to_string(), None),
            };
            let step = StepReport {
                verb: "build".to_owned(),
                asset: format!("{asset}[{}]", done.value),
                state,
                detail,
                rows,
                seconds: done.seconds,
                cache: None,
            };
            self.values.push((step, done.began, done.attempts));
        }
    }
}

impl<'e> Each<'e> {
    fn call<'c>(&self, execution: &'c Execution<'_>, each: Option<&'c str>) -> TableCall<'c>
    where
        'e: 'c,
    {
        let (services, as_of, run) = (execution.services, execution.as_of, Some(execution.run.as_str()));
        TableCall {
            services,
            asset: self.asset,
            table: self.table,
            as_of,
            interval: None,
            run,
            tie: execution.tracked.tie.as_ref(),
            each,
        }
    }

    /// The tables that what makes the table is handed.
    fn handed(&self) -> BTreeMap<String, TableInput> {
        let is_handed = |(name, _): &(&String, &TableInput)| self.handed.contains(*name);
        self.tables.iter().filter(is_handed).map(|(name, table)| (name.clone(), table.clone())).collect()
    }

    /// What the rows of a value depend on: of the tables, only those that what makes them is handed.
    fn key_of(&self, value: &str) -> StepKey {
        let mut key = self.key.clone().with("part", "one of several values").with("value", value);
        key.inputs.retain(|name, _| self.handed.contains(name));
        key.base = None;
        key
    }
}

/// Where the files of a value stand among those of the version. Files are called by it and by what they hold: two values that
/// come to the same rows have a file each.
fn place_of(value: Option<&str>) -> usize {
    let print = value.map(|value| Fingerprint::of([value]));
    print.and_then(|print| usize::from_str_radix(print.short().get(..8)?, 16).ok()).unwrap_or_default()
}

/// All rows as one version; what failed names the values.
fn together(
    asset: &AssetName,
    done: Vec<Done>,
    (mut all, schema): (Written, SchemaRef),
) -> Result<(Written, SchemaRef), RunError> {
    let count = done.len();
    let failed: Vec<String> =
        done.iter().filter_map(|done| Some(format!("{}: {}", done.value, done.written.as_ref().err()?))).collect();
    if let Some(first) = failed.first() {
        let values = counted(count as u64, "value", "values");
        return Err(RunError::Project(format!("{} of {values} of `{asset}` failed: {first}", failed.len())));
    }
    let mut checks = vec![std::mem::take(&mut all.checks)];
    for (written, _) in done.into_iter().filter_map(|done| done.written.ok()) {
        all.files.extend(written.files);
        all.rows += written.rows;
        checks.push(written.checks);
    }
    all.checks = merged(checks);
    Ok((all, schema))
}
