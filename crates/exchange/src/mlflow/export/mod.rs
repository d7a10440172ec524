//! Writing a database of MLflow 3.18 and its artifacts: an experiment's rows in one transaction.

mod files;
mod models;
mod runs;
mod traces;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use baton_ledger::database::{Database, Statement, Transaction, Value};
use baton_tracking::experiment::{Experiment, ExperimentSearch};
use baton_tracking::{Lifecycle, View};

use crate::error::Result;
use crate::export::ExportReport;
use crate::import::Destination;

/// The tables.
const SCHEMA: &str = include_str!("schema.sql");
/// What is tried, where a message says it.
const ACTION: &str = "write the database of MLflow";
/// Experiments that are read at a time.
const PAGE: usize = 1000;

/// A database that is being written.
pub(crate) struct Writing {
    from: Destination,
    database: Database,
    artifacts: PathBuf,
    report: ExportReport,
    /// Where files are here, and where they are written to.
    moved: HashMap<String, String>,
}

impl Writing {
    /// Makes the database at `path` with its tables; files go below `artifacts`.
    pub(crate) async fn begin(from: Destination, path: &Path, artifacts: &Path) -> Result<Self> {
        let database = Database::make_for_others(path).await?;
        let mut transaction = database.begin(ACTION).await?;
        for statement in SCHEMA.split("\n\n") {
            transaction.execute(Statement::new(statement)).await?;
        }
        transaction.commit(ACTION).await?;
        let (report, moved) = (ExportReport::default(), HashMap::new());
        Ok(Self { from, database, artifacts: artifacts.to_owned(), report, moved })
    }

    /// Writes everything.
    pub(crate) async fn all(mut self) -> Result<ExportReport> {
        for experiment in self.experiments().await? {
            self.experiment(experiment).await?;
        }
        for model in self.from.store.whole_registered_models().await? {
            let mut transaction = self.database.begin(ACTION).await?;
            models::registered(&mut self, &mut transaction, model).await?;
            transaction.commit(ACTION).await?;
        }
        self.database.close().await;
        Ok(self.report)
    }

    async fn experiments(&self) -> Result<Vec<Experiment>> {
        let (mut found, mut page_token) = (Vec::new(), None);
        loop {
            let search =
                ExperimentSearch { view: View::All, max_results: PAGE, page_token, ..ExperimentSearch::default() };
            let page = self.from.store.search_experiments(search).await?;
            found.extend(page.rows);
            page_token = page.next;
            if page_token.is_none() {
                return Ok(found);
            }
        }
    }

    async fn experiment(&mut self, experiment: Experiment) -> Result<()> {
        let mut transaction = self.database.begin(ACTION).await?;
        let location = files::written_to(&self.artifacts, &experiment.artifact_location);
        let Experiment { id, name, lifecycle, creation_time, last_update_time, .. } = &experiment;
        let row = vec![
            (*id).into(),
            name.into(),
            location.into(),
            lifecycle.as_str().into(),
            (*creation_time).into(),
            (*last_update_time).into(),
        ];
        let columns = "experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time";
        insert(&mut transaction, "experiments", columns, vec![row]).await?;
        let tags = experiment.tags.iter().map(|tag| vec![(&tag.key).into(), (&tag.value).into(), (*id).into()]);
        insert(&mut transaction, "experiment_tags", "key, value, experiment_id", tags.collect()).await?;
        self.report.experiments += 1;
        for run_id in self.from.store.run_ids(*id).await? {
            runs::write(self, &mut transaction, &run_id).await?;
        }
        for (model, is_deleted) in self.from.store.whole_logged_models(*id).await? {
            models::logged(self, &mut transaction, model, is_deleted).await?;
        }
        for trace_id in self.from.store.trace_ids(*id).await? {
            traces::write(self, &mut transaction, &trace_id, *id).await?;
        }
        Ok(transaction.commit(ACTION).await?)
    }

    /// Copies the files below `uri`; where they are then.
    async fn move_files(&mut self, uri: &str) -> Result<String> {
        let written_to = files::written_to(&self.artifacts, uri);
        if written_to != uri {
            files::copy_out(&self.from.artifacts, uri, Path::new(&written_to), &mut self.report).await?;
        }
        self.moved.insert(uri.to_owned(), written_to.clone());
        Ok(written_to)
    }

    /// Where files are written to that are at `uri` here. Those of models that the project trains come along now.
    async fn now_at(&mut self, uri: &str) -> Result<String> {
        let mut known = uri.trim_end_matches('/');
        loop {
            if let Some(moved) = self.moved.get(known) {
                return Ok(format!("{moved}{}", &uri[known.len()..]));
            }
            match known.rsplit_once('/') {
                Some((shorter, _)) => known = shorter,
                None if uri.starts_with(files::OWN) => return self.move_files(uri).await,
                None => return Ok(uri.to_owned()),
            }
        }
    }
}

/// Inserts rows; `columns` are separated by commas.
async fn insert(transaction: &mut Transaction, table: &str, columns: &str, rows: Vec<Vec<Value>>) -> Result<()> {
    let head = format!("INSERT INTO {table} ({columns}) VALUES ");
    for insert in Statement::inserts(&head, rows, "") {
        transaction.execute(insert).await?;
    }
    Ok(())
}

/// `active` or `deleted`.
fn stage(is_deleted: bool) -> &'static str {
    if is_deleted { Lifecycle::Deleted.as_str() } else { Lifecycle::Active.as_str() }
}

/// Null where there is no text, as MLflow has it.
fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
