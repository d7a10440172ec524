//! Where an export delivers to, as its connector is told.

use std::path::Path;
use std::sync::Arc;

use baton_connectors::{DeliveryMode, ExportTarget, Exporter, Gone, exporter, resolve_secrets};
use baton_core::asset::{Export, ExportMode, GoneRows};
use baton_core::{AssetName, Fingerprint};
use serde_json::Value;

use crate::error::RunError;
use crate::services::Services;

/// The destination's connector and what it is told, references to secrets as they are written.
pub(crate) fn place_of_export(
    folder: &Path,
    project: &str,
    (name, export): (&AssetName, &Export),
    environment: &str,
) -> Result<(&'static dyn Exporter, ExportTarget), RunError> {
    let connector = exporter(&export.connector)
        .ok_or_else(|| RunError::Project(format!("export `{name}`: there is no destination `{}`", export.connector)))?;
    let target = ExportTarget {
        name: name.to_string(),
        environment: environment.to_owned(),
        identity: format!("{project}/{environment}/{name}"),
        root: folder.to_owned(),
        options: export.options.clone(),
        mode: match export.mode {
            ExportMode::Replace => DeliveryMode::Replace,
            ExportMode::Append => DeliveryMode::Append,
            ExportMode::Upsert => DeliveryMode::Upsert,
        },
        key: export.key.iter().map(|column| export.name_there(column).to_owned()).collect(),
        gone: match export.deletes {
            GoneRows::Delete => Gone::Delete,
            GoneRows::Ignore => Gone::Ignore,
            GoneRows::Mark => Gone::Mark,
        },
        evolve: export.evolve,
        batch: export.batch,
    };
    Ok((connector, target))
}

/// The same with secrets resolved, and with what stands in the variables that are usual for the destination.
pub(crate) fn resolved_place(
    services: &Services,
    project: &str,
    export: (&AssetName, &Export),
    environment: &str,
) -> Result<(&'static dyn Exporter, ExportTarget), RunError> {
    let (connector, mut target) = place_of_export(&services.folder, project, export, environment)?;
    let variables = Arc::clone(&services.variables);
    target.options = resolve_secrets(&target.options, &services.folder, &move |name: &str| variables(name))?;
    for (option, variable) in connector.usual_variables(&target.options) {
        if let Some(value) = (services.variables)(variable) {
            target.options.entry(option).or_insert(Value::String(value));
        }
    }
    Ok((connector, target))
}

/// Hash of what decides which rows and columns are where; an address or a token does not.
pub(super) fn definition_of(connector: &dyn Exporter, export: &Export) -> String {
    let mut options = export.options.clone();
    options.retain(|name, _| !connector.incidental().contains(&name.as_str()));
    let decides = (
        (&export.from, &export.connector, &options, export.mode),
        (&export.key, &export.select, &export.rename, &export.filter, export.deletes),
    );
    let text = serde_json::to_vec(&decides).unwrap_or_default();
    Fingerprint::of([text]).as_str().to_owned()
}
