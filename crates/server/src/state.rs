//! What all handlers share, and the one way to a prediction.

use std::sync::Arc;

use baton_core::{Clock, Timestamp};
use baton_serving::{
    Deployment, PredictRequest, PredictResponse, PredictionIds, PredictionService, RequestRow, ServingError,
};

use crate::catalog::Catalog;
use crate::desk::{LineageDesk, QueryDesk, ScheduleDesk};
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::mlflow::Tracking;
use crate::request_id::RequestId;
use crate::serve::Parts;
use crate::traces::Tracer;

/// The state of handlers.
pub(crate) type Shared = Arc<AppState>;

/// What all handlers share.
pub(crate) struct AppState {
    pub(crate) service: Arc<PredictionService>,
    pub(crate) metrics: Metrics,
    pub(crate) catalog: Option<Arc<dyn Catalog>>,
    pub(crate) desk: Option<Arc<dyn ScheduleDesk>>,
    pub(crate) intake: Option<Arc<dyn Intake>>,
    pub(crate) lineage: Option<Arc<dyn LineageDesk>>,
    pub(crate) token: Option<String>,
    pub(crate) tracer: Tracer,
    pub(crate) queries: Option<Arc<dyn QueryDesk>>,
    /// What clients of MLflow track here, so that they are to find the version that they know.
    pub(crate) tracking: Option<Arc<Tracking>>,
    clock: Arc<dyn Clock>,
}

impl AppState {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { service, clock, catalog, desk, intake, lineage, queries, token, tracer, tracking } = parts;
        let metrics = Metrics::default();
        Self { service, metrics, catalog, desk, intake, lineage, token, tracer, queries, tracking, clock }
    }

    /// What an endpoint serves now.
    pub(crate) fn deployment(&self, endpoint: &str) -> Result<Arc<Deployment>, ServingError> {
        self.service.router().find(endpoint)
    }

    /// All endpoints by name.
    pub(crate) fn deployments(&self) -> Vec<Arc<Deployment>> {
        self.service.router().deployments()
    }

    /// Predicts `rows` now by `deployment`, and by one version of its model if it is given; the predictions are on disk
    /// when this returns.
    pub(crate) async fn predict(
        &self,
        deployment: &Arc<Deployment>,
        version: Option<u32>,
        rows: Vec<RequestRow>,
        request_id: RequestId,
    ) -> Result<PredictResponse, ServingError> {
        let (request_id, at) = (Some(request_id.into_text()), self.now());
        let request = PredictRequest { rows, request_id, at, ids: PredictionIds::Fresh };
        let begun = self.tracer.begin_prediction();
        let answer = self.service.predict_by(deployment, version, request).await;
        self.tracer.end_prediction(begun, deployment, &answer);
        answer
    }

    /// The instant at which requests are answered.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
