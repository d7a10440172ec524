//! Whether the origins of sources can be reached and have what is needed, and when they were asked last.

use baton_core::{AssetName, Definition};
use baton_project::Project;

use crate::error::RunError;
use crate::services::Services;
use crate::steps::{SourceLanding, check_connection, newest_landings, place_of};

/// Tries every source whose rows do not lie on this machine, one after the other: what answered, or what is wrong and
/// what to do.
pub async fn connections(services: &Services, project: &Project) -> Vec<(AssetName, Result<String, String>)> {
    let mut tried = Vec::new();
    for (name, asset) in &project.assets {
        let Definition::Source(source) = &asset.definition else { continue };
        let answer = match &source.pull {
            Some(pull) => check_connection(services, name, source, pull).await.map(Some),
            None => place_of(services, source)
                .and_then(|(connector, place)| connector.check(&place).map_err(RunError::from)),
        };
        if let Some(answer) = answer.map_err(|error| error.to_string()).transpose() {
            tried.push((name.clone(), answer));
        }
    }
    tried
}

/// The newest landing of every source that is asked for rows; those without one are left out.
///
/// # Errors
/// Those of the ledger.
pub async fn landings(services: &Services, project: &Project) -> Result<Vec<SourceLanding>, RunError> {
    let is_asked =
        |asset: &&baton_core::Asset| matches!(&asset.definition, Definition::Source(source) if source.pull.is_some());
    newest_landings(services, project.assets.values().filter(is_asked).map(|asset| &asset.name)).await
}
