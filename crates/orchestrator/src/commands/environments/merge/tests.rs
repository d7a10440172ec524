//! Every combination of what two sides can do to an asset.

use baton_core::{CommitId, Fingerprint, IntervalSet, TableVersion};

use super::*;

fn pin(kind: Kind, definition: &str, version: Version) -> Pin {
    Pin {
        kind,
        fingerprint: Fingerprint::of([definition]),
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

fn table(definition: &str, version: u64) -> Option<Pin> {
    let version = TableVersion { location: format!("tables/t/{definition}"), version };
    Some(pin(Kind::Table, definition, Version::Table(version)))
}

fn model(champion: u32) -> Option<Pin> {
    let aliases = BTreeMap::from([("champion".to_owned(), champion)]);
    Some(pin(Kind::Model, "model", Version::Model { aliases }))
}

fn decide(base: &Option<Pin>, source: &Option<Pin>, target: &Option<Pin>, traits: &TableTraits) -> Verdict {
    verdict((base.as_ref(), source.as_ref(), target.as_ref()), traits, false)
}

fn stateful(keys: &[&str]) -> TableTraits {
    TableTraits { is_stateful: true, keys: keys.iter().map(|key| (*key).to_owned()).collect() }
}

#[test]
fn one_side_that_changed_wins() {
    let plain = TableTraits::default();
    let (old, new) = (table("a", 0), table("b", 0));
    assert_eq!(decide(&old, &new, &old, &plain), Verdict::Take);
    assert_eq!(decide(&old, &old, &new, &plain), Verdict::Keep);
    assert_eq!(decide(&old, &new, &new, &plain), Verdict::Keep);
    assert_eq!(decide(&None, &new, &None, &plain), Verdict::Take);
    assert_eq!(decide(&old, &None, &old, &plain), Verdict::Remove);
    assert_eq!(decide(&old, &old, &None, &plain), Verdict::Keep);
    assert_eq!(decide(&old, &table("a", 1), &old, &plain), Verdict::Take, "a restatement is promoted");
}

#[test]
fn two_definitions_conflict() {
    let plain = TableTraits::default();
    let verdict = decide(&table("a", 0), &table("b", 0), &table("c", 0), &plain);
    assert!(matches!(verdict, Verdict::Conflict(_)), "{verdict:?}");
    for (source, target) in [(None, table("b", 0)), (table("b", 0), None)] {
        let verdict = decide(&table("a", 0), &source, &target, &plain);
        assert!(matches!(verdict, Verdict::Conflict(_)), "{verdict:?}");
    }
    let verdict = decide(&None, &table("b", 0), &table("c", 0), &plain);
    assert!(matches!(verdict, Verdict::Conflict(_)), "{verdict:?}");
}

#[test]
fn data_that_runs_moved_is_no_conflict() {
    let plain = TableTraits::default();
    assert_eq!(decide(&table("a", 0), &table("b", 0), &table("a", 7), &plain), Verdict::Take);
    assert_eq!(decide(&table("a", 0), &table("a", 3), &table("b", 0), &plain), Verdict::Keep);
    assert_eq!(decide(&table("a", 0), &table("a", 3), &table("a", 7), &plain), Verdict::Keep);
    assert_eq!(decide(&table("a", 0), &None, &table("a", 7), &plain), Verdict::Remove);
}

#[test]
fn rows_that_cannot_be_computed_again_are_merged_or_conflict() {
    let (base, source, target) = (table("a", 0), table("a", 3), table("a", 7));
    assert_eq!(decide(&base, &source, &target, &stateful(&["id"])), Verdict::Rows);
    let verdict = decide(&base, &source, &target, &stateful(&[]));
    assert!(matches!(verdict, Verdict::Conflict(_)), "{verdict:?}");
    let verdict = decide(&base, &table("b", 0), &target, &stateful(&["id"]));
    assert!(matches!(verdict, Verdict::Conflict(_)), "rows of the target would be lost: {verdict:?}");
    let keyed = TableTraits { is_stateful: false, keys: vec!["id".to_owned()] };
    let asked = super::verdict((base.as_ref(), source.as_ref(), target.as_ref()), &keyed, true);
    assert_eq!(asked, Verdict::Rows);
}

#[test]
fn two_champions_conflict() {
    let plain = TableTraits::default();
    assert_eq!(decide(&model(1), &model(2), &model(1), &plain), Verdict::Take);
    assert_eq!(decide(&model(1), &model(2), &model(2), &plain), Verdict::Keep);
    let verdict = decide(&model(1), &model(2), &model(3), &plain);
    assert!(matches!(verdict, Verdict::Conflict(_)), "{verdict:?}");
}

#[test]
fn predictions_stay_where_they_were_made() {
    let commit = |tables: &[(&str, u64)]| Commit {
        id: CommitId(String::new()),
        parent: None,
        merged: None,
        environment: String::new(),
        created_at: baton_core::time::timestamp_from_micros(0),
        as_of: baton_core::time::timestamp_from_micros(0),
        author: String::new(),
        reason: String::new(),
        git_revision: None,
        assets: tables
            .iter()
            .map(|(name, version)| {
                let serves = BTreeMap::new();
                let pin = match *name {
                    "delay" => pin(Kind::Endpoint, "e", Version::Endpoint { revision: 1, serves }),
                    _ => table("a", *version).unwrap(),
                };
                (AssetName::parse(name).unwrap(), pin)
            })
            .collect(),
    };
    let source = commit(&[("delay", 0), ("delay_predictions", 9), ("days", 1)]);
    let target = commit(&[("delay", 0), ("delay_predictions", 2), ("days", 0)]);
    let sides = Sides { base: Some(&target), source: &source, target: Some(&target) };
    let names: Vec<&str> = sides.names().into_iter().map(|name| name.as_str()).collect();
    assert_eq!(names, ["days", "delay"]);
}
