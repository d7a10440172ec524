//! Runs come, change, are deleted and restored.

use baton_ledger::database::{Statement, Transaction};
use uuid::Uuid;

use super::{COLUMNS, NAME_TAG, Run, RunInfo, RunRow, active, data, find, log};
use crate::error::{Result, TrackingError};
use crate::experiment;
use crate::store::TrackingStore;
use crate::{Lifecycle, Tag, names};

/// A run that is to begin.
#[derive(Debug, Clone, Default)]
pub struct NewRun {
    /// The number of its experiment.
    pub experiment: i64,
    /// Who starts it.
    pub user_id: String,
    /// When it begins, in milliseconds since 1970.
    pub start_time: i64,
    /// Its name; without one, that of its tag, or else one at random.
    pub name: Option<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// What is to change of a run; the rest stays.
#[derive(Debug, Clone, Default)]
pub struct RunChange {
    /// One of [`super::STATUSES`].
    pub status: Option<String>,
    /// When it ended.
    pub end_time: Option<i64>,
    /// Its name.
    pub name: Option<String>,
}

impl NewRun {
    /// The name, and the tags with it.
    fn named(mut self) -> Result<(String, Self)> {
        let given = self.name.take().filter(|name| !name.is_empty());
        let tagged = self.tags.iter().find(|tag| tag.key == NAME_TAG).map(|tag| tag.value.clone());
        let tagged = tagged.filter(|name| !name.is_empty());
        if let (Some(given), Some(tagged)) = (&given, &tagged)
            && given != tagged
        {
            return Err(TrackingError::invalid(format!(
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values \
                 (run_name='{given}', mlflow.runName='{tagged}')."
            )));
        }
        let name = given.or(tagged).unwrap_or_else(names::random);
        self.tags.retain(|tag| tag.key != NAME_TAG);
        self.tags.push(Tag { key: NAME_TAG.to_owned(), value: name.clone() });
        Ok((name, self))
    }
}

impl TrackingStore {
    /// Begins a run.
    ///
    /// # Errors
    /// [`TrackingError::Missing`] without its experiment; [`TrackingError::Invalid`] when that was deleted, or for two names.
    pub async fn create_run(&self, new: NewRun) -> Result<Run> {
        let run_id = Uuid::new_v4().simple().to_string();
        let (name, new) = new.named()?;
        self.write(move |transaction| Box::pin(create(transaction, run_id, name, new))).await
    }

    /// The run `run_id` with all that it logged, whether it was deleted or not.
    ///
    /// # Errors
    /// [`TrackingError::Missing`].
    pub async fn run(&self, run_id: &str) -> Result<Run> {
        let mut transaction = self.snapshot().await?;
        let row = find(&mut transaction, run_id).await?;
        let run = data::load(&mut transaction, vec![row]).await?.pop();
        run.ok_or_else(|| TrackingError::missing(format!("Run with id={run_id} not found")))
    }

    /// Changes a run.
    ///
    /// # Errors
    /// [`TrackingError::Missing`]; [`TrackingError::Invalid`] when it was deleted.
    pub async fn update_run(&self, run_id: String, change: RunChange) -> Result<RunInfo> {
        self.write(move |transaction| {
            Box::pin(async move {
                let run = active(transaction, &run_id).await?;
                let text =
                    "UPDATE runs SET status = coalesce($1, status), end_time = coalesce($2, end_time) WHERE id = $3";
                let update = Statement::new(text).bind(change.status).bind(change.end_time).bind(run.id);
                transaction.execute(update).await?;
                if let Some(name) = change.name.filter(|name| !name.is_empty()) {
                    rename(transaction, &run, &name).await?;
                }
                Ok(again(transaction, run.id).await?.into_info())
            })
        })
        .await
    }

