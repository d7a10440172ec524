//! What holds for every project.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::{AssetName, Interval, IntervalSet, Kind, Pin};
use proptest::prelude::*;

use super::scene::{Scene, commit, day, name, pin_of, print};
use crate::{About, Change, Desired, DesiredAsset, Plan, Stage, run_stages, stages};

/// An asset in numbers: kind, which earlier assets it reads (a bit each), definition, columns, whether incremental.
type Numbers = (usize, u8, u8, Vec<(u8, u8)>, bool);

fn any_numbers() -> impl Strategy<Value = Vec<Numbers>> {
    let columns = prop::collection::vec((0u8..4, 0u8..3), 0..4);
    prop::collection::vec((0..Kind::ALL.len(), any::<u8>(), 0u8..3, columns, any::<bool>()), 0..9)
}

/// Assets named so that their order by name is not their order by reading.
fn project(numbers: &[Numbers]) -> Desired {
    let names: Vec<AssetName> = (0..numbers.len()).map(|place| name(&format!("a{}_{place}", 9 - place))).collect();
    let asset = |place: usize, (kind, reads, rows, columns, incremental): &Numbers| DesiredAsset {
        kind: Kind::ALL[*kind],
        rows: print(&rows.to_string()),
        columns: columns.iter().map(|(column, word)| (format!("c{column}"), print(&word.to_string()))).collect(),
        metadata: print(&(rows % 2).to_string()),
        inputs: (0..place).filter(|input| reads >> input & 1 == 1).map(|input| names[input].clone()).collect(),
        about: About::default(),
        batch: (*incremental && Kind::ALL[*kind] == Kind::Table).then_some(86_400),
    };
    let assets = numbers.iter().enumerate().map(|(place, found)| (names[place].clone(), asset(place, found)));
    Desired { assets: assets.collect(), order: names }
}

/// What an apply of `desired` records.
fn applied(desired: &Desired) -> BTreeMap<AssetName, Pin> {
    let filled = IntervalSet::of(Interval::between(day("2013-01-01"), day("2013-07-01")));
    let pin = |found: &DesiredAsset| Pin {
        intervals: found.batch.map(|_| filled.clone()).unwrap_or_default(),
        ..pin_of(found)
    };
    desired.assets.iter().map(|(name, found)| (name.clone(), pin(found))).collect()
}

fn plan(desired: &Desired, pins: BTreeMap<AssetName, Pin>) -> Plan {
    Scene { desired: desired.clone(), recorded: Some(commit(pins)), ..Scene::default() }.plan()
}

proptest! {
    #[test]
    fn plan_after_apply_is_empty(numbers in any_numbers()) {
        let desired = project(&numbers);
        let plan = plan(&desired, applied(&desired));
        prop_assert!(plan.is_empty(), "{:?}", plan.counts());
        prop_assert_eq!(stages(&plan), Vec::new());
        prop_assert_eq!(plan.assets.len(), desired.assets.len());
    }

    #[test]
    fn inputs_come_before_readers_and_nothing_comes_twice(now in any_numbers(), then in any_numbers()) {
        let desired = project(&now);
        let work = stages(&plan(&desired, applied(&project(&then))));
        let mut seen: BTreeSet<&AssetName> = BTreeSet::new();
        for asset in work.iter().filter_map(Stage::asset) {
            prop_assert!(seen.insert(asset), "{} comes twice", asset);
            let readers = desired.assets.iter().filter(|(_, found)| found.inputs.contains(asset));
            for (reader, _) in readers {
                prop_assert!(!seen.contains(reader), "{} comes before its input {}", reader, asset);
            }
        }
        prop_assert_eq!(work.iter().position(|stage| *stage == Stage::Publish), work.len().checked_sub(1));
    }

    #[test]
    fn a_change_reaches_only_what_is_made_of_it(now in any_numbers(), then in any_numbers()) {
        let desired = project(&now);
        let pins = applied(&project(&then));
        let plan = plan(&desired, pins.clone());
        for planned in plan.assets.iter().filter(|planned| planned.change == Change::Data) {
            let inputs = &desired.assets[&planned.name].inputs;
            let moves = inputs.iter().filter_map(|input| plan.asset(input)).any(|input| {
                !matches!(input.change, Change::Unchanged | Change::MetadataOnly)
            });
            prop_assert!(moves, "{} takes in data that did not move", planned.name);
        }
        for planned in &plan.assets {
            let (asked, there) = (desired.assets.get(&planned.name), pins.get(&planned.name));
            prop_assert_eq!(planned.change == Change::New, there.is_none());
            prop_assert_eq!(planned.change == Change::Removed, asked.is_none());
        }
    }

    #[test]
    fn only_models_that_learn_otherwise_are_trained(now in any_numbers(), then in any_numbers()) {
        let desired = project(&now);
        let pins = applied(&project(&then));
        for stage in stages(&plan(&desired, pins.clone())) {
            if let Stage::Train { asset, reason } = stage {
                let (asked, there) = (&desired.assets[&asset], pins.get(&asset));
                let same = there.is_some_and(|pin| {
                    pin.kind == asked.kind && pin.fingerprint == asked.rows && pin.columns == asked.columns
                });
                prop_assert!(!same, "{} is trained for nothing", asset);
                prop_assert!(!reason.is_empty());
            }
        }
    }
}

#[test]
fn a_scheduled_run_takes_data_in_then_scores_then_watches() {
    let relay = [("ask", Kind::Endpoint), ("delay", Kind::Model), ("flights", Kind::Table), ("health", Kind::Monitor)];
    let relay = relay.map(|(asset, kind)| (name(asset), kind));
    let verbs: Vec<String> = run_stages(&relay).iter().map(|stage| stage.verb().to_owned()).collect();
    assert_eq!(verbs, ["build", "score", "watch", "publish"]);
}
