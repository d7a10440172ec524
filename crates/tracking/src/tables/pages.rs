//! Reading a page: one statement, its rows turned into columns.

use std::collections::HashMap;

use baton_ledger::database::{Record, Statement, Value};

use super::{Only, TrackedTable, Values};
use crate::error::Result;
use crate::search::{MOST_PLACES, push_list};
use crate::store::TrackingStore;

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq)]
pub struct After(Place);

#[derive(Debug, Clone, PartialEq)]
enum Place {
    /// Behind the row with this key.
    Row(Vec<Value>),
    /// Behind all rows of the run with this number.
    Run(i64),
}

/// Rows of a table that follow each other by its key.
#[derive(Debug, Clone, PartialEq)]
pub struct TablePage {
    /// The columns, in the table's order.
    pub columns: Vec<Values>,
    /// How many rows it has.
    pub rows: usize,
    /// Where the next page begins; none after the last one.
    pub next: Option<After>,
}

type ExperimentRow = (i64, String, String, i64, i64);
type RunRow = (i64, String, i64, String, String, String, String, i64, Option<i64>, String, String);
/// NaN has no value.
type PointRow = (i64, String, i64, i64, Option<f64>);
type TextRow = (i64, String, String);
type InputRow = (i64, i64, String, String, String, String, String, Option<String>);
type VersionRow = (i64, String, i64, String, Option<String>, String, String, i64);

const RUNS: &str = "SELECT t.id, t.run_id, t.experiment, e.name, t.name, t.user_id, t.status, t.start_time, t.end_time, \
                    t.lifecycle_stage, t.artifact_uri FROM runs t JOIN experiments e ON e.id = t.experiment WHERE 1 = 1";
const EXPERIMENTS: &str =
    "SELECT t.id, t.name, t.lifecycle_stage, t.creation_time, t.last_update_time FROM experiments t WHERE 1 = 1";
const METRICS: &str =
    "SELECT t.run, t.key, t.timestamp, t.step, CASE WHEN t.is_nan = 0 THEN t.value END FROM metrics t WHERE 1 = 1";
const LATEST: &str = "SELECT t.run, t.key, t.timestamp, t.step, CASE WHEN t.is_nan = 0 THEN t.value END FROM latest_metrics t WHERE 1 = 1";
const PARAMS: &str = "SELECT t.run, t.key, t.value FROM params t WHERE 1 = 1";
const TAGS: &str = "SELECT t.run, t.key, t.value FROM tags t WHERE 1 = 1";
const INPUTS: &str = "SELECT t.run, t.dataset, r.run_id, d.name, d.digest, d.source_type, d.source, \
                      (SELECT g.value FROM run_dataset_tags g WHERE g.run = t.run AND g.dataset = t.dataset \
                       AND g.key = 'mlflow.data.context' LIMIT 1) \
                      FROM run_datasets t JOIN runs r ON r.id = t.run JOIN datasets d ON d.id = t.dataset WHERE 1 = 1";
const VERSIONS: &str = "SELECT t.id, m.name, t.version, t.run_id, \
                        (SELECT group_concat(a.alias, ',') FROM registered_model_aliases a \
                         WHERE a.model = t.model AND a.version = t.version), \
                        t.stage, t.source, t.creation_time FROM model_versions t JOIN registered_models m ON m.id = t.model \
                        WHERE t.deleted = 0 AND m.is_trained = 0";

