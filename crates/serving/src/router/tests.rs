//! Routing over fakes: a model that adds its features up, and the online store in memory.

use std::sync::atomic::{AtomicUsize, Ordering};

use baton_core::ports::{MemoryOnlineStore, OnlineRow, OnlineSnapshot, OnlineStore as _};
use baton_core::scalar::{Scalar, entity_key};
use baton_core::time::timestamp_from_micros;
use baton_ml::data::Task;
use baton_ml::{FeatureEncoder, Predictor};

use super::*;
use crate::prediction_id::PredictionIds;

const SECOND: i64 = 1_000_000;

/// Answers `scale` times the sum of the features, missing ones as 0; counts its rows.
pub(crate) struct Sum {
    n_features: usize,
    scale: f64,
    rows: AtomicUsize,
}

impl Predictor for Sum {
    fn predict(&self, rows: &[f32], n_rows: usize) -> baton_ml::Result<Vec<f64>> {
        self.rows.fetch_add(n_rows, Ordering::SeqCst);
        let known =
            |row: &[f32]| row.iter().filter(|value| !value.is_nan()).map(|value| f64::from(*value)).sum::<f64>();
        Ok(rows.chunks(self.n_features).map(|row| self.scale * known(row)).collect())
    }

    fn n_features(&self) -> usize {
        self.n_features
    }
}

pub(crate) fn model(version: u32, scale: f64, features: &[&str]) -> LoadedModel {
    let names: Vec<String> = features.iter().map(|&name| name.to_owned()).collect();
    LoadedModel {
        model: "arrival_delay".into(),
        version,
        task: Task::Regression,
        predictor: Arc::new(Sum { n_features: names.len(), scale, rows: AtomicUsize::new(0) }),
        encoder: Arc::new(FeatureEncoder::numeric(&names)),
    }
}

pub(crate) fn plan() -> Vec<PlannedFeature> {
    let of_view = |index| {
        FeatureOrigin::View(ViewFeature {
            view: "carrier_delays".to_owned(),
            namespace: "carrier_delays/1".to_owned(),
            entity: vec!["carrier".to_owned()],
            index,
            ttl: 60,
        })
    };
    vec![
        PlannedFeature { name: "distance".into(), origin: FeatureOrigin::Request },
        PlannedFeature { name: "mean_delay".into(), origin: of_view(1) },
        PlannedFeature { name: "flights".into(), origin: of_view(0) },
    ]
}

fn features(values: Vec<Scalar>) -> Arc<dyn OnlineSnapshot> {
    let store = MemoryOnlineStore::new();
    let key = entity_key(&[Scalar::Text("UA".to_owned())]);
    store
        .upsert("carrier_delays/1", &[OnlineRow { key, event_at: 100 * SECOND, created_at: 110 * SECOND, values }])
        .unwrap();
    store.snapshot().unwrap()
}

/// `deployment`, by commit `c-1`, over the values of one carrier.
fn served(deployment: Deployment) -> Served {
    Served::new(Some("c-1"), features(vec![Scalar::Int(200), Scalar::Float(7.5)])).with_deployment(deployment)
}

pub(crate) fn router_of(deployment: Deployment) -> EndpointRouter {
    EndpointRouter::new(served(deployment))
}

pub(crate) fn router() -> EndpointRouter {
    let main = model(3, 1.0, &["flights", "mean_delay", "distance"]);
    router_of(Deployment::new("delay", 5, main, plan()).unwrap())
}

fn predict(router: &EndpointRouter, request: PredictRequest) -> Result<PredictResponse, ServingError> {
    router.find("delay")?.predict(None, request)
}

fn row(json: &str) -> RequestRow {
    serde_json::from_str(json).unwrap()
}

fn request(at_seconds: i64, rows: &[&str]) -> PredictRequest {
    PredictRequest {
        rows: rows.iter().map(|text| row(text)).collect(),
        request_id: Some("request 1".to_owned()),
        at: timestamp_from_micros(at_seconds * SECOND),
        ids: PredictionIds::Fresh,
    }
}

fn score(at_seconds: i64, json: &str) -> Result<f64, String> {
    let answer = predict(&router(), request(at_seconds, &[json]));
    answer.map(|answer| answer.predictions[0].score).map_err(|error| error.to_string())
}

