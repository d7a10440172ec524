//! Logged models of other trackers, whole: found again by their ids.

use baton_ledger::database::{Statement, Transaction, Value};

use super::{LoggedModel, LoggedModelMetric, read};
use crate::error::{Result, TrackingError};
use crate::experiment;
use crate::metric::Metric;
use crate::store::TrackingStore;
use crate::transfer::{Kept, insert, set_texts};

impl TrackingStore {
    /// Keeps a logged model of another tracker. An empty `artifact_uri` stands for the place below its experiment's.
    ///
    /// # Errors
    /// [`TrackingError::Missing`] without its experiment.
    pub async fn keep_logged_model(&self, model: LoggedModel, is_deleted: bool) -> Result<Kept> {
        self.write(move |transaction| Box::pin(keep(transaction, model, is_deleted))).await
    }

    /// All logged models of an experiment in the order in which they came, each with whether it was deleted.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn whole_logged_models(&self, experiment: i64) -> Result<Vec<(LoggedModel, bool)>> {
        let mut transaction = self.snapshot().await?;
        let mut found = Vec::new();
        for is_deleted in [false, true] {
            let columns = read::COLUMNS;
            let text =
                format!("SELECT {columns} FROM logged_models m WHERE experiment = $1 AND deleted = $2 ORDER BY id");
            let rows = transaction.all(Statement::new(text).bind(experiment).bind(is_deleted)).await?;
            found.extend(read::whole(&mut transaction, rows).await?.into_iter().map(|model| (model, is_deleted)));
        }
        Ok(found)
    }
}

async fn keep(transaction: &mut Transaction, model: LoggedModel, is_deleted: bool) -> Result<Kept> {
    let find = |text: &'static str| Statement::new(text).bind(&model.model_id);
    let known: Option<(i64, i64)> =
        transaction.one(find("SELECT id, experiment FROM logged_models WHERE model_id = $1")).await?;
    if known.is_some_and(|(_, experiment)| experiment != model.experiment_id) {
        let message = format!("logged model `{}` is in another experiment here", model.model_id);
        return Err(TrackingError::invalid(message));
    }
    if known.is_none() {
        make(transaction, &model).await?;
    }
    let update = Statement::new(
        "UPDATE logged_models SET status = $2, last_update_time = $3, deleted = $4
          WHERE model_id = $1 AND (status <> $2 OR last_update_time <> $3 OR deleted <> $4)",
    );
    let update = update.bind(&model.model_id).bind(model.status.number()).bind(model.last_update_time).bind(is_deleted);
    let moved = transaction.execute(update).await? > 0;
    let id: Option<(i64,)> = transaction.one(find("SELECT id FROM logged_models WHERE model_id = $1")).await?;
    let id = id.map_or(0, |(id,)| id);
    let tagged = set_texts(transaction, "logged_model_tags", "model", id, &model.tags).await?;
    let told = set_texts(transaction, "logged_model_params", "model", id, &model.params).await?;
    let measured = write_metrics(transaction, id, &model.metrics).await?;
    Ok(if known.is_some() { Kept::of(moved || tagged || told || measured) } else { Kept::New })
}

async fn make(transaction: &mut Transaction, model: &LoggedModel) -> Result<()> {
    let artifact_uri = if model.artifact_uri.is_empty() {
        let experiment = experiment::find(transaction, model.experiment_id).await?;
        format!("{}/models/{}/artifacts", experiment.artifact_location.trim_end_matches('/'), model.model_id)
    } else {
        model.artifact_uri.clone()
    };
    let text = "INSERT INTO logged_models (model_id, experiment, name, artifact_uri, creation_time, last_update_time, status, \
                status_message, model_type, source_run_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let insert = Statement::new(text).bind(&model.model_id).bind(model.experiment_id).bind(&model.name);
    let insert = insert.bind(artifact_uri).bind(model.creation_time).bind(model.last_update_time);
    let insert = insert.bind(model.status.number()).bind(&model.status_message).bind(&model.model_type);
    transaction.execute(insert.bind(&model.source_run_id)).await?;
    Ok(())
}

async fn write_metrics(transaction: &mut Transaction, id: i64, metrics: &[LoggedModelMetric]) -> Result<bool> {
    let row = |metric: &LoggedModelMetric| -> Vec<Value> {
        let (is_nan, value) = Metric { value: metric.value, ..Metric::default() }.storable();
        vec![
            id.into(),
            (&metric.key).into(),
            metric.step.into(),
            metric.timestamp.into(),
            (&metric.run_id).into(),
            metric.dataset_name.as_deref().unwrap_or_default().into(),
            metric.dataset_digest.as_deref().unwrap_or_default().into(),
            value.into(),
            is_nan.into(),
        ]
    };
    let head = "INSERT INTO logged_model_metrics
                (model, key, step, timestamp, run_id, dataset_name, dataset_digest, value, is_nan) VALUES ";
    let tail = " ON CONFLICT (model, key, step, timestamp, run_id, dataset_name, dataset_digest) \
                DO UPDATE SET value = excluded.value, is_nan = excluded.is_nan \
                WHERE logged_model_metrics.value <> excluded.value OR logged_model_metrics.is_nan <> excluded.is_nan";
    insert(transaction, head, metrics.iter().map(row).collect(), tail).await
}