impl TrackingStore {
    /// At most `most` rows of a table that meet all conditions and follow `after`; there may be fewer and yet a next page. Conditions on
    /// columns of which none can be told are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn table_page(
        &self,
        table: TrackedTable,
        only: &[Only],
        after: Option<After>,
        most: usize,
    ) -> Result<TablePage> {
        let ask = Ask { table, runs: self.runs_among(table, only).await?, only, after, most };
        Ok(match table {
            TrackedTable::Experiments => ask.of(self, EXPERIMENTS, experiment_key, experiments).await?,
            TrackedTable::Runs => ask.of(self, RUNS, |row: &RunRow| vec![row.0.into()], runs).await?,
            TrackedTable::Metrics => ask.of(self, METRICS, point_key, points).await?.of_runs(self).await?,
            TrackedTable::LatestMetrics => ask.of(self, LATEST, latest_key, points).await?.of_runs(self).await?,
            TrackedTable::Params => ask.of(self, PARAMS, text_key, texts).await?.of_runs(self).await?,
            TrackedTable::Tags => ask.of(self, TAGS, text_key, texts).await?.of_runs(self).await?,
            TrackedTable::Inputs => {
                ask.of(self, INPUTS, |row: &InputRow| vec![row.0.into(), row.1.into()], inputs).await?
            }
            TrackedTable::ModelVersions => {
                ask.of(self, VERSIONS, |row: &VersionRow| vec![row.0.into()], versions).await?
            }
        })
    }

    /// The row numbers of the runs that are asked for, ascending, where rows are found by them: the table's key begins with the run.
    async fn runs_among(&self, table: TrackedTable, only: &[Only]) -> Result<Option<Vec<i64>>> {
        if keys(table)[0] != "t.run" {
            return Ok(None);
        }
        let mut numbers: Option<Vec<i64>> = None;
        for only in only {
            let Only::OneOf("run_id", ids) = only else { continue };
            let found = self.numbers_of(ids).await?;
            // Several conditions are all met.
            numbers = Some(match numbers {
                None => found,
                Some(known) => found.into_iter().filter(|number| known.contains(number)).collect(),
            });
        }
        Ok(numbers)
    }

    async fn numbers_of(&self, ids: &[String]) -> Result<Vec<i64>> {
        let mut numbers = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MOST_PLACES) {
            let mut select = Statement::new("SELECT id FROM runs WHERE run_id IN ");
            push_list(&mut select, ids);
            numbers.extend(self.all::<(i64,)>(select).await?.into_iter().map(|(id,)| id));
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// The ids of runs by their numbers, which ascend.
    async fn ids_of(&self, numbers: &[i64]) -> Result<HashMap<i64, String>> {
        let mut ids = HashMap::with_capacity(numbers.len());
        for numbers in numbers.chunks(MOST_PLACES) {
            let mut select = Statement::new("SELECT id, run_id FROM runs WHERE id IN ");
            push_list(&mut select, numbers);
            ids.extend(self.all::<(i64, String)>(select).await?);
        }
        Ok(ids)
    }
}

impl TablePage {
    /// With the ids of runs where the first column has their numbers: they are looked up once a run, not once a row.
    async fn of_runs(mut self, store: &TrackingStore) -> Result<Self> {
        let Some(Values::Integers(numbers)) = self.columns.first() else { return Ok(self) };
        let mut runs = numbers.clone();
        // They come in the order of the runs.
        runs.dedup();
        let ids = store.ids_of(&runs).await?;
        let texts = numbers.iter().map(|number| ids.get(number).cloned()).collect();
        self.columns[0] = Values::Texts(texts);
        Ok(self)
    }
}

/// The columns of a table's key, in its order.
fn keys(table: TrackedTable) -> &'static [&'static str] {
    match table {
        TrackedTable::Experiments | TrackedTable::Runs | TrackedTable::ModelVersions => &["t.id"],
        TrackedTable::Metrics => &["t.run", "t.key", "t.timestamp", "t.step", "t.value", "t.is_nan"],
        TrackedTable::LatestMetrics | TrackedTable::Params | TrackedTable::Tags => &["t.run", "t.key"],
        TrackedTable::Inputs => &["t.run", "t.dataset"],
    }
}

/// A page that is asked for.
struct Ask<'a> {
    table: TrackedTable,
    /// Runs by which rows are found, ascending.
    runs: Option<Vec<i64>>,
    only: &'a [Only],
    after: Option<After>,
    most: usize,
}