#[test]
fn features_are_looked_up_by_entity_key() {
    let answer = predict(&router(), request(120, &[r#"{"carrier": "UA", "distance": 1000}"#])).unwrap();
    let row = &answer.predictions[0];
    assert_eq!((answer.revision, row.variant, row.version, row.score), (5, Variant::Main, 3, 1207.5));
    let features: Vec<_> = row.features.iter().map(|(name, value, status)| (&**name, value.clone(), *status)).collect();
    assert_eq!(
        features,
        [
            ("distance", Scalar::Int(1000), FeatureStatus::Present),
            ("mean_delay", Scalar::Float(7.5), FeatureStatus::Present),
            ("flights", Scalar::Int(200), FeatureStatus::Present),
        ]
    );
    assert_eq!(row.views[0].event_at, Some(100 * SECOND));
    assert_eq!(row.keys, self::row(r#"{"carrier": "UA"}"#));
}

#[test]
fn version_asked_for_answers_or_is_refused() {
    let main = model(3, 1.0, &["distance"]);
    let deployment = Deployment::new("delay", 6, main, plan()).unwrap();
    let router = router_of(deployment.with_canary(0.0, model(4, 2.0, &["distance"])).unwrap());
    let asked = |version| {
        let request = request(120, &[r#"{"carrier": "UA", "distance": 1000}"#]);
        let answer =
            router.find("delay").unwrap().predict(Some(version), request).map_err(|error| error.to_string())?;
        let row = &answer.predictions[0];
        Ok::<_, String>((row.variant, row.version, row.score))
    };
    assert_eq!(asked(3), Ok((Variant::Main, 3, 1000.0)));
    assert_eq!(asked(4), Ok((Variant::Canary, 4, 2000.0)));
    assert_eq!(asked(2).unwrap_err(), "endpoint `delay` does not serve version 2; it serves 3, 4");
}

#[test]
fn request_overrides_what_is_stored() {
    assert_eq!(score(120, r#"{"carrier": "UA", "distance": 1000, "mean_delay": 0.5}"#), Ok(1200.5));
    assert_eq!(score(120, r#"{"carrier": "UA", "distance": 1000, "mean_delay": null}"#), Ok(1200.0));
    assert_eq!(score(120, r#"{"distance": 1, "mean_delay": 2, "flights": 4}"#), Ok(7.0));
}

#[test]
fn age_is_judged_at_the_request_instant_with_both_ends_included() {
    let status = |at| {
        let answer = predict(&router(), request(at, &[r#"{"carrier": "UA", "distance": 0}"#])).unwrap();
        let row = &answer.predictions[0];
        (row.score, row.features[1].2, row.views[0].event_at)
    };
    assert_eq!(status(160), (207.5, FeatureStatus::Present, Some(100 * SECOND)));
    assert_eq!(status(161), (0.0, FeatureStatus::OutsideMaxAge, Some(100 * SECOND)));
    // The row's event was at 100 s but it became known at 110 s.
    assert_eq!(status(110), (207.5, FeatureStatus::Present, Some(100 * SECOND)));
    assert_eq!(status(109), (0.0, FeatureStatus::NotFound, None));
}

#[test]
fn unknown_entity_and_stored_null_are_told_apart() {
    let statuses = |features, json: &str| {
        let deployment = Deployment::new("delay", 1, model(1, 1.0, &["mean_delay"]), plan()).unwrap();
        let router = EndpointRouter::new(Served::new(None, features).with_deployment(deployment));
        let answer = predict(&router, request(120, &[json])).unwrap();
        answer.predictions[0].features.iter().map(|feature| feature.2).collect::<Vec<_>>()
    };
    let known = vec![Scalar::Int(1), Scalar::Null];
    assert_eq!(
        statuses(features(known.clone()), r#"{"carrier": "UA", "distance": null}"#),
        [FeatureStatus::NullValue, FeatureStatus::NullValue, FeatureStatus::Present]
    );
    assert_eq!(
        statuses(features(known), r#"{"carrier": "XX", "distance": 1}"#),
        [FeatureStatus::Present, FeatureStatus::NotFound, FeatureStatus::NotFound]
    );
}

#[test]
fn faults_of_a_request_are_named() {
    let cases = [
        (r#"{"carrier": "UA"}"#, "row 0 gives no `distance`; send it with the row, or send null if it is not known"),
        (r#"{"distance": 1}"#, "row 0 gives no `mean_delay`; send it with the row, or send carrier to look it up"),
        (
            r#"{"carrier": "UA", "distance": "far"}"#,
            "model `arrival_delay@3` cannot predict row 0: feature `distance` takes a number, but got the text `far`",
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(score(120, json), Err(expected.to_owned()), "{json}");
    }
    let Err(unknown) = router().find("delays") else { panic!("it was found") };
    assert_eq!(unknown.to_string(), "there is no endpoint `delays`; served are delay");
    let ids = PredictionIds::Given(vec!["a".to_owned()]);
    let miscounted = predict(&router(), PredictRequest { ids, ..request(120, &[]) }).unwrap_err();
    assert_eq!(miscounted.to_string(), "the request has 0 rows but 1 prediction ids; give one for each row");
}

#[test]
fn deployment_must_plan_every_feature() {
    let error = Deployment::new("delay", 1, model(2, 1.0, &["distance", "hour"]), plan()).err().unwrap();
    assert_eq!(
        error.to_string(),
        "endpoint `delay` does not say where feature `hour` of model `arrival_delay@2` comes from"
    );
}

#[test]
fn canary_takes_its_share_and_the_same_keys_again() {
    let main = model(3, 1.0, &["distance"]);
    let deployment = Deployment::new("delay", 6, main, plan()).unwrap();
    let router = router_of(deployment.with_canary(0.1, model(4, -1.0, &["distance", "flights"])).unwrap());
    let rows: Vec<String> = (0..2000)
        .map(|flight| format!(r#"{{"flight_id": {flight}, "carrier": "UA", "distance": {flight}}}"#))
        .collect();
    let texts: Vec<&str> = rows.iter().map(String::as_str).collect();
    let first = predict(&router, request(120, &texts)).unwrap().predictions;
    let again = predict(&router, request(121, &texts)).unwrap().predictions;
    let variants = |answer: &[RowPrediction]| answer.iter().map(|row| row.variant).collect::<Vec<_>>();
    assert_eq!(variants(&first), variants(&again));
    let canary: Vec<usize> = (0..2000).filter(|row| first[*row].variant == Variant::Canary).collect();
    assert!(canary.len().abs_diff(200) < 45, "{}", canary.len());
    for (number, row) in first.iter().enumerate() {
        let expected = if canary.contains(&number) { (4, -(number as f64 + 200.0)) } else { (3, number as f64) };
        assert_eq!((row.version, row.score), expected, "row {number}");
    }
}

#[test]
fn shadow_scores_but_does_not_answer() {
    let deployment = Deployment::new("delay", 6, model(3, 1.0, &["distance"]), plan()).unwrap();
    let router = router_of(deployment.with_shadow(model(9, 100.0, &["distance"])).unwrap());
    let answer = predict(&router, request(120, &[r#"{"carrier": "UA", "distance": 2}"#])).unwrap();
    assert_eq!((answer.predictions[0].version, answer.predictions[0].score), (3, 2.0));
    let shadow = router.find("delay").unwrap().shadow_scores(&answer);
    assert_eq!(shadow, [("arrival_delay".into(), 9, vec![200.0])]);
}

#[test]
fn model_and_features_are_switched_as_a_whole() {
    // Of commit n the model multiplies by n, and the feature is n.
    let of_commit = |number: u32| {
        let main = model(number, f64::from(number), &["flights"]);
        let values = features(vec![Scalar::Int(i64::from(number)), Scalar::Null]);
        Served::new(Some(&number.to_string()), values)
            .with_deployment(Deployment::new("delay", u64::from(number), main, plan()).unwrap())
    };
    let router = EndpointRouter::new(of_commit(1));
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (2..300).for_each(|number| router.switch(of_commit(number)));
            done.store(1, Ordering::SeqCst);
        });
        while done.load(Ordering::SeqCst) == 0 {
            let row = r#"{"carrier": "UA", "distance": 1, "mean_delay": 0}"#;
            let answer = predict(&router, request(120, &[row])).unwrap();
            let number = answer.revision as u32;
            assert_eq!(answer.commit.as_deref(), Some(number.to_string().as_str()));
            assert_eq!(answer.predictions[0].version, number);
            assert_eq!(answer.predictions[0].score, f64::from(number) * f64::from(number));
        }
    });
    router.switch(Served::without_features());
    assert!(router.find("delay").is_err());
}

#[test]
fn ids_are_given_or_follow_from_keys() {
    let rows = [r#"{"carrier": "UA", "distance": 1}"#, r#"{"carrier": "AA", "distance": 1}"#];
    let ids = |ids| -> Vec<String> {
        let answer = predict(&router(), PredictRequest { ids, ..request(120, &rows) }).unwrap();
        answer.predictions.into_iter().map(|row| row.id).collect()
    };
    let given = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(ids(PredictionIds::Given(given.clone())), given);
    assert_eq!(ids(PredictionIds::FromKeys), ids(PredictionIds::FromKeys));
    assert_ne!(ids(PredictionIds::Fresh), ids(PredictionIds::Fresh));
}
