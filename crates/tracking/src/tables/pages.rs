//! Reading a page: one statement, its rows turned into columns.

use baton_ledger::database::{Record, Statement, Value};

use super::{Only, TrackedTable, Values};
use crate::error::Result;
use crate::search::{MOST_PLACES, push_list};
use crate::store::TrackingStore;

/// Where the next page begins: behind the row with this key.
#[derive(Debug, Clone, PartialEq)]
pub struct After(Vec<Value>);

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
type PointRow = (i64, String, i64, i64, f64, i64, String);
type TextRow = (i64, String, String, String);
type InputRow = (i64, i64, String, String, String, String, String, Option<String>);
type VersionRow = (i64, String, i64, String, Option<String>, String, String, i64);

const RUNS: &str = "SELECT t.id, t.run_id, t.experiment, e.name, t.name, t.user_id, t.status, t.start_time, t.end_time, \
                    t.lifecycle_stage, t.artifact_uri FROM runs t JOIN experiments e ON e.id = t.experiment WHERE 1 = 1";
const EXPERIMENTS: &str =
    "SELECT t.id, t.name, t.lifecycle_stage, t.creation_time, t.last_update_time FROM experiments t WHERE 1 = 1";
const METRICS: &str = "SELECT t.run, t.key, t.timestamp, t.step, t.value, t.is_nan, r.run_id FROM metrics t JOIN runs r ON r.id = t.run \
                       WHERE 1 = 1";
const LATEST: &str = "SELECT t.run, t.key, t.timestamp, t.step, t.value, t.is_nan, r.run_id FROM latest_metrics t \
                      JOIN runs r ON r.id = t.run WHERE 1 = 1";
const PARAMS: &str = "SELECT t.run, t.key, t.value, r.run_id FROM params t JOIN runs r ON r.id = t.run WHERE 1 = 1";
const TAGS: &str = "SELECT t.run, t.key, t.value, r.run_id FROM tags t JOIN runs r ON r.id = t.run WHERE 1 = 1";
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
    /// At most `most` rows of a table that meet all conditions and follow `after`. Conditions on columns of which none can be told are
    /// left out.
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
            TrackedTable::Metrics => ask.of(self, METRICS, point_key, points).await?,
            TrackedTable::LatestMetrics => ask.of(self, LATEST, latest_key, points).await?,
            TrackedTable::Params => ask.of(self, PARAMS, text_key, texts).await?,
            TrackedTable::Tags => ask.of(self, TAGS, text_key, texts).await?,
            TrackedTable::Inputs => {
                ask.of(self, INPUTS, |row: &InputRow| vec![row.0.into(), row.1.into()], inputs).await?
            }
            TrackedTable::ModelVersions => {
                ask.of(self, VERSIONS, |row: &VersionRow| vec![row.0.into()], versions).await?
            }
        })
    }

    /// The row numbers of the runs that are asked for, where rows are found by them: the table's key begins with the run.
    async fn runs_among(&self, table: TrackedTable, only: &[Only]) -> Result<Option<Vec<i64>>> {
        if keys(table)[0] != "t.run" {
            return Ok(None);
        }
        let asked = only.iter().find_map(|only| match only {
            Only::OneOf("run_id", ids) if ids.len() <= MOST_PLACES => Some(ids),
            _ => None,
        });
        let Some(ids) = asked else { return Ok(None) };
        let mut select = Statement::new("SELECT id FROM runs WHERE run_id IN ");
        push_list(&mut select, ids);
        let found: Vec<(i64,)> = self.all(select).await?;
        Ok(Some(found.into_iter().map(|(id,)| id).collect()))
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
    runs: Option<Vec<i64>>,
    only: &'a [Only],
    after: Option<After>,
    most: usize,
}

impl Ask<'_> {
    async fn of<T: Record>(
        &self,
        store: &TrackingStore,
        select: &'static str,
        key: impl Fn(&T) -> Vec<Value>,
        columns: impl Fn(Vec<T>) -> Vec<Values>,
    ) -> Result<TablePage> {
        let rows: Vec<T> = store.all(self.statement(select)).await?;
        let next = rows.last().filter(|_| rows.len() == self.most).map(|row| After(key(row)));
        Ok(TablePage { rows: rows.len(), columns: columns(rows), next })
    }

    fn statement(&self, select: &'static str) -> Statement {
        let mut statement = Statement::new(select);
        if let Some(runs) = &self.runs {
            statement.push(" AND t.run IN ");
            push_list(&mut statement, runs);
        }
        for only in self.only {
            self.push(&mut statement, only);
        }
        let keys = keys(self.table).join(", ");
        if let Some(After(values)) = &self.after {
            statement.push(" AND (").push(&keys).push(") > ");
            push_list(&mut statement, values);
        }
        let most = i64::try_from(self.most).unwrap_or(i64::MAX);
        statement.push(" ORDER BY ").push(&keys).push(" LIMIT ").push_bind(most);
        statement
    }

    fn push(&self, statement: &mut Statement, only: &Only) {
        let Some(place) = self.table.place(only.column()) else { return };
        match only {
            // Found by their numbers.
            Only::OneOf("run_id", _) if self.runs.is_some() => {}
            Only::OneOf(_, values) if values.len() <= MOST_PLACES => {
                statement.push(" AND ").push(place).push(" IN ");
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

fn experiment_key(row: &ExperimentRow) -> Vec<Value> {
    vec![row.0.into()]
}

fn point_key(row: &PointRow) -> Vec<Value> {
    vec![row.0.into(), (&row.1).into(), row.2.into(), row.3.into(), row.4.into(), row.5.into()]
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
    let value = |row: &PointRow| if row.5 == 0 { row.4 } else { f64::NAN };
    vec![
        text(&rows, |row| row.6.clone()),
        text(&rows, |row| row.1.clone()),
        Values::Numbers(rows.iter().map(value).collect()),
        Values::Integers(rows.iter().map(|row| row.3).collect()),
        times(&rows, |row| Some(row.2)),
    ]
}

fn texts(rows: Vec<TextRow>) -> Vec<Values> {
    vec![text(&rows, |row| row.3.clone()), text(&rows, |row| row.1.clone()), text(&rows, |row| row.2.clone())]
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