/// Rows that one statement looks through: all, those of some runs, or the rest of one.
enum Span<'a> {
    All(Option<&'a [Value]>),
    Runs(&'a [i64]),
    Rest(i64, &'a [Value]),
}

impl Ask<'_> {
    async fn of<T: Record>(
        &self,
        store: &TrackingStore,
        select: &'static str,
        key: impl Fn(&T) -> Vec<Value>,
        columns: impl Fn(Vec<T>) -> Vec<Values>,
    ) -> Result<TablePage> {
        let span = self.span();
        let rows: Vec<T> = store.all(self.statement(select, &span)).await?;
        let last = rows.last().filter(|_| rows.len() == self.most).map(|row| After(Place::Row(key(row))));
        let next = last.or_else(|| self.after_span(&span));
        Ok(TablePage { rows: rows.len(), columns: columns(rows), next })
    }

    /// What a page looks through. A database finds rows of a list of runs by the runs alone, and would go over all of a long run again
    /// to come to where the page begins; so the rest of such a run is a span of its own.
    fn span(&self) -> Span<'_> {
        let after = self.after.as_ref().map(|After(place)| place);
        match (&self.runs, after) {
            (None, None) => Span::All(None),
            (None, Some(Place::Row(key))) => Span::All(Some(key)),
            (None, Some(Place::Run(_))) => Span::Runs(&[]),
            (Some(runs), None) => Span::Runs(first_of(runs)),
            (Some(runs), Some(Place::Run(last))) => Span::Runs(first_of(behind(runs, *last))),
            (Some(_), Some(Place::Row(key))) => match key.split_first() {
                Some((Value::Integer(Some(run)), rest)) => Span::Rest(*run, rest),
                _ => Span::Runs(&[]),
            },
        }
    }

    /// Where the page begins that follows a span of which all rows were read.
    fn after_span(&self, span: &Span<'_>) -> Option<After> {
        let last = match span {
            Span::All(_) => None,
            Span::Runs(runs) => runs.last().copied(),
            Span::Rest(run, _) => Some(*run),
        }?;
        let follows = self.runs.as_deref().is_some_and(|runs| !behind(runs, last).is_empty());
        follows.then_some(After(Place::Run(last)))
    }

    fn statement(&self, select: &'static str, span: &Span<'_>) -> Statement {
        let mut statement = Statement::new(select);
        if let Span::Runs(runs) = span {
            statement.push(" AND t.run IN ");
            push_list(&mut statement, runs);
        }
        for only in self.only {
            self.push(&mut statement, only, matches!(span, Span::Rest(..)));
        }
        let keys = keys(self.table);
        match span {
            Span::All(Some(values)) => behind_row(&mut statement, keys, values),
            Span::Rest(run, values) => {
                statement.push(" AND t.run = ").push_bind(*run);
                behind_row(&mut statement, &keys[1..], values);
            }
            Span::All(None) | Span::Runs(_) => {}
        }
        let most = i64::try_from(self.most).unwrap_or(i64::MAX);
        statement.push(" ORDER BY ").push(&keys.join(", ")).push(" LIMIT ").push_bind(most);
        statement
    }

    /// Adds a condition. Where the row before says where to begin, a list of keys must not: the database would take it for the better way.
    fn push(&self, statement: &mut Statement, only: &Only, is_rest: bool) {
        let Some(place) = self.table.place(only.column()) else { return };
        match only {
            // Found by their numbers.
            Only::OneOf("run_id", _) if self.runs.is_some() => {}
            Only::OneOf(_, values) if values.len() <= MOST_PLACES => {
                statement.push(" AND ").push(place).push(if is_rest { " || '' IN " } else { " IN " });
                push_list(statement, values);
            }
            Only::OneOf(..) => {}
            Only::AtLeast(_, least) => {
                statement.push(" AND ").push(place).push(" >= ").push_bind(*least);
            }
            Only::AtMost(_, most) => {
                statement.push(" AND ").push(place).push(" <= ").push_bind(*most);
            }
        }
    }
}

/// Adds that rows follow the one with this key.
fn behind_row(statement: &mut Statement, keys: &[&str], values: &[Value]) {
    statement.push(" AND (").push(&keys.join(", ")).push(") > ");
    push_list(statement, values);
}

