//! The whole router in the process, over fakes: the online store in memory, and models whose answers are known.
//!
//! - `delay`: a trained tree that classifies by `distance`, `carrier` (text) and `mean_delay`, looked up by carrier
//! - `amount`: a fake that answers `a + 10 b`; its canary (version 4, no share of traffic) answers ten times as much
//! - `broken`: a fake that panics

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use baton_core::ports::{MemoryOnlineStore, OnlineRow, OnlineStore as _, Spans};
use baton_core::scalar::{Scalar, entity_key};
use baton_core::time::{FixedClock, timestamp_from_micros};
use baton_ml::data::Task;
use baton_ml::frame::{FeatureColumn, FeatureKind};
use baton_ml::runtime::{RuntimeOptions, load};
use baton_ml::trainer::{TrainingData, trainer};
use baton_ml::{FeatureEncoder, LabelledRows, Params, Predictor};
use baton_serving::{
    Deployment, EndpointRouter, FeatureOrigin, LoadedModel, OnlineView, PlannedFeature, PredictionLog,
    PredictionService, Served, ViewFeature,
};
use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::{AssetSelection, Catalog, CatalogAsset, CatalogError, Catalogued};

/// Answers `scale` times (first + 10 times second), missing values as 0.
struct Weighted {
    scale: f64,
}

impl Predictor for Weighted {
    fn predict(&self, rows: &[f32], _n_rows: usize) -> baton_ml::Result<Vec<f64>> {
        let known = |value: f32| if value.is_nan() { 0.0 } else { f64::from(value) };
        Ok(rows.chunks(2).map(|row| self.scale * (known(row[0]) + 10.0 * known(row[1]))).collect())
    }

    fn n_features(&self) -> usize {
        2
    }
}

/// Fails as no model should.
struct Panics;

impl Predictor for Panics {
    fn predict(&self, _rows: &[f32], _n_rows: usize) -> baton_ml::Result<Vec<f64>> {
        panic!("this model panics, as the test wants")
    }

    fn n_features(&self) -> usize {
        1
    }
}

/// Knows `delay` and `days`; understands names alone.
struct TwoAssets;

#[async_trait]
impl Catalog for TwoAssets {
    async fn assets(&self, selection: &AssetSelection) -> Result<Catalogued, CatalogError> {
        let asset = |name: &str, kind: &str, rows| CatalogAsset {
            name: name.to_owned(),
            kind: kind.to_owned(),
            version: None,
            rows,
            owner: None,
            description: None,
        };
        let known = [asset("days", "table", Some(7)), asset("delay", "endpoint", None)];
        if selection.select.iter().any(|expression| expression == "state:modified+") {
            let message = "the project's files have mistakes".to_owned();
            return Err(CatalogError::Project { message, help: "run `baton check`".to_owned() });
        }
        let stranger = selection.select.iter().find(|name| known.iter().all(|asset| asset.name != **name));
        if let Some(stranger) = stranger {
            let message = format!("there is no asset `{stranger}`");
            return Err(CatalogError::Selection { message, help: "did you mean `days`?".to_owned() });
        }
        let is_asked = |asset: &CatalogAsset| selection.is_everything() || selection.select.contains(&asset.name);
        Ok(Catalogued { assets: known.into_iter().filter(is_asked).collect(), unmatched: Vec::new() })
    }
}

/// The server under test.
pub(crate) struct TestServer {
    router: Router,
    pub(crate) log: Arc<PredictionLog>,
    _folder: TempDir,
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    /// Status and body in one line.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.status.as_u16(), self.text())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn parts(folder: &TempDir, deployments: Vec<Deployment>) -> (crate::Parts, Arc<PredictionLog>) {
    let served = deployments.into_iter().fold(served(), Served::with_deployment);
    let log = Arc::new(PredictionLog::open(folder.path()).unwrap());
    let service = PredictionService::new(Arc::new(EndpointRouter::new(served)), log.clone()).unwrap();
    let clock = FixedClock(timestamp_from_micros(120_000_000));
    (crate::Parts::new(Arc::new(service), Arc::new(clock)).with_catalog(Arc::new(TwoAssets)), log)
}

/// A server without endpoints, whose deliveries are taken by `intake`.
pub(crate) fn parts_with(intake: Arc<dyn crate::Intake>) -> crate::Parts {
    bare_parts().with_intake(intake)
}

/// A server without endpoints.
pub(crate) fn bare_parts() -> crate::Parts {
    parts(&tempfile::tempdir().unwrap(), Vec::new()).0
}

impl TestServer {
    /// All three endpoints.
    pub(crate) fn new() -> Self {
        Self::serving(vec![delay(), amount(), broken()])
    }

    /// `amount` alone.
    pub(crate) fn of_amount() -> Self {
        Self::serving(vec![amount()])
    }

    pub(crate) fn serving(deployments: Vec<Deployment>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (parts, log) = parts(&folder, deployments);
        Self { router: crate::router(parts), log, _folder: folder }
    }

