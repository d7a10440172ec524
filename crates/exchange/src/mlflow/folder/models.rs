//! Folders of logged models and of the registry.

use std::path::Path;

use baton_tracking::logged_model::{LoggedModel, LoggedModelStatus};
use baton_tracking::registry::{ModelVersion, RegisteredModel, WholeModel, WholeVersion};

use super::meta::{self, Meta};
use super::points;
use crate::aside::Aside;

/// The stage of versions that were deleted.
const DELETED: &str = "Deleted_Internal";

/// Reads a logged model, and whether it was deleted.
pub(super) fn logged(folder: &Path, aside: &mut Aside) -> Result<(LoggedModel, bool), String> {
    let meta = Meta::read(&folder.join("meta.yaml"))?;
    let status = meta.number("status").and_then(|number| usize::try_from(number).ok());
    let status = status.and_then(|number| LoggedModelStatus::NAMES.get(number));
    let location = meta.text("artifact_location").or_else(|| meta.text("artifact_uri"));
    let model = LoggedModel {
        model_id: meta.need("model_id")?,
        experiment_id: 0,
        name: meta.text("name").unwrap_or_default(),
        artifact_uri: location.unwrap_or_else(|| folder.join("artifacts").display().to_string()),
        creation_time: meta.number("creation_timestamp").unwrap_or_default(),
        last_update_time: meta.number("last_updated_timestamp").unwrap_or_default(),
        status: status.and_then(|name| LoggedModelStatus::of_name(name)).unwrap_or(LoggedModelStatus::Unspecified),
        status_message: meta.text("status_message"),
        model_type: meta.text("model_type").unwrap_or_default(),
        source_run_id: meta.text("source_run_id").unwrap_or_default(),
        tags: meta::texts(&folder.join("tags"), aside),
        params: meta::texts(&folder.join("params"), aside),
        metrics: points::of_model(&folder.join("metrics"), aside),
    };
    Ok((model, meta.text("lifecycle_stage").as_deref() == Some("deleted")))
}

/// Reads a registered model with its versions.
pub(super) fn registered(folder: &Path, aside: &mut Aside) -> Result<WholeModel, String> {
    let meta = Meta::read(&folder.join("meta.yaml"))?;
    let name = meta.need("name")?;
    let mut versions = Vec::new();
    for entry in meta::described(folder, aside) {
        let file = folder.join(&entry).join("meta.yaml");
        let read = version(&name, &folder.join(&entry), aside);
        versions.extend(aside.some(file.display(), read));
    }
    versions.sort_by_key(|version| version.version.version);
    let mut aliases = Vec::new();
    for alias in meta::texts(&folder.join("aliases"), aside) {
        let number =
            alias.value.trim().parse().map_err(|_| format!("points at `{}`, which is no version", alias.value));
        aliases.extend(aside.some(folder.join("aliases").join(&alias.key).display(), number).map(|at| (alias.key, at)));
    }
    let model = RegisteredModel {
        name,
        creation_time: meta.number("creation_timestamp").unwrap_or_default(),
        last_update_time: meta.number("last_updated_timestamp").unwrap_or_default(),
        description: meta.text("description"),
        latest_versions: Vec::new(),
        tags: meta::texts(&folder.join("tags"), aside),
        aliases,
        deployment_job_id: meta.text("deployment_job_id"),
    };
    Ok(WholeModel { model, versions })
}

fn version(name: &str, folder: &Path, aside: &mut Aside) -> Result<WholeVersion, String> {
    let meta = Meta::read(&folder.join("meta.yaml"))?;
    let stage = meta.text("current_stage").unwrap_or_else(|| "None".to_owned());
    let is_deleted = stage == DELETED;
    // What is left of a deleted version says nothing.
    let said = |key: &str| meta.text(key).filter(|_| !is_deleted).unwrap_or_default();
    let source = said("source");
    let version = ModelVersion {
        name: name.to_owned(),
        version: meta.number("version").ok_or("has no `version` that is a number")?,
        creation_time: meta.number("creation_timestamp").unwrap_or_default(),
        last_update_time: meta.number("last_updated_timestamp").unwrap_or_default(),
        description: said("description"),
        stage: if is_deleted { "None".to_owned() } else { stage },
        source: source.clone(),
        run_id: said("run_id"),
        run_link: said("run_link"),
        model_id: said("model_id"),
        tags: meta::texts(&folder.join("tags"), aside),
        aliases: Vec::new(),
    };
    let storage_location = Some(said("storage_location")).filter(|place| !place.is_empty()).unwrap_or(source);
    Ok(WholeVersion { version, storage_location, is_deleted })
}
