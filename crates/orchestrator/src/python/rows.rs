//! The rows of a Python table: its inputs as known at the clock, handed over call by call; and what comes back as a table
//! that the engine reads.
//!
//! A table is one call. An incremental one is a call for each interval, whatever the time that is computed at once, so
//! that its rows do not depend on when it was run. Inputs are read on one thread: their order is the same every time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::{cast, kernels::zip::zip};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use baton_core::asset::{CommandStep, Materialize, Parameter, Python, Table};
use baton_core::interval::MICROS_PER_SECOND;
use baton_core::ports::{LogLine, RunChange};
use baton_core::{AssetName, Interval, Timestamp};
use baton_engine::{AVAILABLE_AT, BuildOptions, Engine, EngineOptions, Session, SessionInput, TableInput};
use futures::{StreamExt as _, TryStreamExt as _};

use super::call::{Call, Returned};
use super::input::Input;
use crate::checks::quoted;
use crate::error::RunError;
use crate::for_each::{ROWS, as_json, rows_of_query, values};
use crate::program::columns_of_files;
use crate::services::Services;
use crate::steps::arrow_type;
use crate::tracked::{Hosting, Tie};
use crate::values::micros_at;

/// Fewer intervals than these are not worth another worker.
const WORTH_A_WORKER: usize = 32;

/// Lines of one call that are kept.
const MOST_LINES: usize = 10_000;

/// What is to be computed.
pub(crate) struct TableCall<'a> {
    pub(crate) services: &'a Services,
    pub(crate) asset: &'a AssetName,
    pub(crate) table: &'a Table,
    /// The logical clock.
    pub(crate) as_of: Timestamp,
    /// The time that is asked for, of incremental tables.
    pub(crate) interval: Option<Interval>,
    /// The run whose log takes what the function prints; `None` outside of runs.
    pub(crate) run: Option<&'a str>,
    /// What runs that its programs track are tied to; `None` outside of runs.
    pub(crate) tie: Option<&'a Tie>,
    /// The value that the table is made for, where it is made for several.
    pub(crate) each: Option<&'a str>,
}

impl TableCall<'_> {
    /// What logs call it: the table, and the value.
    pub(crate) fn label(&self) -> String {
        self.each.map_or_else(|| self.asset.to_string(), |each| format!("{}[{each}]", self.asset))
    }
}

/// A session in which [`query`](crate::for_each::query) of the table yields its rows: over `tables`, or over what its function
/// makes of them. A table that is made for each of some values, and is asked for none of them, is made for all.
pub(crate) async fn session_for(
    call: &TableCall<'_>,
    tables: BTreeMap<String, TableInput>,
) -> Result<Session, RunError> {
    let as_of = Some(call.as_of);
    if let Some(step) = &call.table.command {
        let (schema, batches) = crate::program::rows_of(call, step, tables).await?;
        let tables = BTreeMap::from([(CommandStep::ROWS.to_owned(), TableInput::Batches { schema, batches })]);
        return Ok(call.services.engine.session(SessionInput { tables, as_of })?);
    }
    let Some(python) = &call.table.python else {
        if let (Some(each), None) = (&call.table.for_each, call.each) {
            let (schema, batches) = rows_of_query(call, each, tables).await?;
            let tables = BTreeMap::from([(ROWS.to_owned(), TableInput::Batches { schema, batches })]);
            return Ok(call.services.engine.session(SessionInput { tables, as_of })?);
        }
        return Ok(call.services.engine.session(SessionInput { tables, as_of })?);
    };
    let schema = returned_schema(call.table);
    let mut batches = Vec::new();
    match (&call.table.for_each, call.each) {
        (Some(each), None) => {
            for value in values(call, each, &tables).await? {
                let call = TableCall { each: Some(&value), ..*call };
                let rows = Rows { call: &call, python, schema: schema.clone() };
                batches.extend(rows.all(tables.clone()).await?);
            }
        }
        _ => batches = Rows { call, python, schema: schema.clone() }.all(tables).await?,
    }
    let input = TableInput::Batches { schema, batches };
    let tables = BTreeMap::from([(Python::ROWS.to_owned(), input)]);
    Ok(call.services.engine.session(SessionInput { tables, as_of })?)
}