    /// `amount` and `broken`, whose requests leave `spans`.
    pub(crate) fn traced(spans: Arc<dyn Spans>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (parts, log) = parts(&folder, vec![amount(), broken()]);
        let clock = Arc::new(FixedClock(timestamp_from_micros(180_000_000)));
        Self { router: crate::router(parts.with_spans(spans, clock)), log, _folder: folder }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        Reply { status: head.status, headers: head.headers, body: to_bytes(body, usize::MAX).await.unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Posts `body` with `headers`, each as `name: value`.
    pub(crate) async fn post(&self, path: &str, headers: &[&str], body: impl Into<Body>) -> Reply {
        let mut request = Request::post(path);
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: &str) -> Reply {
        self.post(path, &["content-type: application/json"], body.to_owned()).await
    }
}

fn served() -> Served {
    let store = MemoryOnlineStore::new();
    let row = |key: Scalar, event_at: i64, values: Vec<Scalar>| {
        let created_at = event_at + 10_000_000;
        OnlineRow { key: entity_key(&[key]), event_at, created_at, values }
    };
    let carrier = |name: &str| Scalar::Text(name.to_owned());
    let carriers = [
        row(carrier("UA"), 100_000_000, vec![Scalar::Float(7.5), Scalar::Int(200)]),
        row(carrier("AA"), 100_250_000, vec![Scalar::Null, Scalar::Int(3)]),
        row(carrier("OLD"), 10_000_000, vec![Scalar::Float(1.0), Scalar::Int(4)]),
    ];
    store.upsert("carrier_delays/1", &carriers).unwrap();
    store.upsert("route_delays/1", &[row(Scalar::Int(7), 100_000_000, vec![Scalar::Float(1.25)])]).unwrap();
    let view = |name: &str, key: &str, features: &[&str]| OnlineView {
        name: name.to_owned(),
        namespace: format!("{name}/1"),
        entity: vec![key.to_owned()],
        features: features.iter().map(|&feature| feature.to_owned()).collect(),
        ttl: 60,
    };
    Served::new(Some("c-1"), store.snapshot().unwrap())
        .with_view(view("carrier_delays", "carrier", &["mean", "flights"]))
        .with_view(view("route_delays", "route", &["mean"]))
}

fn given(name: &str) -> PlannedFeature {
    PlannedFeature { name: name.into(), origin: FeatureOrigin::Request }
}

fn amount() -> Deployment {
    let model = |version, scale| LoadedModel {
        model: "amounts".into(),
        version,
        task: Task::Regression,
        predictor: Arc::new(Weighted { scale }),
        encoder: Arc::new(FeatureEncoder::numeric(&["a".to_owned(), "b".to_owned()])),
    };
    let main = Deployment::new("amount", 1, model(3, 1.0), vec![given("a"), given("b")]).unwrap();
    main.with_canary(0.0, model(4, 10.0)).unwrap()
}

fn broken() -> Deployment {
    let model = LoadedModel {
        model: "broken".into(),
        version: 1,
        task: Task::Regression,
        predictor: Arc::new(Panics),
        encoder: Arc::new(FeatureEncoder::numeric(&["a".to_owned()])),
    };
    Deployment::new("broken", 1, model, vec![given("a")]).unwrap()
}

fn delay() -> Deployment {
    let view = ViewFeature {
        view: "carrier_delays".to_owned(),
        namespace: "carrier_delays/1".to_owned(),
        entity: vec!["carrier".to_owned()],
        index: 0,
        ttl: 60,
    };
    let mean_delay = PlannedFeature { name: "mean_delay".into(), origin: FeatureOrigin::View(view) };
    Deployment::new("delay", 7, delay_model(), vec![given("distance"), given("carrier"), mean_delay]).unwrap()
}

/// What the tree of `delay` answers to a row, asked without any server.
pub(crate) fn delay_score(distance: f64, carrier: &str, mean_delay: Option<f64>) -> f64 {
    let model = delay_model();
    let mean_delay = mean_delay.map_or(Scalar::Null, Scalar::Float);
    let row = [Scalar::Float(distance), Scalar::Text(carrier.to_owned()), mean_delay];
    model.predictor.predict(&model.encoder.encode_row(&row).unwrap(), 1).unwrap()[0]
}

/// Late are flights of UA, long flights, and those of carriers that are late.
fn delay_model() -> LoadedModel {
    let column = |name: &str, kind| FeatureColumn { name: name.to_owned(), kind };
    let categories = ["UA", "AA", "9E"].map(str::to_owned).to_vec();
    let encoder = FeatureEncoder::from(vec![
        column("distance", FeatureKind::Numeric),
        column("carrier", FeatureKind::Categorical { categories }),
        column("mean_delay", FeatureKind::Numeric),
    ]);
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for number in 0..600_u16 {
        let (distance, carrier, delay) = (f32::from(number * 7 % 3000), f32::from(number % 3), f32::from(number % 11));
        values.extend([distance, carrier, delay]);
        labels.push(f32::from(u8::from(carrier == 0.0 || distance > 2000.0 || delay > 8.0)));
    }
    let rows = LabelledRows::new(&values, &labels, 3).unwrap();
    let task = Task::BinaryClassification;
    let data = TrainingData { task, n_categories: &encoder.n_categories(), train: &rows, validation: None };
    let params = Params::default().with("rounds", 20.0);
    let trained = trainer("boosted_trees", task).unwrap().train(&data, &params, 1).unwrap();
    let stored = trained.store(&encoder).unwrap();
    let predictor = load(&stored, &RuntimeOptions::default()).unwrap().into();
    LoadedModel { model: "arrival_delay".into(), version: 3, task, predictor, encoder: Arc::new(encoder) }
}
