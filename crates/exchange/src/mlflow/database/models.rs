//! Rows of logged models and of the registry.

use baton_ledger::database::Statement;
use baton_tracking::logged_model::{LoggedModel, LoggedModelMetric, LoggedModelStatus};
use baton_tracking::registry::{ModelVersion, RegisteredModel, WholeModel, WholeVersion};

use super::MlflowDatabase;
use crate::aside::Aside;
use crate::error::Result;

/// The stage of versions that were deleted.
const DELETED: &str = "Deleted_Internal";

type LoggedRow = (
    String,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// The logged models of an experiment, each with whether it was deleted.
pub(super) async fn logged(
    from: &MlflowDatabase,
    experiment: i64,
    aside: &mut Aside,
) -> Result<Vec<(LoggedModel, bool)>> {
    let columns = [
        "model_id",
        "name",
        "artifact_location",
        "creation_timestamp_ms:INTEGER",
        "last_updated_timestamp_ms:INTEGER",
        "status:INTEGER",
        "status_message",
        "model_type",
        "source_run_id",
        "lifecycle_stage",
    ];
    let text = format!("{} WHERE experiment_id = $1 ORDER BY 4, 1", from.select("logged_models", &columns));
    let mut found = Vec::new();
    for row in from.all::<LoggedRow>(Statement::new(text).bind(experiment)).await? {
        let (model_id, name, location, created, updated, status, status_message, model_type, source_run_id, stage) =
            row;
        let number = status.and_then(|number| usize::try_from(number).ok());
        let status = number.and_then(|number| LoggedModelStatus::NAMES.get(number));
        let model = LoggedModel {
            experiment_id: experiment,
            name: name.unwrap_or_default(),
            artifact_uri: location.unwrap_or_default(),
            creation_time: created.unwrap_or_default(),
            last_update_time: updated.unwrap_or_default(),
            status: status.and_then(|name| LoggedModelStatus::of_name(name)).unwrap_or(LoggedModelStatus::Unspecified),
            status_message,
            model_type: model_type.unwrap_or_default(),
            source_run_id: source_run_id.unwrap_or_default(),
            tags: from.texts("logged_model_tags", ["tag_key", "tag_value"], "model_id = $1", &model_id).await?,
            params: from.texts("logged_model_params", ["param_key", "param_value"], "model_id = $1", &model_id).await?,
            metrics: metrics(from, &model_id, aside).await?,
            model_id,
        };
        found.push((model, stage.as_deref() == Some("deleted")));
    }
    Ok(found)
}

async fn metrics(from: &MlflowDatabase, model_id: &str, aside: &mut Aside) -> Result<Vec<LoggedModelMetric>> {
    let columns = [
        "metric_name",
        "metric_value:REAL",
        "metric_timestamp_ms:INTEGER",
        "metric_step:INTEGER",
        "run_id",
        "dataset_name",
        "dataset_digest",
    ];
    let text = format!("{} WHERE model_id = $1 ORDER BY 1, 4, 3", from.select("logged_model_metrics", &columns));
    type Row = (String, Option<f64>, i64, i64, String, Option<String>, Option<String>);
    let mut found = Vec::new();
    for (key, value, timestamp, step, run_id, dataset_name, dataset_digest) in
        from.all::<Row>(Statement::new(text).bind(model_id)).await?
    {
        match value {
            Some(value) => {
                found.push(LoggedModelMetric { key, value, timestamp, step, run_id, dataset_name, dataset_digest });
            }
            None => aside.put(format!("metric `{key}` of logged model `{model_id}`"), "has a point without value"),
        }
    }
    Ok(found)
}

/// The registry.
pub(super) async fn registered(from: &MlflowDatabase, aside: &mut Aside) -> Result<Vec<WholeModel>> {
    let columns = ["name", "creation_time:INTEGER", "last_updated_time:INTEGER", "description"];
    let text = format!("{} ORDER BY 1", from.select("registered_models", &columns));
    type Row = (String, Option<i64>, Option<i64>, Option<String>);
    let mut found = Vec::new();
    for (name, created, updated, description) in from.all::<Row>(Statement::new(text)).await? {
        let model = RegisteredModel {
            creation_time: created.unwrap_or_default(),
            last_update_time: updated.unwrap_or_default(),
            description,
            latest_versions: Vec::new(),
            tags: from.texts("registered_model_tags", ["key", "value"], "name = $1", &name).await?,
            aliases: aliases(from, &name, aside).await?,
            deployment_job_id: None,
            name,
        };
        let versions = versions(from, &model.name).await?;
        found.push(WholeModel { model, versions });
    }
    Ok(found)
}

async fn aliases(from: &MlflowDatabase, name: &str, aside: &mut Aside) -> Result<Vec<(String, i64)>> {
    let mut found = Vec::new();
    for alias in from.texts("registered_model_aliases", ["alias", "version"], "name = $1", name).await? {
        let number = alias.value.parse().map_err(|_| format!("points at `{}`, which is no version", alias.value));
        let place = format!("alias `{}` of model `{name}`", alias.key);
        found.extend(aside.some(place, number).map(|number| (alias.key, number)));
    }
    Ok(found)
}

type VersionRow = (
    i64,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

async fn versions(from: &MlflowDatabase, name: &str) -> Result<Vec<WholeVersion>> {
    if !from.has("model_versions") {
        return Ok(Vec::new());
    }
    let columns = [
        "version:INTEGER",
        "creation_time:INTEGER",
        "last_updated_time:INTEGER",
        "description",
        "current_stage",
        "source",
        "storage_location",
        "run_id",
        "run_link",
    ];
    let text = format!("{} WHERE name = $1 ORDER BY 1", from.select("model_versions", &columns));
    let mut found = Vec::new();
    for row in from.all::<VersionRow>(Statement::new(text).bind(name)).await? {
        let number = row.0.to_string();
        // The name and the number, divided by a sign that no name has.
        let owner = format!("{name}/{number}");
        let condition = "name || '/' || CAST(version AS TEXT) = $1";
        let tags = from.texts("model_version_tags", ["key", "value"], condition, &owner).await?;
        found.push(version(name, row, tags));
    }
    Ok(found)
}

fn version(name: &str, row: VersionRow, tags: Vec<baton_tracking::Tag>) -> WholeVersion {
    let (version, created, updated, description, stage, source, storage_location, run_id, run_link) = row;
    let is_deleted = stage.as_deref() == Some(DELETED);
    // What is left of a deleted version says nothing.
    let said = |text: Option<String>| text.filter(|_| !is_deleted).unwrap_or_default();
    let source = said(source);
    let model_id = source.strip_prefix("models:/").filter(|id| id.starts_with("m-") && !id.contains(['/', '@']));
    let version = ModelVersion {
        name: name.to_owned(),
        version,
        creation_time: created.unwrap_or_default(),
        last_update_time: updated.unwrap_or_default(),
        description: said(description),
        stage: if is_deleted { "None".to_owned() } else { stage.unwrap_or_else(|| "None".to_owned()) },
        run_id: said(run_id),
        run_link: said(run_link),
        model_id: model_id.unwrap_or_default().to_owned(),
        source: source.clone(),
        tags,
        aliases: Vec::new(),
    };
    let storage_location = Some(said(storage_location)).filter(|place| !place.is_empty()).unwrap_or(source);
    WholeVersion { version, storage_location, is_deleted }
}
