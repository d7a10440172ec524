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

#[cfg(test)]
mod tests {
    use baton_project::load;

    use super::*;

    fn project(environments: &str, export: &str) -> Project {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        write("baton.yml", format!("project: shop\nenvironments: {environments}\n"));
        write("s.yml", "sources: [{name: landing, path: x}]\n".to_owned());
        let to = "to: {connector: file, path: out/}";
        write("e.yml", format!("exports: [{{name: crm, from: landing, {to}{export}}}]\n"));
        load(folder.path()).project
    }

    fn is_delivered(environments: &str, export: &str, environment: &str) -> bool {
        let project = project(environments, export);
        is_for(&project, export_of(&project.assets, "crm").unwrap(), environment)
    }

    #[test]
    fn branches_deliver_only_where_that_is_said() {
        let protected = "{dev: {}, live: {protected: true}}";
        assert!(is_delivered(protected, "", "live") && !is_delivered(protected, "", "dev"));
        assert!(is_delivered(protected, ", environments: dev", "dev"));
        assert!(!is_delivered(protected, ", environments: dev", "live"));
        let none_protected = "{dev: {}, prod: {}}";
        assert!(is_delivered(none_protected, "", "prod") && !is_delivered(none_protected, "", "dev"));
        assert!(!is_delivered(none_protected, "", "prod-copy"));
        assert!(is_delivered("{main: {}}", "", "main"));
    }

    #[test]
    fn a_trigger_says_which_runs_deliver() {
        let due = |export: &str, asked: &Asked, wanted: &str| {
            let project = project("{prod: {}}", export);
            due_stages(&project, "prod", asked, |name| name.as_str() == wanted).len()
        };
        let (by_hand, by_schedule) =
            (Asked::default(), Asked { schedule: Some("nightly".to_owned()), ..Asked::default() });
        assert_eq!([due("", &by_hand, "landing"), due("", &by_hand, "crm"), due("", &by_hand, "other")], [1, 1, 0]);
        assert_eq!([due(", on: schedule", &by_hand, "crm"), due(", on: schedule", &by_schedule, "crm")], [0, 1]);
        assert_eq!(due(", on: manual", &by_schedule, "crm"), 0);
    }
}
