//! Each class of fault, alone and beside its own downstream effects, is ranked first.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::incident::{Cause, CauseClass};
use baton_core::time::timestamp_from_micros;
use baton_core::{AssetName, Kind, Timestamp};

use super::rank;
use crate::evidence::{
    AssetEvidence, ColumnShift, Evidence, FeatureShift, Happening, LabelEvidence, Performance, ThinDay,
};

fn name(text: &str) -> AssetName {
    AssetName::parse(text).unwrap()
}

fn day(number: i64) -> Timestamp {
    timestamp_from_micros(number * 86_400_000_000)
}

/// weather and departures -> congestion -> monitor; healthy, with seasonal shifts below two thresholds.
fn healthy() -> Evidence {
    let source = |owner: &str| AssetEvidence {
        kind: Some(Kind::Source),
        owner: Some(owner.to_owned()),
        newest_row_at: Some(day(99)),
        lag: Some(3_600),
        usual_lag: Some(3_600),
        rows_per_day: Some(900.0),
        usual_rows_per_day: Some(905.0),
        ..AssetEvidence::default()
    };
    let table = AssetEvidence { kind: Some(Kind::Table), ..AssetEvidence::default() };
    let sources = BTreeSet::from([name("weather"), name("departures")]);
    let mut all = sources.clone();
    all.insert(name("congestion"));
    Evidence {
        asset: Some(name("monitor")),
        onset: Some(day(100)),
        assets: BTreeMap::from([
            (name("weather"), source("weather@example.com")),
            (name("departures"), source("ops@example.com")),
            (name("congestion"), table),
        ]),
        upstream: BTreeMap::from([(name("congestion"), BTreeSet::from([name("departures")])), (name("monitor"), all)]),
        labels: Some(LabelEvidence { from: name("congestion"), expected: 1_000, found: 960, usual_share: 0.97 }),
        performance: Some(Performance { metric: "roc_auc".to_owned(), value: 0.61, reference: 0.75 }),
        ..Evidence::default()
    }
}

fn facts<'a>(evidence: &'a mut Evidence, asset: &str) -> &'a mut AssetEvidence {
    evidence.assets.get_mut(asset).unwrap()
}

fn happening(asset: &str, at: Timestamp, what: &str) -> Happening {
    Happening { asset: name(asset), at, author: Some("ada@example.com".to_owned()), what: what.to_owned() }
}

fn shift(column: &str, score: f64) -> ColumnShift {
    ColumnShift {
        column: column.to_owned(),
        score,
        nulls_before: 0.0,
        nulls_now: 0.0,
        mean_before: Some(1.0),
        mean_now: Some(9.0),
        feeds: Vec::new(),
    }
}

fn first(evidence: &Evidence) -> Cause {
    rank(evidence).remove(0)
}

#[test]
fn without_any_fault_the_model_is_what_changed() {
    assert_eq!(first(&healthy()).class, CauseClass::ModelDrift);
    let undecided = Evidence { performance: None, ..healthy() };
    assert_eq!(first(&undecided).class, CauseClass::Unknown);
}

#[test]
fn late_data_is_found_before_the_staleness_it_makes() {
    let mut evidence = healthy();
    facts(&mut evidence, "weather").lag = Some(4 * 86_400);
    facts(&mut evidence, "weather").newest_row_at = Some(day(96));
    evidence.features = vec![FeatureShift {
        feature: "weather.temp".to_owned(),
        from: name("weather"),
        column: "temp".to_owned(),
        score: 3.0,
        importance: 0.2,
        nulls_before: 0.01,
        nulls_now: 0.9,
    }];
    let cause = first(&evidence);
    assert_eq!((cause.class, cause.asset.as_str()), (CauseClass::LateData, "weather"));
    assert_eq!(cause.owner.as_deref(), Some("weather@example.com"));
    assert!(cause.summary.contains("4d"), "{}", cause.summary);
}