/// The declared columns, or those of files, and since when a row is known.
pub(crate) fn returned_schema(table: &Table) -> SchemaRef {
    let known = Field::new(AVAILABLE_AT, instant(), true);
    if table.command.as_ref().is_some_and(|step| step.keeps_files) {
        return Arc::new(Schema::new(columns_of_files().into_iter().chain([known]).collect::<Vec<_>>()));
    }
    let fields = table.columns.iter().filter_map(|column| {
        let data_type = arrow_type(column.data_type?);
        Some(Field::new(&column.name, data_type, true))
    });
    Arc::new(Schema::new(fields.chain([known]).collect::<Vec<_>>()))
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

struct Rows<'a> {
    call: &'a TableCall<'a>,
    python: &'a Python,
    schema: SchemaRef,
}

impl Rows<'_> {
    /// The rows, with a place for the function to track its run.
    async fn all(&self, tables: BTreeMap<String, TableInput>) -> Result<Vec<RecordBatch>, RunError> {
        let hosting = Hosting::begin(self.call).await;
        let variables = hosting.as_ref().map(Hosting::variables).unwrap_or_default();
        let rows = Box::pin(self.within(tables, &variables)).await;
        if let Some(hosting) = hosting {
            hosting.end(rows.is_ok()).await;
        }
        rows
    }

    async fn within(
        &self,
        tables: BTreeMap<String, TableInput>,
        variables: &[(String, String)],
    ) -> Result<Vec<RecordBatch>, RunError> {
        let options = EngineOptions { threads: 1, ..self.call.services.engine.options().clone() };
        let input = SessionInput { tables, as_of: Some(self.call.as_of) };
        let session = Engine::new(options)?.session(input)?;
        let mut batches = Vec::new();
        match self.call.interval.filter(|_| self.call.table.materialize == Materialize::Incremental) {
            None => batches.extend(self.of(&session, None, variables).await?),
            Some(interval) => {
                let intervals = self.intervals(&session, interval).await?;
                let count = intervals.len();
                // A second worker is worth its start when there is enough for it.
                let at_once = self.call.services.python.workers().min(count / WORTH_A_WORKER).max(1);
                let calls = intervals.into_iter().map(|interval| self.of(&session, Some(interval), variables));
                let mut calls = futures::stream::iter(calls).buffered(at_once);
                let mut done = 0;
                while let Some(rows) = calls.try_next().await? {
                    batches.extend(rows);
                    done += 1;
                    self.call.services.progress.advanced(self.call.asset, done, count as u64);
                }
            }
        }
        Ok(batches)
    }

    /// The rows of one call.
    async fn of(
        &self,
        session: &Session,
        interval: Option<Interval>,
        variables: &[(String, String)],
    ) -> Result<Vec<RecordBatch>, RunError> {
        let mut inputs = Vec::new();
        for parameter in &self.python.parameters {
            let options = BuildOptions { track_availability: true, ..BuildOptions::default() };
            inputs.push(Input::new(session.execute(&query(parameter, interval), &options).await?));
        }
        let TableCall { services, asset, table, as_of, each, .. } = self.call;
        let call = Call {
            name: asset.as_str(),
            file: &table.file,
            folder: services.python.folder(),
            python: self.python,
            columns: &table.columns,
            interval,
            as_of: *as_of,
            variables,
            each: table
                .for_each
                .as_ref()
                .zip(*each)
                .map(|(of, value)| as_json(of, value).map(|found| (of.data_type, found)))
                .transpose()?,
        };
        let mut lines: Vec<(String, String)> = Vec::new();
        let mut log = |level: &str, line: &str| {
            services.progress.logged(asset, level, line);
            match lines.len() {
                ..MOST_LINES => lines.push((level.to_owned(), line.to_owned())),
                MOST_LINES => lines.push(("warning".to_owned(), "more lines are not kept".to_owned())),
                _ => {}
            }
        };
        let returned = services.python.call(&call, &mut inputs, &mut log).await;
        self.keep_log(&lines).await?;
        self.known(returned?).map_err(RunError::rows(asset))
    }

    /// The intervals that make up the time that is asked for: whole ones, from the first that has rows to read.
    async fn intervals(&self, session: &Session, asked: Interval) -> Result<Vec<Interval>, RunError> {
        let length = self.call.table.batch.max(1) * MICROS_PER_SECOND;
        let mut start = asked.start;
        if let Some(oldest) = self.oldest(session).await? {
            start = start.max(oldest.div_euclid(length) * length);
        }
        let mut intervals = Vec::new();
        while start < asked.end {
            let end = ((start.div_euclid(length) + 1) * length).min(asked.end);
            intervals.push(Interval { start, end });
            start = end;
        }
        Ok(intervals)
    }

    /// The oldest time among the inputs that are read by interval. Without a row there is nothing before the clock.
    async fn oldest(&self, session: &Session) -> Result<Option<i64>, RunError> {
        let mut oldest: Option<i64> = None;
        for parameter in self.python.parameters.iter().filter(|parameter| !parameter.whole) {
            let Some(time) = &parameter.time else { continue };
            let sql = format!("select min({}) from {}", quoted(time), quoted(&parameter.input));
            let (_, batches) = session.query(&sql).await?;
            let found =
                batches.iter().filter(|batch| batch.num_rows() > 0).find_map(|batch| micros_at(batch.column(0), 0));
            oldest = [oldest, found].into_iter().flatten().min();
        }
        Ok(oldest.or(self.call.interval.map(|interval| interval.end)))
    }

    /// Adds since when each row is known: as the table says, else since the newest row that was read.
    fn known(&self, returned: Returned) -> Result<Vec<RecordBatch>, arrow::error::ArrowError> {
        let with_known = |batch: RecordBatch| {
            let newest = TimestampMicrosecondArray::from(vec![returned.newest; batch.num_rows()]).with_timezone("UTC");
            let mut known: ArrayRef = Arc::new(newest);
            if let Some(said) = self.python.available_at.as_ref().and_then(|column| batch.column_by_name(column)) {
                let said = cast(said, &instant())?;
                known = zip(&arrow::compute::is_not_null(&said)?, &said, &known)?;
            }
            let columns = batch.columns().iter().cloned().chain([known]).collect();
            RecordBatch::try_new(self.schema.clone(), columns)
        };
        returned.batches.into_iter().map(with_known).collect()
    }

    /// Keeps what the function printed with its run.
    async fn keep_log(&self, lines: &[(String, String)]) -> Result<(), RunError> {
        let TableCall { services, run: Some(run), .. } = self.call else { return Ok(()) };
        let at = services.clock.now();
        let line = |(level, text): &(String, String)| {
            let (run, asset, level) = ((*run).to_owned(), self.call.label(), level.clone());
            RunChange::Log(LogLine { run, asset, at, level, text: text.clone() })
        };
        if !lines.is_empty() {
            services.operations.keep_runs(lines.iter().map(line).collect()).await?;
        }
        Ok(())
    }
}

