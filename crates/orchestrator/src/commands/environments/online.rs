//! Online values of a commit in a place of their own.
//!
//! Online stores only move forward, and an environment goes on writing into its place. A commit that takes over values of
//! another environment or of another time therefore gets them filled into a fresh place, which it then points at.

use baton_core::asset::FeatureView;
use baton_core::{AssetName, Commit, Definition, Fingerprint, Pin, Version};

use crate::definitions::recorded_definition;
use crate::error::RunError;
use crate::features::rebuild_online;
use crate::prepare::Prepared;
use crate::services::Services;

/// Fills the online views of `commit` that `is_wanted` into namespaces of its environment that end in `suffix`, and lets
/// it point there. The commit's versions and clock decide the values.
pub(super) async fn own_online(
    services: &Services,
    prepared: Option<&Prepared>,
    commit: &mut Commit,
    suffix: &str,
    is_wanted: impl Fn(&AssetName, &Pin) -> bool,
) -> Result<(), RunError> {
    let online = |pin: &Pin| matches!(&pin.version, Version::FeatureView { online: Some(_), .. });
    let wanted = commit.assets.iter().filter(|(name, pin)| online(pin) && is_wanted(name, pin));
    let names: Vec<AssetName> = wanted.map(|(name, _)| name.clone()).collect();
    for name in names {
        let Some(view) = view_of(services, prepared, commit, &name).await? else { continue };
        let Some(pin) = commit.assets.get(&name) else { continue };
        let namespace = format!("{}/{name}/{}/{suffix}", commit.environment, content_of(pin).short());
        rebuild_online(services, &name, &view, commit, &namespace).await?;
        if let Some(pin) = commit.assets.get_mut(&name)
            && let Version::FeatureView { online, .. } = &mut pin.version
        {
            *online = Some(namespace);
            pin.known_through = Some(commit.as_of.timestamp_micros());
        }
    }
    Ok(())
}

/// The view as it was declared when the pin was made; for pins older than recorded definitions, as the project has it.
async fn view_of(
    services: &Services,
    prepared: Option<&Prepared>,
    commit: &Commit,
    name: &AssetName,
) -> Result<Option<FeatureView>, RunError> {
    let key = commit.assets.get(name).and_then(|pin| pin.definition.as_ref());
    let recorded = match key {
        Some(key) => recorded_definition(services, key).await?,
        None => None,
    };
    let declared = || prepared.and_then(|prepared| prepared.project.assets.get(name)).cloned();
    Ok(match recorded.or_else(declared).map(|asset| asset.definition) {
        Some(Definition::FeatureView(view)) => Some(view),
        _ => None,
    })
}

/// Rows and columns in one, as [`baton_plan::DesiredAsset::content`].
fn content_of(pin: &Pin) -> Fingerprint {
    let columns = pin.columns.iter().flat_map(|(name, fingerprint)| [name.as_str(), fingerprint.as_str()]);
    Fingerprint::of([pin.fingerprint.as_str()].into_iter().chain(columns))
}