#[test]
fn a_volume_drop_at_the_source_explains_the_table_below() {
    let mut evidence = healthy();
    facts(&mut evidence, "departures").rows_per_day = Some(200.0);
    facts(&mut evidence, "congestion").rows_per_day = Some(15.0);
    facts(&mut evidence, "congestion").usual_rows_per_day = Some(60.0);
    let causes = rank(&evidence);
    assert_eq!((causes[0].class, causes[0].asset.as_str()), (CauseClass::VolumeDrop, "departures"));
    assert!(causes.iter().all(|cause| cause.asset.as_str() != "congestion"), "{causes:?}");
}

#[test]
fn a_definition_change_is_found_with_its_author_and_explains_the_shift_below() {
    let mut evidence = healthy();
    let change = happening("congestion", day(98), "changes dep_delay_1h");
    facts(&mut evidence, "congestion").code_changes = vec![change];
    facts(&mut evidence, "congestion").shifts = vec![shift("dep_delay_1h", 6.0)];
    let cause = first(&evidence);
    assert_eq!((cause.class, cause.owner.as_deref()), (CauseClass::BrokenTransform, Some("ada@example.com")));
}

#[test]
fn a_change_after_the_breach_is_no_cause() {
    let mut evidence = healthy();
    facts(&mut evidence, "congestion").code_changes = vec![happening("congestion", day(101), "changes x")];
    assert_eq!(first(&evidence).class, CauseClass::ModelDrift);
}

#[test]
fn schema_changes_shifts_labels_and_deployments_are_told_apart() {
    let mut schema = healthy();
    facts(&mut schema, "departures").schema_changes = vec![happening("departures", day(99), "dep_delay became text")];
    assert_eq!(first(&schema).class, CauseClass::SchemaChange);

    let mut moved = healthy();
    facts(&mut moved, "departures").shifts = vec![shift("dep_delay", 8.0)];
    facts(&mut moved, "congestion").shifts = vec![shift("dep_delay_1h", 7.0)];
    let cause = first(&moved);
    assert_eq!((cause.class, cause.asset.as_str()), (CauseClass::ColumnShift, "departures"));

    let mut labels = healthy();
    labels.labels = Some(LabelEvidence { from: name("congestion"), expected: 1_000, found: 100, usual_share: 0.97 });
    assert_eq!(first(&labels).class, CauseClass::MissingLabels);

    let mut deployed = healthy();
    deployed.deployments = vec![happening("delay", day(99), "serves arrival_delay@2 instead of @1")];
    assert_eq!(first(&deployed).class, CauseClass::EndpointChange);

    let mut stale = healthy();
    stale.features = vec![FeatureShift {
        feature: "congestion.dep_delay_1h".to_owned(),
        from: name("congestion"),
        column: "dep_delay_1h".to_owned(),
        score: 2.0,
        importance: 0.3,
        nulls_before: 0.02,
        nulls_now: 0.8,
    }];
    assert_eq!(first(&stale).class, CauseClass::StaleFeatures);
}

#[test]
fn seasonal_shifts_below_two_thresholds_are_not_called_a_cause() {
    let mut evidence = healthy();
    facts(&mut evidence, "weather").shifts = vec![shift("temp", 1.8)];
    assert_eq!(first(&evidence).class, CauseClass::ModelDrift);
}

/// arrivals -> outcomes (labels) -> carriers, and departures -> congestion; carriers and congestion feed the monitor.
fn without_labels(late: &str) -> Evidence {
    let mut evidence = healthy();
    let source = evidence.assets[&name("departures")].clone();
    evidence.assets.insert(name("arrivals"), source);
    let thin = AssetEvidence { rows_per_day: Some(0.0), usual_rows_per_day: Some(850.0), ..AssetEvidence::default() };
    evidence.assets.insert(name("outcomes"), AssetEvidence { kind: Some(Kind::Table), ..thin });
    facts(&mut evidence, late).lag = Some(6 * 86_400);
    facts(&mut evidence, late).newest_row_at = Some(day(94));
    let of = |names: &[&str]| -> BTreeSet<AssetName> { names.iter().map(|text| name(text)).collect() };
    evidence.upstream = BTreeMap::from([
        (name("outcomes"), of(&["arrivals", "departures"])),
        (name("carriers"), of(&["outcomes", "arrivals", "departures"])),
        (name("congestion"), of(&["departures"])),
        (name("monitor"), of(&["carriers", "outcomes", "arrivals", "departures", "congestion", "weather"])),
    ]);
    evidence.labels = Some(LabelEvidence { from: name("outcomes"), expected: 900, found: 90, usual_share: 0.97 });
    evidence
}

