//! Runs of other trackers, whole: found again by their ids.

use baton_ledger::database::{Statement, Transaction};

use super::{Run, RunInfo, RunRow, data, find};
use crate::error::{Result, TrackingError};
use crate::experiment;
use crate::input::{self, DatasetInput, ModelOutput};
use crate::metric::{self, Metric};
use crate::store::TrackingStore;
use crate::transfer::{Kept, insert, last_of_each};
use crate::{Lifecycle, Param, Tag, validate};

/// Points that are written at a time.
const POINTS: usize = 4096;

/// A run with every point of its metrics.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeRun {
    /// What it is. An empty `artifact_uri` stands for the place below its experiment's.
    pub info: RunInfo,
    /// When it was deleted.
    pub deleted_time: Option<i64>,
    /// Every point of every metric.
    pub points: Vec<Metric>,
    /// Its parameters.
    pub params: Vec<Param>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Datasets that it read.
    pub datasets: Vec<DatasetInput>,
    /// Models that it read.
    pub models: Vec<String>,
    /// Models that it made.
    pub outputs: Vec<ModelOutput>,
}

impl TrackingStore {
    /// Keeps a run of another tracker, all of it or nothing. Points that it has gained since come in addition, and status and
    /// tags are changed to what they are now.
    ///
    /// # Errors
    /// [`TrackingError::Invalid`] for an id that breaks a rule, a run that another experiment has, and a parameter that has
    /// another value here.
    pub async fn keep_run(&self, run: WholeRun) -> Result<Kept> {
        validate::run_id(&run.info.run_id)?;
        self.write(move |transaction| Box::pin(keep(transaction, run))).await
    }

    /// The ids of all runs of an experiment, those that were deleted included, in the order in which they came.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn run_ids(&self, experiment: i64) -> Result<Vec<String>> {
        let select = Statement::new("SELECT run_id FROM runs WHERE experiment = $1 ORDER BY id").bind(experiment);
        Ok(self.all::<(String,)>(select).await?.into_iter().map(|(run_id,)| run_id).collect())
    }

    /// A run with every point of its metrics, by key, time and step.
    ///
    /// # Errors
    /// [`TrackingError::Missing`].
    pub async fn whole_run(&self, run_id: &str) -> Result<WholeRun> {
        let mut transaction = self.snapshot().await?;
        let row = find(&mut transaction, run_id).await?;
        let id = row.id;
        let select = Statement::new("SELECT deleted_time FROM runs WHERE id = $1").bind(id);
        let deleted_time = transaction.one::<(Option<i64>,)>(select).await?.and_then(|(time,)| time);
        let text = "SELECT key, value, is_nan, timestamp, step FROM metrics WHERE run = $1 ORDER BY key, timestamp, step, value, is_nan";
        let points: Vec<(String, f64, i64, i64, i64)> = transaction.all(Statement::new(text).bind(id)).await?;
        let gone = || TrackingError::missing(format!("Run with id={run_id} not found"));
        let run = data::load(&mut transaction, vec![row]).await?.pop().ok_or_else(gone)?;
        let point = |(key, value, is_nan, timestamp, step)| Metric::stored(key, value, is_nan, timestamp, step);
        let Run { info, params, tags, datasets, models, outputs, .. } = run;
        let points = points.into_iter().map(point).collect();
        Ok(WholeRun { info, deleted_time, points, params, tags, datasets, models, outputs })
    }
}

async fn keep(transaction: &mut Transaction, run: WholeRun) -> Result<Kept> {
    let select = Statement::new("SELECT id FROM runs WHERE run_id = $1").bind(&run.info.run_id);
    let known = transaction.one::<(i64,)>(select).await?.is_some();
    if !known {
        make(transaction, &run).await?;
    }
    let row = find(transaction, &run.info.run_id).await?;
    if row.experiment != run.info.experiment {
        return Err(TrackingError::invalid(format!(
            "run `{}` is in experiment {} here, and cannot be in another one too",
            run.info.run_id, row.experiment
        )));
    }
    let before = size(transaction, row.id).await?;
    let moved = known && change(transaction, &row, &run).await?;
    write_params(transaction, &row, &run.params).await?;
    let tagged = write_tags(transaction, &row, &run.tags).await?;
    for points in run.points.chunks(POINTS) {
        metric::write(transaction, &row, points).await?;
    }
    for dataset in run.datasets {
        input::write_dataset(transaction, &row, dataset).await?;
    }
    let models = run.models.into_iter().map(|model_id| ModelOutput { model_id, step: 0 }).collect();
    input::write_models(transaction, &row, "input", models).await?;
    input::write_models(transaction, &row, "output", run.outputs).await?;
    if !known {
        return Ok(Kept::New);
    }
    Ok(Kept::of(moved || tagged || size(transaction, row.id).await? != before))
}

