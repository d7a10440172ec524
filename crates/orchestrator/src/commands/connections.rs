//! Whether the origins of sources can be reached, and have what is needed.

use baton_core::{AssetName, Definition};
use baton_project::Project;

use crate::error::RunError;
use crate::services::Services;
use crate::steps::{check_connection, place_of};

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
