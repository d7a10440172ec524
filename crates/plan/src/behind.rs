//! Assets that were made from other versions of their inputs than those that the same commit has.
//!
//! A promotion brings an asset beside inputs of the target; a run of a selection moves inputs and leaves their readers.
//! Both leave rows that the next run or apply computes again.

use std::collections::BTreeMap;

use baton_core::{AssetName, Kind, Pin, Version};
use serde::{Deserialize, Serialize};

/// An asset that was made from another version of an input than the one beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// The asset.
    pub asset: AssetName,
    /// Its input.
    pub input: AssetName,
    /// What it was made from.
    pub made_from: String,
    /// What stands beside it.
    pub beside: String,
}

/// All tables and feature views of a commit's `assets` that are behind, by name. Models are: their policy says when they
/// are trained.
pub fn all_behind(assets: &BTreeMap<AssetName, Pin>) -> Vec<Behind> {
    assets.iter().flat_map(|(name, pin)| behind(assets, name, pin)).collect()
}

/// The inputs of which `pin` was made from another version than `assets` has.
pub(crate) fn behind(assets: &BTreeMap<AssetName, Pin>, name: &AssetName, pin: &Pin) -> Vec<Behind> {
    if !matches!(pin.kind, Kind::Table | Kind::FeatureView) {
        return Vec::new();
    }
    let of_input = |(input, made_from): (&AssetName, &String)| {
        let beside = assets.get(input)?.version_text();
        let made_from = without_clock(made_from);
        (made_from != beside).then(|| Behind {
            asset: name.clone(),
            input: input.clone(),
            made_from: made_from.to_owned(),
            beside,
        })
    };
    pin.inputs.iter().filter_map(of_input).collect()
}

/// The version in the text of an input. What the clock left out of it is taken in with the clock.
fn without_clock(text: &str) -> &str {
    text.split(" as of ").next().unwrap_or(text)
}

/// Lets the pins of `merged` that hold the same as in `other` name the inputs that `other` has for them, where those are
/// the ones that `merged` has: a change that does not reach a reader was settled there.
pub fn settle_inputs(merged: &mut BTreeMap<AssetName, Pin>, other: &BTreeMap<AssetName, Pin>) {
    // A view that is settled shows its readers another version, so they are looked at again.
    while settle_once(merged, other) {}
}

/// Whether an input was settled; each is at most once.
fn settle_once(merged: &mut BTreeMap<AssetName, Pin>, other: &BTreeMap<AssetName, Pin>) -> bool {
    let now: BTreeMap<AssetName, String> =
        merged.iter().map(|(name, pin)| (name.clone(), pin.version_text())).collect();
    let mut has_settled = false;
    for (name, pin) in merged.iter_mut() {
        let Some(settled) = other.get(name).filter(|there| holds_the_same(there, pin)) else { continue };
        for (input, made_from) in &mut pin.inputs {
            let beside = now.get(input).map(String::as_str);
            if Some(without_clock(made_from)) != beside
                && let Some(text) = settled.inputs.get(input).filter(|text| Some(without_clock(text)) == beside)
            {
                made_from.clone_from(text);
                has_settled = true;
            }
        }
    }
    has_settled
}

fn holds_the_same(one: &Pin, other: &Pin) -> bool {
    let has_rows = matches!(one.version, Version::Table(_) | Version::View { .. });
    let is_defined_alike = one.fingerprint == other.fingerprint && one.columns == other.columns;
    has_rows && one.version == other.version && is_defined_alike
}

#[cfg(test)]
mod tests {
    use baton_core::{Fingerprint, IntervalSet, TableVersion};

    use super::*;

    fn name(text: &str) -> AssetName {
        AssetName::parse(text).unwrap()
    }

    fn table(folder: &str, version: u64, inputs: &[(&str, &str)]) -> Pin {
        Pin {
            kind: Kind::Table,
            fingerprint: Fingerprint::of([folder]),
            metadata: None,
            definition: None,
            columns: BTreeMap::new(),
            tagged: BTreeMap::new(),
            version: Version::Table(TableVersion { location: format!("tables/{folder}/ab"), version }),
            intervals: IntervalSet::default(),
            rows: None,
            digest: None,
            known_through: None,
            declared: None,
            inputs: inputs.iter().map(|(input, version)| (name(input), (*version).to_owned())).collect(),
        }
    }

    fn assets(days: u64, made_from: &str) -> BTreeMap<AssetName, Pin> {
        [(name("days"), table("days", days, &[])), (name("weeks"), table("weeks", 3, &[("days", made_from)]))].into()
    }

    #[test]
    fn a_reader_of_another_version_is_behind_whatever_the_clock_left_out() {
        assert!(all_behind(&assets(4, "tables/days/ab@4 as of 1380000000000000")).is_empty());
        let found = all_behind(&assets(4, "tables/days/ab@3"));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].made_from.as_str(), found[0].beside.as_str()), ("tables/days/ab@3", "tables/days/ab@4"));
        let mut with_model = assets(4, "tables/days/ab@3");
        with_model.get_mut(&name("weeks")).unwrap().kind = Kind::Model;
        assert!(all_behind(&with_model).is_empty(), "models are trained by their policy");
    }

    #[test]
    fn what_was_settled_on_the_other_side_is_settled_here() {
        let mut merged = assets(4, "tables/days/ab@3");
        settle_inputs(&mut merged, &assets(4, "tables/days/ab@4"));
        assert!(all_behind(&merged).is_empty());
        let mut moved_on = assets(5, "tables/days/ab@3");
        settle_inputs(&mut moved_on, &assets(4, "tables/days/ab@4"));
        assert_eq!(all_behind(&moved_on).len(), 1, "the other side has settled on another version");
        let mut rebuilt = assets(4, "tables/days/ab@3");
        let mut other = assets(4, "tables/days/ab@4");
        other.get_mut(&name("weeks")).unwrap().version =
            Version::Table(TableVersion { location: "tables/weeks/ab".to_owned(), version: 9 });
        settle_inputs(&mut rebuilt, &other);
        assert_eq!(all_behind(&rebuilt).len(), 1, "other rows of the reader prove nothing");
    }
}