async fn make(transaction: &mut Transaction, run: &WholeRun) -> Result<()> {
    let info = &run.info;
    let artifact_uri = if info.artifact_uri.is_empty() {
        let experiment = experiment::find(transaction, info.experiment).await?;
        format!("{}/{}/artifacts", experiment.artifact_location.trim_end_matches('/'), info.run_id)
    } else {
        info.artifact_uri.clone()
    };
    let text = "INSERT INTO runs (run_id, experiment, name, user_id, status, start_time, end_time, lifecycle_stage, deleted_time, \
                artifact_uri) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let insert = Statement::new(text).bind(&info.run_id).bind(info.experiment).bind(&info.name).bind(&info.user_id);
    let insert = insert.bind(&info.status).bind(info.start_time).bind(info.end_time).bind(info.lifecycle.as_str());
    transaction.execute(insert.bind(run.deleted_time).bind(artifact_uri)).await?;
    Ok(())
}

/// Changes what a run is to what it is now; whether that was anything.
async fn change(transaction: &mut Transaction, row: &RunRow, run: &WholeRun) -> Result<bool> {
    let info = &run.info;
    let is = (&row.name, &row.status, row.end_time, row.lifecycle());
    if is == (&info.name, &info.status, info.end_time, info.lifecycle) {
        return Ok(false);
    }
    let text =
        "UPDATE runs SET name = $1, status = $2, end_time = $3, lifecycle_stage = $4, deleted_time = $5 WHERE id = $6";
    let update = Statement::new(text).bind(&info.name).bind(&info.status).bind(info.end_time);
    let deleted = run.deleted_time.filter(|_| info.lifecycle == Lifecycle::Deleted);
    Ok(transaction.execute(update.bind(info.lifecycle.as_str()).bind(deleted).bind(row.id)).await? > 0)
}

/// How much a run has logged, besides tags.
async fn size(transaction: &mut Transaction, run: i64) -> Result<Vec<i64>> {
    let mut sizes = Vec::new();
    for table in ["metrics", "params", "run_datasets", "run_models"] {
        let select = Statement::new(format!("SELECT count(*) FROM {table} WHERE run = $1")).bind(run);
        sizes.extend(transaction.one::<(i64,)>(select).await?.map(|(count,)| count));
    }
    Ok(sizes)
}

async fn write_params(transaction: &mut Transaction, run: &RunRow, params: &[Param]) -> Result<()> {
    let select = Statement::new("SELECT key, value FROM params WHERE run = $1").bind(run.id);
    let known: Vec<(String, String)> = transaction.all(select).await?;
    let other = |param: &&Param| known.iter().any(|(key, value)| *key == param.key && *value != param.value);
    if let Some(param) = params.iter().find(other) {
        return Err(TrackingError::invalid(format!(
            "parameter `{}` of run `{}` has another value here, and parameters are written once",
            param.key, run.run_id
        )));
    }
    let row = |param: &Param| vec![run.id.into(), (&param.key).into(), run.experiment.into(), (&param.value).into()];
    let rows = last_of_each(params).map(row).collect();
    let head = "INSERT INTO params (run, key, experiment, value) VALUES ";
    insert(transaction, head, rows, " ON CONFLICT DO NOTHING").await.map(drop)
}

async fn write_tags(transaction: &mut Transaction, run: &RunRow, tags: &[Tag]) -> Result<bool> {
    let row = |tag: &Tag| vec![run.id.into(), (&tag.key).into(), run.experiment.into(), (&tag.value).into()];
    let rows = last_of_each(tags).map(row).collect();
    let tail = " ON CONFLICT (run, key) DO UPDATE SET value = excluded.value WHERE tags.value <> excluded.value";
    insert(transaction, "INSERT INTO tags (run, key, experiment, value) VALUES ", rows, tail).await
}
