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

#[cfg(test)]
mod tests {
    use baton_core::{Fingerprint, IntervalSet, Kind, TableVersion};

    use super::*;

    fn pin(kind: Kind, version: Version) -> Pin {
        Pin {
            kind,
            fingerprint: Fingerprint::of(["definition"]),
            metadata: None,
            definition: None,
            columns: BTreeMap::new(),
            tagged: BTreeMap::new(),
            version,
            intervals: IntervalSet::default(),
            rows: None,
            digest: None,
            known_through: None,
            declared: None,
            inputs: BTreeMap::new(),
        }
    }

    fn name(text: &str) -> AssetName {
        AssetName::parse(text).unwrap()
    }

    fn assets(champion: u32, revision: u64, serves: &str) -> BTreeMap<AssetName, Pin> {
        let aliases = BTreeMap::from([("champion".to_owned(), champion)]);
        let serves = BTreeMap::from([("main".to_owned(), serves.to_owned())]);
        [
            (name("delay"), pin(Kind::Endpoint, Version::Endpoint { revision, serves })),
            (name("model"), pin(Kind::Model, Version::Model { aliases })),
        ]
        .into()
    }

    fn table(number: u64) -> TableVersion {
        TableVersion { location: "tables/days/ab".to_owned(), version: number }
    }

    fn with_view(number: u64, shown: u64, namespace: &str) -> BTreeMap<AssetName, Pin> {
        let online = Some(namespace.to_owned());
        let mut view = pin(Kind::FeatureView, Version::FeatureView { table: Some(table(shown)), online });
        view.inputs.insert(name("days"), table(shown).to_string());
        [(name("days"), pin(Kind::Table, Version::Table(table(number)))), (name("view"), view)].into()
    }

    #[test]
    fn an_endpoint_follows_the_alias_with_the_next_revision_of_the_target() {
        let (source, before) = (assets(5, 9, "model@5"), assets(3, 2, "model@3"));
        let mut merged = before.clone();
        merged.insert(name("model"), source[&name("model")].clone());
        settle_endpoints(&mut merged, &before, |_| &before);
        let Version::Endpoint { revision, serves } = &merged[&name("delay")].version else { panic!("an endpoint") };
        assert_eq!((*revision, serves["main"].as_str()), (3, "model@5"));
        let mut same = before.clone();
        same.insert(name("delay"), assets(3, 9, "model@3")[&name("delay")].clone());
        settle_endpoints(&mut same, &before, |_| &before);
        assert_eq!(same, before, "what serves the same stays the target's revision");
    }

    #[test]
    fn a_view_comes_to_the_merged_table_in_a_place_of_its_own() {
        let before = with_view(1, 1, "prod/view/a");
        let mut merged = with_view(4, 3, "dev/view/a");
        let anew = settle_views(&mut merged, &before, &BTreeMap::new());
        assert_eq!(anew, [name("view")]);
        let view = &merged[&name("view")];
        assert_eq!(view.version.table(), Some(&table(4)));
        assert_eq!(view.inputs[&name("days")], table(4).to_string());
        let mut same = with_view(1, 1, "dev/view/a");
        assert!(settle_views(&mut same, &before, &BTreeMap::new()).is_empty());
        assert_eq!(same, before, "the target's own online values hold the same");
    }
}
