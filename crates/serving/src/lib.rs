//! Online store, endpoint router, prediction log.
//!
//! Start at [`PredictionService`]: it routes a request ([`EndpointRouter`]), which looks up online features and runs the
//! models of a [`Deployment`], and logs every prediction durably ([`PredictionLog`]) before it answers.
//! [`RedbOnlineStore`] keeps the latest features; [`load_test`] measures an endpoint for its gate.
//!
//! It does not know HTTP protocols, the ledger, the lake, or which model versions should serve: callers hand over
//! loaded models.

mod error;
mod load_test;
mod log;
mod online;
mod prediction_id;
mod router;
mod service;

pub use error::ServingError;
pub use load_test::{HttpTarget, LoadTestResult, LoadTestSpec, load_test};
pub use log::{PredictionLog, PredictionRecord, ViewFreshness};
pub use online::RedbOnlineStore;
pub use prediction_id::PredictionIds;
pub use router::{
    Deployment, EndpointRouter, FeatureOrigin, FeatureStatus, LoadedModel, OnlineView, PlannedFeature, PredictRequest,
    PredictResponse, RequestRow, RowPrediction, Served, Variant, ViewFeature, ViewRead, read_features,
};
pub use service::PredictionService;