/// What a parameter is handed: its columns, and for an interval the rows whose time lies in it.
fn query(parameter: &Parameter, interval: Option<Interval>) -> String {
    let columns = match parameter.columns.as_slice() {
        [] => "*".to_owned(),
        columns => columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", "),
    };
    let sql = format!("select {columns} from {}", quoted(&parameter.input));
    match (interval, &parameter.time) {
        (Some(Interval { start, end }), Some(time)) if !parameter.whole => {
            let (time, micros) = (quoted(time), "to_timestamp_micros");
            format!("{sql} where {time} >= {micros}({start}) and {time} < {micros}({end})")
        }
        _ => sql,
    }
}

#[cfg(test)]
mod tests {
    use baton_core::asset::Handed;

    use super::*;

    fn parameter(columns: &[&str], time: Option<&str>) -> Parameter {
        Parameter {
            input: AssetName::parse("flights").unwrap(),
            handed: Handed::Arrow,
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            whole: false,
            time: time.map(str::to_owned),
            spot: Default::default(),
        }
    }

    #[test]
    fn inputs_are_read_by_column_and_by_interval() {
        let interval = Some(Interval { start: 0, end: 5 });
        assert_eq!(query(&parameter(&[], None), interval), "select * from \"flights\"");
        assert_eq!(
            query(&parameter(&["a", "b"], Some("at")), interval),
            "select \"a\", \"b\" from \"flights\" where \"at\" >= to_timestamp_micros(0) and \"at\" < to_timestamp_micros(5)"
        );
        let whole = Parameter { whole: true, ..parameter(&["a"], Some("at")) };
        assert_eq!(query(&whole, interval), "select \"a\" from \"flights\"");
        assert_eq!(query(&parameter(&["a"], Some("at")), None), "select \"a\" from \"flights\"");
    }
}