/// The runs that one statement reads.
fn first_of(runs: &[i64]) -> &[i64] {
    &runs[..runs.len().min(MOST_PLACES)]
}

/// The runs that follow.
fn behind(runs: &[i64], last: i64) -> &[i64] {
    &runs[runs.partition_point(|run| *run <= last)..]
}

fn experiment_key(row: &ExperimentRow) -> Vec<Value> {
    vec![row.0.into()]
}

fn point_key(row: &PointRow) -> Vec<Value> {
    let is_nan = i64::from(row.4.is_none());
    vec![row.0.into(), (&row.1).into(), row.2.into(), row.3.into(), row.4.unwrap_or_default().into(), is_nan.into()]
}

fn latest_key(row: &PointRow) -> Vec<Value> {
    vec![row.0.into(), (&row.1).into()]
}

fn text_key(row: &TextRow) -> Vec<Value> {
    vec![row.0.into(), (&row.1).into()]
}

fn experiments(rows: Vec<ExperimentRow>) -> Vec<Values> {
    vec![
        text(&rows, |row| row.0.to_string()),
        text(&rows, |row| row.1.clone()),
        text(&rows, |row| row.2.clone()),
        times(&rows, |row| Some(row.3)),
        times(&rows, |row| Some(row.4)),
    ]
}

fn runs(rows: Vec<RunRow>) -> Vec<Values> {
    vec![
        text(&rows, |row| row.1.clone()),
        text(&rows, |row| row.2.to_string()),
        text(&rows, |row| row.3.clone()),
        text(&rows, |row| row.4.clone()),
        text(&rows, |row| row.5.clone()),
        text(&rows, |row| row.6.clone()),
        times(&rows, |row| Some(row.7)),
        times(&rows, |row| row.8),
        text(&rows, |row| row.9.clone()),
        text(&rows, |row| row.10.clone()),
    ]
}

fn points(rows: Vec<PointRow>) -> Vec<Values> {
    let runs = rows.iter().map(|row| row.0).collect();
    let values = rows.iter().map(|row| row.4.unwrap_or(f64::NAN)).collect();
    let steps = rows.iter().map(|row| row.3).collect();
    let times = times(&rows, |row| Some(row.2));
    let keys = rows.into_iter().map(|row| Some(row.1)).collect();
    vec![Values::Integers(runs), Values::Texts(keys), Values::Numbers(values), Values::Integers(steps), times]
}

fn texts(rows: Vec<TextRow>) -> Vec<Values> {
    let runs = rows.iter().map(|row| row.0).collect();
    let (keys, values) = rows.into_iter().map(|row| (Some(row.1), Some(row.2))).unzip();
    vec![Values::Integers(runs), Values::Texts(keys), Values::Texts(values)]
}

fn inputs(rows: Vec<InputRow>) -> Vec<Values> {
    vec![
        text(&rows, |row| row.2.clone()),
        text(&rows, |row| row.3.clone()),
        text(&rows, |row| row.4.clone()),
        text(&rows, |row| row.5.clone()),
        text(&rows, |row| row.6.clone()),
        Values::Texts(rows.iter().map(|row| row.7.clone()).collect()),
    ]
}

fn versions(rows: Vec<VersionRow>) -> Vec<Values> {
    vec![
        text(&rows, |row| row.1.clone()),
        Values::Integers(rows.iter().map(|row| row.2).collect()),
        Values::Texts(rows.iter().map(|row| Some(row.3.clone()).filter(|run| !run.is_empty())).collect()),
        Values::Texts(rows.iter().map(|row| row.4.clone()).collect()),
        text(&rows, |row| row.5.clone()),
        text(&rows, |row| row.6.clone()),
        times(&rows, |row| Some(row.7)),
    ]
}

fn text<T>(rows: &[T], value: impl Fn(&T) -> String) -> Values {
    Values::Texts(rows.iter().map(|row| Some(value(row))).collect())
}

fn times<T>(rows: &[T], value: impl Fn(&T) -> Option<i64>) -> Values {
    Values::Times(rows.iter().map(value).collect())
}
