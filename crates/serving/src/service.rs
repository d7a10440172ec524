//! A prediction from request to answer: routed, logged, then answered; shadows follow behind.
//!
//! Shadows are scored on a thread of their own behind a bounded queue: when it is full they are dropped and counted, so
//! that they can neither slow an answer nor change it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::error::ServingError;
use crate::log::{PredictionLog, PredictionRecord};
use crate::prediction_id;
use crate::router::{Deployment, EndpointRouter, PredictRequest, PredictResponse, Variant};

/// Requests whose shadows may wait.
const WAITING_SHADOWS: usize = 1024;

type ShadowJob = (Arc<Deployment>, PredictResponse);

/// Predicts and logs.
pub struct PredictionService {
    router: Arc<EndpointRouter>,
    log: Arc<PredictionLog>,
    shadows: SyncSender<ShadowJob>,
    dropped_shadows: AtomicU64,
}

impl PredictionService {
    /// A service over `router` that logs to `log`.
    ///
    /// # Errors
    /// [`ServingError::LogClosed`] when the thread of the shadows cannot be started.
    pub fn new(router: Arc<EndpointRouter>, log: Arc<PredictionLog>) -> Result<Self, ServingError> {
        let (shadows, waiting) = sync_channel(WAITING_SHADOWS);
        let shadow_log = log.clone();
        let thread = std::thread::Builder::new().name("shadows".to_owned());
        let started = thread.spawn(move || score_shadows(&waiting, &shadow_log));
        started.map_err(|_no_thread| ServingError::LogClosed)?;
        Ok(Self { router, log, shadows, dropped_shadows: AtomicU64::new(0) })
    }

    /// Predicts the rows of a request by what an endpoint serves now; they are logged durably when this returns.
    ///
    /// # Errors
    /// [`ServingError::UnknownEndpoint`], and as [`Self::predict_by`].
    pub async fn predict(&self, endpoint: &str, request: PredictRequest) -> Result<PredictResponse, ServingError> {
        self.predict_by(&self.router.find(endpoint)?, None, request).await
    }

    /// Predicts the rows of a request by `deployment`, and by one version of its model if it is given; they are logged
    /// durably when this returns. Shadows follow.
    ///
    /// # Errors
    /// As [`Deployment::predict`], and [`ServingError::Log`] when the predictions could not be logged.
    pub async fn predict_by(
        &self,
        deployment: &Arc<Deployment>,
        version: Option<u32>,
        request: PredictRequest,
    ) -> Result<PredictResponse, ServingError> {
        let response = if deployment.waits() {
            aside(Arc::clone(deployment), version, request).await?
        } else {
            deployment.predict(version, request)?
        };
        self.log.append(&PredictionRecord::of_response(&response)).await?;
        if deployment.has_shadow() && self.shadows.try_send((Arc::clone(deployment), response.clone())).is_err() {
            self.dropped_shadows.fetch_add(1, Ordering::Relaxed);
        }
        Ok(response)
    }

    /// The router.
    pub fn router(&self) -> &Arc<EndpointRouter> {
        &self.router
    }

    /// The log.
    pub fn log(&self) -> &Arc<PredictionLog> {
        &self.log
    }

    /// Requests whose shadows were dropped because too many waited.
    pub fn dropped_shadows(&self) -> u64 {
        self.dropped_shadows.load(Ordering::Relaxed)
    }
}

/// Predicts where nobody else has to wait.
async fn aside(
    deployment: Arc<Deployment>,
    version: Option<u32>,
    request: PredictRequest,
) -> Result<PredictResponse, ServingError> {
    let endpoint = deployment.endpoint().to_owned();
    let work = tokio::task::spawn_blocking(move || deployment.predict(version, request));
    work.await.map_err(|_stopped| ServingError::Stopped { endpoint })?
}

fn score_shadows(waiting: &Receiver<ShadowJob>, log: &PredictionLog) {
    while let Ok((deployment, response)) = waiting.recv() {
        for (model, version, scores) in deployment.shadow_scores(&response) {
            let answered = PredictionRecord::of_response(&response).into_iter().zip(scores);
            let records: Vec<PredictionRecord> = answered
                .map(|(record, score)| PredictionRecord {
                    shadow_of: Some(record.id),
                    id: prediction_id::fresh(response.at),
                    variant: Variant::Shadow,
                    model: model.to_string(),
                    version,
                    score,
                    ..record
                })
                .collect();
            // A shadow that cannot be logged is lost; the answers' own logging reports the failing disk.
            let _lost_shadow = log.append_blocking(&records);
        }
    }
}

#[cfg(test)]
mod tests {
    use baton_core::time::timestamp_from_micros;

    use super::*;
    use crate::router::tests::{model, plan, router, router_of};

    fn request() -> PredictRequest {
        PredictRequest {
            rows: vec![serde_json::from_str(r#"{"carrier": "UA", "distance": 1000}"#).unwrap()],
            request_id: Some("r-1".to_owned()),
            at: timestamp_from_micros(120_000_000),
            ids: crate::PredictionIds::Given(vec!["p-1".to_owned()]),
        }
    }

    #[tokio::test]
    async fn answer_is_in_the_log_when_it_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(PredictionLog::open(folder.path()).unwrap());
        let service = PredictionService::new(Arc::new(router()), log.clone()).unwrap();
        let answer = service.predict("delay", request()).await.unwrap();
        assert_eq!(log.read_all("delay").unwrap(), PredictionRecord::of_response(&answer));
        let logged = log.find("p-1").unwrap().unwrap();
        assert_eq!((logged.score, logged.revision, logged.request_id.as_deref()), (1207.5, 5, Some("r-1")));
        assert_eq!(logged.freshness["carrier_delays"].event_at, Some(100_000_000));
    }

    #[tokio::test]
    async fn shadow_is_logged_beside_the_answer() {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(PredictionLog::open(folder.path()).unwrap());
        let deployment = Deployment::new("delay", 6, model(3, 1.0, &["distance"]), plan()).unwrap();
        let router = router_of(deployment.with_shadow(model(4, 2.0, &["distance"])).unwrap());
        let service = PredictionService::new(Arc::new(router), log.clone()).unwrap();
        let answer = service.predict("delay", request()).await.unwrap();
        assert_eq!(answer.predictions[0].score, 1000.0);
        let shadow = loop {
            let found = log.read_all("delay").unwrap().into_iter().find(|record| record.variant == Variant::Shadow);
            if let Some(found) = found {
                break found;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!((shadow.version, shadow.score, shadow.shadow_of.as_deref()), (4, 2000.0, Some("p-1")));
    }
}
