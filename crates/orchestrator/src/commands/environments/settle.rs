//! After a merge: what follows from other assets is made to fit. Endpoints follow the aliases of their models, feature
//! views the versions of their tables. Pure.

use std::collections::BTreeMap;

use baton_core::{AssetName, Pin, Version};

use super::merge::same_definition;
use crate::training::aliases_of;

/// Lets every endpoint serve what the merged aliases say. `origin` answers the pins of the side that an endpoint's pin is
/// from, `before` those of the target: a revision more where the target's endpoint serves something else now.
pub(super) fn settle_endpoints<'a>(
    merged: &mut BTreeMap<AssetName, Pin>,
    before: &BTreeMap<AssetName, Pin>,
    origin: impl Fn(&AssetName) -> &'a BTreeMap<AssetName, Pin>,
) {
    let aliases: BTreeMap<AssetName, BTreeMap<String, u32>> =
        merged.iter().map(|(name, pin)| (name.clone(), aliases_of(Some(pin)))).collect();
    for (name, pin) in merged.iter_mut() {
        let Version::Endpoint { revision, serves } = &mut pin.version else { continue };
        let there = origin(name);
        for reference in serves.values_mut() {
            if let Some(followed) = follow(reference, there, &aliases) {
                *reference = followed;
            }
        }
        *revision = match before.get(name).map(|pin| &pin.version) {
            Some(Version::Endpoint { revision, serves: same }) if same == serves => *revision,
            Some(Version::Endpoint { revision, .. }) => revision + 1,
            _ => 1,
        };
    }
}

/// `model@5` for `model@3` when the alias that stood for 3 stands for 5 now.
fn follow(
    reference: &str,
    there: &BTreeMap<AssetName, Pin>,
    aliases: &BTreeMap<AssetName, BTreeMap<String, u32>>,
) -> Option<String> {
    let (model, number) = reference.split_once('@')?;
    let number: u32 = number.parse().ok()?;
    let was = aliases_of(there.get(model));
    let (alias, _) = was.into_iter().find(|(_, version)| *version == number)?;
    let now = aliases.get(model)?.get(&alias)?;
    Some(format!("{model}@{now}"))
}

/// Brings every feature view to the merged version of its table. Answers those whose online values have to be filled
/// anew: all but those that the target holds already.
pub(super) fn settle_views(
    merged: &mut BTreeMap<AssetName, Pin>,
    before: &BTreeMap<AssetName, Pin>,
    moved: &BTreeMap<AssetName, bool>,
) -> Vec<AssetName> {
    let tables: BTreeMap<AssetName, Version> =
        merged.iter().map(|(name, pin)| (name.clone(), pin.version.clone())).collect();
    let mut anew = Vec::new();
    for (name, pin) in merged.iter_mut() {
        let from = pin.inputs.keys().next().filter(|from| tables.contains_key(*from)).cloned();
        let (Version::FeatureView { online, .. }, Some(from)) = (&pin.version, from) else { continue };
        let online = online.clone();
        let version = tables.get(&from).and_then(Version::table).cloned();
        let upstream_stays = version.is_some() || !moved.values().any(|moved| *moved);
        let stays = |there: &&Pin| {
            let same_table = there.version.table() == version.as_ref();
            is_online(there) == online.is_some() && same_table && upstream_stays && same_definition(there, pin)
        };
        if let Some(there) = before.get(name).filter(stays) {
            *pin = there.clone();
            continue;
        }
        if online.is_some() {
            anew.push(name.clone());
        }
        if let Some(version) = version.as_ref().filter(|version| pin.version.table() != Some(*version)) {
            pin.inputs.insert(from, version.to_string());
        }
        pin.version = Version::FeatureView { table: version, online };
    }
    anew
}

fn is_online(pin: &Pin) -> bool {
    matches!(&pin.version, Version::FeatureView { online: Some(_), .. })
}