#[test]
fn labels_that_stop_are_traced_to_the_source_that_feeds_them_alone() {
    let causes = rank(&without_labels("arrivals"));
    assert_eq!((causes[0].class, causes[0].asset.as_str()), (CauseClass::MissingLabels, "arrivals"));
    assert_eq!(causes[0].since, Some(day(94)));
    assert!(causes.iter().all(|cause| cause.class != CauseClass::LateData), "the same fact twice: {causes:?}");
}

#[test]
fn a_late_source_of_labels_and_features_is_late_data() {
    let cause = first(&without_labels("departures"));
    assert_eq!((cause.class, cause.asset.as_str()), (CauseClass::LateData, "departures"));
}

#[test]
fn a_view_that_cannot_be_brought_online_is_stale_not_broken() {
    let mut evidence = healthy();
    let view = AssetEvidence { kind: Some(Kind::FeatureView), ..AssetEvidence::default() };
    evidence.assets.insert(name("congestion_now"), view);
    facts(&mut evidence, "congestion_now").failures = vec![happening("congestion_now", day(99), "disk full")];
    assert_eq!(first(&evidence).class, CauseClass::StaleFeatures);

    facts(&mut evidence, "congestion_now").failures = Vec::new();
    facts(&mut evidence, "congestion_now").online_until = Some(day(97));
    let cause = first(&evidence);
    assert_eq!((cause.class, cause.since), (CauseClass::StaleFeatures, Some(day(97))));
    assert!(cause.summary.contains("3d"), "{}", cause.summary);
}

#[test]
fn of_two_shifted_columns_the_one_that_feeds_the_model_comes_first() {
    let mut evidence = healthy();
    let feature = FeatureShift {
        feature: "now__delay".to_owned(),
        from: name("congestion"),
        column: "delay".to_owned(),
        score: 4.0,
        importance: 0.4,
        nulls_before: 0.0,
        nulls_now: 0.0,
    };
    evidence.features = vec![feature];
    facts(&mut evidence, "weather").shifts = vec![shift("humid", 9.0)];
    let fed = ColumnShift { feeds: vec!["now__delay".to_owned()], ..shift("dep_delay", 8.0) };
    facts(&mut evidence, "departures").shifts = vec![fed];
    let cause = first(&evidence);
    assert_eq!((cause.class, cause.asset.as_str()), (CauseClass::ColumnShift, "departures"));
}

#[test]
fn a_failed_check_that_nothing_explains_is_told_in_its_own_words() {
    let alert = "`wind_speed` between 0 and 120: 1 row outside, e.g. 1048.36".to_owned();
    let mut evidence = Evidence { performance: None, asset: Some(name("weather")), ..healthy() };
    evidence.alerts = vec![alert.clone()];
    let cause = first(&evidence);
    assert_eq!((cause.class, cause.evidence), (CauseClass::Unknown, vec![alert.clone()]));
    assert_eq!(cause.summary, format!("{alert}; nothing upstream explains it"));
    assert_eq!(cause.owner.as_deref(), Some("weather@example.com"));
}

#[test]
fn a_thin_day_is_the_cause_where_it_happened_and_a_hint_below() {
    let thin = ThinDay { day: "1970-04-10".to_owned(), at: day(99), rows: 600.0, expected: 1_000.0, low: 810.0 };
    let mut evidence = healthy();
    facts(&mut evidence, "departures").thin_days.push(thin);
    let below = first(&evidence);
    assert_eq!((below.class, below.score), (CauseClass::VolumeDrop, 0.2));

    let at_source = Evidence { asset: Some(name("departures")), performance: None, ..evidence };
    let cause = first(&at_source);
    assert_eq!((cause.class, cause.since), (CauseClass::VolumeDrop, Some(day(99))));
    assert_eq!(cause.summary, "departures has 600 rows on 1970-04-10 instead of 1000 (40 % are missing)");
    assert_eq!(cause.evidence, ["1970-04-10 600 rows, usually at least 810"]);
}
