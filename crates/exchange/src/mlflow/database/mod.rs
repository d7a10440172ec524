//! A database of MLflow, of versions 1 to 3: what a version does not have is taken to be absent.

mod models;
mod runs;
mod traces;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use async_trait::async_trait;
use baton_ledger::database::{Database, Record, Statement};
use baton_tracking::experiment::Experiment;
use baton_tracking::logged_model::LoggedModel;
use baton_tracking::registry::WholeModel;
use baton_tracking::run::WholeRun;
use baton_tracking::trace::WholeTrace;
use baton_tracking::{Lifecycle, Tag};

use crate::aside::Aside;
use crate::error::{ExchangeError, Result};
use crate::files::Files;
use crate::source::{Source, open_to_read};

/// A database of MLflow in a SQLite file.
pub(super) struct MlflowDatabase {
    database: Database,
    /// The columns of its tables.
    columns: HashMap<String, HashSet<String>>,
    files: Files,
}

impl MlflowDatabase {
    /// Opens the database at `path`, for reading.
    pub(super) async fn open(path: &Path, files: Files) -> Result<Self> {
        let database = open_to_read(path).await?;
        let text = "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'";
        let mut columns: HashMap<String, HashSet<String>> = HashMap::new();
        for (table, column) in database.all::<(String, String)>(Statement::new(text)).await? {
            columns.entry(table).or_default().insert(column);
        }
        if !columns.contains_key("experiments") || !columns.contains_key("runs") {
            let reason = "is no database of MLflow: it has no tables `experiments` and `runs`".to_owned();
            return Err(ExchangeError::NotThere { path: path.to_owned(), reason });
        }
        Ok(Self { database, columns, files })
    }

    /// Whether there is a table.
    fn has(&self, table: &str) -> bool {
        self.columns.contains_key(table)
    }

    /// Columns as SQL that gives each the kind that is asked for (`name:INTEGER`), and nothing where the table lacks it. Only
    /// names from this code come here.
    fn select(&self, table: &str, columns: &[&str]) -> String {
        let known = self.columns.get(table);
        let columns: Vec<String> = columns
            .iter()
            .map(|column| {
                let (name, kind) = column.split_once(':').unwrap_or((column, "TEXT"));
                let is_there = known.is_some_and(|known| known.contains(name));
                if is_there { format!("CAST(\"{name}\" AS {kind})") } else { "NULL".to_owned() }
            })
            .collect();
        format!("SELECT {} FROM {table}", columns.join(", "))
    }

    async fn all<T: Record>(&self, statement: Statement) -> Result<Vec<T>> {
        Ok(self.database.all(statement).await?)
    }

    /// Keys and texts of a table, of the rows that meet `condition`, in which `$1` is `owner`.
    async fn texts(&self, table: &str, columns: [&str; 2], condition: &str, owner: &str) -> Result<Vec<Tag>> {
        if !self.has(table) {
            return Ok(Vec::new());
        }
        let text = format!("{} WHERE {condition} ORDER BY 1", self.select(table, &columns));
        let rows: Vec<(String, Option<String>)> = self.all(Statement::new(text).bind(owner)).await?;
        Ok(rows.into_iter().map(|(key, value)| Tag { key, value: value.unwrap_or_default() }).collect())
    }
}

#[async_trait]
impl Source for MlflowDatabase {
    async fn experiments(&self, _aside: &mut Aside) -> Result<Vec<Experiment>> {
        let columns = [
            "experiment_id:INTEGER",
            "name",
            "artifact_location",
            "lifecycle_stage",
            "creation_time:INTEGER",
            "last_update_time:INTEGER",
        ];
        let text = format!("{} ORDER BY experiment_id", self.select("experiments", &columns));
        type Row = (i64, String, Option<String>, Option<String>, Option<i64>, Option<i64>);
        let mut found = Vec::new();
        for (id, name, location, stage, created, updated) in self.all::<Row>(Statement::new(text)).await? {
            let owner = id.to_string();
            let tags = self.texts("experiment_tags", ["key", "value"], "experiment_id = CAST($1 AS INTEGER)", &owner);
            found.push(Experiment {
                id,
                name,
                artifact_location: location.unwrap_or_default(),
                lifecycle: lifecycle(stage.as_deref()),
                creation_time: created.unwrap_or_default(),
                last_update_time: updated.unwrap_or_default(),
                tags: tags.await?,
            });
        }
        Ok(found)
    }

    async fn run_ids(&self, experiment: &Experiment, _aside: &mut Aside) -> Result<Vec<String>> {
        let text = "SELECT run_uuid FROM runs WHERE experiment_id = $1 ORDER BY start_time, run_uuid";
        let rows = self.all::<(String,)>(Statement::new(text).bind(experiment.id)).await?;
        Ok(rows.into_iter().map(|(run_id,)| run_id).collect())
    }

    async fn run(&self, _experiment: &Experiment, run_id: &str, aside: &mut Aside) -> Result<Option<WholeRun>> {
        runs::read(self, run_id, aside).await
    }

    async fn logged_models(&self, experiment: &Experiment, aside: &mut Aside) -> Result<Vec<(LoggedModel, bool)>> {
        if self.has("logged_models") { models::logged(self, experiment.id, aside).await } else { Ok(Vec::new()) }
    }

    async fn trace_ids(&self, experiment: &Experiment, _aside: &mut Aside) -> Result<Vec<String>> {
        if !self.has("trace_info") {
            return Ok(Vec::new());
        }
        let text = "SELECT request_id FROM trace_info WHERE experiment_id = $1 ORDER BY timestamp_ms, request_id";
        let rows = self.all::<(String,)>(Statement::new(text).bind(experiment.id)).await?;
        Ok(rows.into_iter().map(|(trace_id,)| trace_id).collect())
    }

    async fn trace(&self, _experiment: &Experiment, trace_id: &str, aside: &mut Aside) -> Result<Option<WholeTrace>> {
        traces::read(self, trace_id, aside).await
    }

    async fn registered_models(&self, aside: &mut Aside) -> Result<Vec<WholeModel>> {
        if self.has("registered_models") { models::registered(self, aside).await } else { Ok(Vec::new()) }
    }

    fn files(&self) -> &Files {
        &self.files
    }
}

fn lifecycle(stage: Option<&str>) -> Lifecycle {
    if stage == Some("deleted") { Lifecycle::Deleted } else { Lifecycle::Active }
}
