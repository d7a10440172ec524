//! Which exports a run delivers.

use baton_core::AssetName;
use baton_core::asset::{Export, ExportTrigger};
use baton_plan::Stage;
use baton_project::Project;

use super::export_of;
use crate::services::Asked;

/// The environment that commands mean when none is named.
const USUAL: &str = "prod";

/// Whether rows of `environment` are delivered: it is named, or protected, or the usual one where none is protected.
pub(crate) fn is_for(project: &Project, export: &Export, environment: &str) -> bool {
    if !export.environments.is_empty() {
        return export.environments.iter().any(|name| name == environment);
    }
    match project.environments.get(environment) {
        Some(found) if found.protected => true,
        _ if project.environments.values().any(|found| found.protected) => false,
        _ => environment == usual(project),
    }
}

fn usual(project: &Project) -> &str {
    match project.environments.contains_key(USUAL) {
        true => USUAL,
        false => project.environments.keys().next().map_or(USUAL, String::as_str),
    }
}

/// The exports of a run in `environment` that `asked` for it, in the order of names; those are wanted that are selected, or
/// whose rows are.
pub(crate) fn due_stages(
    project: &Project,
    environment: &str,
    asked: &Asked,
    is_wanted: impl Fn(&AssetName) -> bool,
) -> Vec<Stage> {
    let is_due = |name: &AssetName| -> Option<Stage> {
        let export = export_of(&project.assets, name)?;
        let by_trigger = match export.on {
            ExportTrigger::Commit => true,
            ExportTrigger::Schedule => asked.schedule.is_some(),
            ExportTrigger::Manual => false,
        };
        let is_meant = is_wanted(name) || is_wanted(&export.from);
        (by_trigger && is_meant && is_for(project, export, environment))
            .then(|| Stage::Export { asset: name.clone(), full: false })
    };
    project.assets.keys().filter_map(is_due).collect()
}
