//! A live server on a free port of this machine, asked by the real client of the protocol.
//!
//! Needs `BATON_TEST_PYTHON`, a Python with the packages `tritonclient[http]` and `numpy`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_core::ports::{MemoryOnlineStore, OnlineRow, OnlineStore as _};
use baton_core::scalar::{Scalar, entity_key};
use baton_core::time::{FixedClock, timestamp_from_micros};
use baton_ml::data::Task;
use baton_ml::frame::{FeatureColumn, FeatureKind};
use baton_ml::{FeatureEncoder, Predictor};
use baton_server::Parts;
use baton_serving::{
    Deployment, EndpointRouter, FeatureOrigin, LoadedModel, PlannedFeature, PredictionLog, PredictionService, Served,
    ViewFeature,
};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Answers `distance / 10000 + code of the carrier / 10 + mean delay / 100`.
struct Formula;

impl Predictor for Formula {
    fn predict(&self, rows: &[f32], _n_rows: usize) -> baton_ml::Result<Vec<f64>> {
        let score = |row: &[f32]| f64::from(row[0]) / 1e4 + f64::from(row[1]) / 10.0 + f64::from(row[2]) / 100.0;
        Ok(rows.chunks(3).map(score).collect())
    }

    fn n_features(&self) -> usize {
        3
    }
}

struct Live {
    address: SocketAddr,
    log: Arc<PredictionLog>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
    _folder: TempDir,
}

impl Live {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(PredictionLog::open(folder.path()).unwrap());
        let served = Served::new(None, store().snapshot().unwrap()).with_deployment(deployment());
        let router = EndpointRouter::new(served);
        let service = Arc::new(PredictionService::new(Arc::new(router), log.clone()).unwrap());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let clock = Arc::new(FixedClock(timestamp_from_micros(120_000_000)));
        let served = tokio::spawn(baton_server::serve(listener, Parts::new(service, clock), async {
            stopped.await.unwrap();
        }));
        Self { address, log, stop, served, _folder: folder }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
    }
}

fn store() -> MemoryOnlineStore {
    let store = MemoryOnlineStore::new();
    let key = entity_key(&[Scalar::Text("AA".to_owned())]);
    let row = OnlineRow { key, event_at: 100_000_000, created_at: 110_000_000, values: vec![Scalar::Float(25.0)] };
    store.upsert("carrier_delays", &[row]).unwrap();
    store
}

fn deployment() -> Deployment {
    let column = |name: &str, kind| FeatureColumn { name: name.to_owned(), kind };
    let categories = vec!["UA".to_owned(), "AA".to_owned()];
    let encoder = FeatureEncoder::from(vec![
        column("distance", FeatureKind::Numeric),
        column("carrier", FeatureKind::Categorical { categories }),
        column("mean_delay", FeatureKind::Numeric),
    ]);
    let model = LoadedModel {
        model: "arrival_delay".into(),
        version: 3,
        task: Task::BinaryClassification,
        predictor: Arc::new(Formula),
        encoder: Arc::new(encoder),
    };
    let given = |name: &str| PlannedFeature { name: name.into(), origin: FeatureOrigin::Request };
    let view = FeatureOrigin::View(ViewFeature {
        view: "carrier_delays".to_owned(),
        namespace: "carrier_delays".to_owned(),
        entity: vec!["carrier".to_owned()],
        index: 0,
        ttl: 60,
    });
    let mean_delay = PlannedFeature { name: "mean_delay".into(), origin: view };
    Deployment::new("delay", 1, model, vec![given("distance"), given("carrier"), mean_delay]).unwrap()
}

fn python() -> PathBuf {
    std::env::var_os("BATON_TEST_PYTHON")
        .map(PathBuf::from)
        .expect("set BATON_TEST_PYTHON to a Python with `tritonclient[http]` and `numpy` (`cargo xtask test` does)")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn triton_client_is_answered_in_binary_and_json() {
    let live = Live::start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/triton_client.py");
    let run = Command::new(python()).arg(script).arg(live.address.to_string()).output().await.unwrap();
    let (printed, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{printed}\n{errors}");
    let id = printed.trim();
    let logged = live.log.find(id).unwrap().expect(id);
    assert_eq!((logged.request_id.as_deref(), logged.version), (Some("call-1"), 3));
    assert_eq!(logged.features["mean_delay"], Scalar::Float(25.0));
    live.stop().await;
}

#[tokio::test]
async fn server_ends_although_a_client_keeps_its_connection() {
    let live = Live::start().await;
    let idle = TcpStream::connect(live.address).await.unwrap();
    let start = Instant::now();
    live.stop().await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(idle);
}
