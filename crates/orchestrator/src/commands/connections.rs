//! Whether the origins of sources that are asked for rows can be reached, and have what a pull needs.

use baton_core::{AssetName, Definition};
use baton_project::Project;

use crate::services::Services;
use crate::steps::check_connection;

/// Tries every source that is asked for rows, one after the other: what answered, or what is wrong and what to do.
pub async fn connections(services: &Services, project: &Project) -> Vec<(AssetName, Result<String, String>)> {
    let mut tried = Vec::new();
    for (name, asset) in &project.assets {
        let Definition::Source(source) = &asset.definition else { continue };
        let Some(pull) = &source.pull else { continue };
        let answer = check_connection(services, name, source, pull).await;
        tried.push((name.clone(), answer.map_err(|error| error.to_string())));
    }
    tried
}
