//! Rows of logged models and of the registry.

use baton_ledger::database::{Transaction, Value};
use baton_tracking::Tag;
use baton_tracking::logged_model::{LoggedModel, LoggedModelMetric, LoggedModelStatus};
use baton_tracking::registry::{WholeModel, WholeVersion};

use super::{Writing, insert, said, stage};
use crate::error::Result;

/// The stage of versions that were deleted.
const DELETED: &str = "Deleted_Internal";

/// Writes a logged model and its files.
pub(super) async fn logged(
    writing: &mut Writing,
    transaction: &mut Transaction,
    model: LoggedModel,
    is_deleted: bool,
) -> Result<()> {
    let location = writing.move_files(&model.artifact_uri).await?;
    let number = LoggedModelStatus::NAMES.iter().position(|name| *name == model.status.name()).unwrap_or_default();
    let (id, experiment): (Value, Value) = ((&model.model_id).into(), model.experiment_id.into());
    let row = vec![
        id.clone(),
        experiment.clone(),
        (&model.name).into(),
        location.into(),
        model.creation_time.into(),
        model.last_update_time.into(),
        i64::try_from(number).unwrap_or_default().into(),
        stage(is_deleted).into(),
        said(&model.model_type).into(),
        said(&model.source_run_id).into(),
        (&model.status_message).into(),
    ];
    let columns = "model_id, experiment_id, name, artifact_location, creation_timestamp_ms, last_updated_timestamp_ms, status, \
                   lifecycle_stage, model_type, source_run_id, status_message";
    insert(transaction, "logged_models", columns, vec![row]).await?;
    let text = |text: &Tag| vec![id.clone(), experiment.clone(), (&text.key).into(), (&text.value).into()];
    let params = model.params.iter().map(text).collect();
    insert(transaction, "logged_model_params", "model_id, experiment_id, param_key, param_value", params).await?;
    let tags = model.tags.iter().map(text).collect();
    insert(transaction, "logged_model_tags", "model_id, experiment_id, tag_key, tag_value", tags).await?;
    let columns = "model_id, experiment_id, metric_name, metric_value, metric_timestamp_ms, metric_step, run_id, dataset_name, \
                   dataset_digest";
    let metric = |metric: &LoggedModelMetric| -> Vec<Value> {
        vec![
            id.clone(),
            experiment.clone(),
            (&metric.key).into(),
            if metric.value.is_nan() { 0.0 } else { metric.value }.into(),
            metric.timestamp.into(),
            metric.step.into(),
            (&metric.run_id).into(),
            (&metric.dataset_name).into(),
            (&metric.dataset_digest).into(),
        ]
    };
    insert(transaction, "logged_model_metrics", columns, once_each(&model.metrics).map(metric).collect()).await?;
    writing.report.logged_models += 1;
    Ok(())
}

/// MLflow keeps one value for each key, step, time and run, on whatever dataset it was measured: the last one.
fn once_each(metrics: &[LoggedModelMetric]) -> impl Iterator<Item = &LoggedModelMetric> {
    let place = |metric: &LoggedModelMetric| (metric.key.clone(), metric.step, metric.timestamp, metric.run_id.clone());
    let is_last = move |number: usize, metric: &LoggedModelMetric| {
        !metrics[number + 1..].iter().any(|later| place(later) == place(metric))
    };
    metrics.iter().enumerate().filter(move |(number, metric)| is_last(*number, metric)).map(|(_, metric)| metric)
}

/// Writes a registered model with its versions.
pub(super) async fn registered(writing: &mut Writing, transaction: &mut Transaction, whole: WholeModel) -> Result<()> {
    let model = &whole.model;
    let row = vec![
        (&model.name).into(),
        model.creation_time.into(),
        model.last_update_time.into(),
        (&model.description).into(),
    ];
    insert(transaction, "registered_models", "name, creation_time, last_updated_time, description", vec![row]).await?;
    let name: Value = (&model.name).into();
    let tags = model.tags.iter().map(|tag| vec![(&tag.key).into(), (&tag.value).into(), name.clone()]).collect();
    insert(transaction, "registered_model_tags", "key, value, name", tags).await?;
    for version in &whole.versions {
        write_version(writing, transaction, version).await?;
    }
    let aliases = model.aliases.iter();
    let aliases = aliases.map(|(alias, version)| vec![alias.into(), (*version).into(), name.clone()]).collect();
    insert(transaction, "registered_model_aliases", "alias, version, name", aliases).await?;
    writing.report.registered_models += 1;
    Ok(())
}

async fn write_version(writing: &mut Writing, transaction: &mut Transaction, whole: &WholeVersion) -> Result<()> {
    let version = &whole.version;
    // Files of a run are named by the run, those of others by where they are.
    let is_named = version.source.starts_with("runs:/") || version.source.starts_with("models:/");
    let source = if is_named { version.source.clone() } else { writing.now_at(&version.source).await? };
    let storage_location = writing.now_at(&whole.storage_location).await?;
    let row = vec![
        (&version.name).into(),
        version.version.into(),
        version.creation_time.into(),
        version.last_update_time.into(),
        said(&version.description).into(),
        if whole.is_deleted { DELETED } else { &version.stage }.into(),
        source.into(),
        said(&version.run_id).into(),
        "READY".into(),
        said(&version.run_link).into(),
        storage_location.into(),
    ];
    let columns = "name, version, creation_time, last_updated_time, description, current_stage, source, run_id, status, run_link, \
                   storage_location";
    insert(transaction, "model_versions", columns, vec![row]).await?;
    let (name, number): (Value, Value) = ((&version.name).into(), version.version.into());
    let tags = version.tags.iter();
    let tags = tags.map(|tag| vec![(&tag.key).into(), (&tag.value).into(), name.clone(), number.clone()]).collect();
    insert(transaction, "model_version_tags", "key, value, name, version", tags).await?;
    writing.report.model_versions += 1;
    Ok(())
}