    /// Deletes a run; it can be restored.
    ///
    /// # Errors
    /// [`TrackingError::Missing`].
    pub async fn delete_run(&self, run_id: String) -> Result<()> {
        let now = self.now();
        self.move_run(run_id, Lifecycle::Deleted, Some(now)).await
    }

    /// Restores a run.
    ///
    /// # Errors
    /// [`TrackingError::Missing`].
    pub async fn restore_run(&self, run_id: String) -> Result<()> {
        self.move_run(run_id, Lifecycle::Active, None).await
    }

    async fn move_run(&self, run_id: String, to: Lifecycle, deleted: Option<i64>) -> Result<()> {
        self.write(move |transaction| {
            Box::pin(async move {
                let run = find(transaction, &run_id).await?;
                let update = Statement::new("UPDATE runs SET lifecycle_stage = $1, deleted_time = $2 WHERE id = $3");
                transaction.execute(update.bind(to.as_str()).bind(deleted).bind(run.id)).await?;
                Ok(())
            })
        })
        .await
    }
}

/// Begins a run under an id that nothing else has.
async fn create(transaction: &mut Transaction, run_id: String, name: String, new: NewRun) -> Result<Run> {
    let experiment = experiment::active(transaction, new.experiment).await?;
    let artifact_uri = format!("{}/{run_id}/artifacts", experiment.artifact_location.trim_end_matches('/'));
    let text = "INSERT INTO runs (run_id, experiment, name, user_id, status, start_time, lifecycle_stage, artifact_uri) \
                VALUES ($1, $2, $3, $4, 'RUNNING', $5, 'active', $6) RETURNING id";
    let insert = Statement::new(text).bind(&run_id).bind(experiment.id).bind(&name).bind(&new.user_id);
    let insert = insert.bind(new.start_time).bind(&artifact_uri);
    let made: Option<(i64,)> = transaction.write_one(insert).await?;
    let (id,) = made.ok_or_else(|| TrackingError::Internal("the run was not kept".to_owned()))?;
    let info = RunInfo {
        run_id,
        experiment: experiment.id,
        name,
        user_id: new.user_id,
        status: "RUNNING".to_owned(),
        start_time: new.start_time,
        end_time: None,
        lifecycle: Lifecycle::Active,
        artifact_uri,
    };
    log::upsert_tags(transaction, id, experiment.id, &new.tags).await?;
    Ok(Run::empty(info, new.tags))
}

/// Begins a run under this id, unless it is there; whether it was not.
pub(super) async fn create_unless_there(transaction: &mut Transaction, run_id: String, new: NewRun) -> Result<bool> {
    let select = Statement::new("SELECT id FROM runs WHERE run_id = $1").bind(&run_id);
    if transaction.one::<(i64,)>(select).await?.is_some() {
        return Ok(false);
    }
    let (name, new) = new.named()?;
    create(transaction, run_id, name, new).await?;
    Ok(true)
}

impl Run {
    fn empty(info: RunInfo, tags: Vec<Tag>) -> Self {
        let (metrics, params, datasets) = (Vec::new(), Vec::new(), Vec::new());
        Self { info, metrics, params, tags, datasets, models: Vec::new(), outputs: Vec::new() }
    }
}

/// Gives a run another name, and its tag with it.
pub(super) async fn rename(transaction: &mut Transaction, run: &RunRow, name: &str) -> Result<()> {
    transaction.execute(Statement::new("UPDATE runs SET name = $1 WHERE id = $2").bind(name).bind(run.id)).await?;
    let tag = Tag { key: NAME_TAG.to_owned(), value: name.to_owned() };
    log::upsert_tags(transaction, run.id, run.experiment, &[tag]).await
}

async fn again(transaction: &mut Transaction, id: i64) -> Result<RunRow> {
    let found =
        transaction.one(Statement::new(format!("SELECT {COLUMNS} FROM runs r WHERE r.id = $1")).bind(id)).await?;
    found.ok_or_else(|| TrackingError::Internal("the run was not kept".to_owned()))
}
