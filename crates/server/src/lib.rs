//! axum: API, compat protocols (one folder each).
//!
//! Start at [`serve`]. Each protocol is a router of its own: [`api`] is Baton's, [`compat`] holds those of others, which
//! never leak their words into the crates below. A handler reads a request into rows, asks [`state::AppState`] for
//! predictions, and writes them out again.
//!
//! It does not know files, the ledger, the lake, or how a deployment came about.
//! Invariant: whatever goes wrong, panics included, the answer is readable in the protocol that was spoken.

mod api;
mod body;
mod catalog;
mod compat;
mod desk;
mod encoding;
mod error;
mod health;
mod ingest;
mod intake;
mod metrics;
mod mlflow;
mod observe;
mod problem;
mod request_id;
mod scalars;
mod serve;
mod state;
#[cfg(test)]
mod testing;
mod traces;

pub use catalog::{AssetSelection, Catalog, CatalogAsset, CatalogError, Catalogued};
pub use desk::{
    Asked, Figure, LineageDesk, NotTaken, QueryAnswer, QueryDesk, QueryRefusal, RowFormat, Said, ScheduleDesk, Taken,
};
pub use intake::{Intake, Posted, Refusal};
pub use mlflow::{Allowed, Tracking, VERSION as MLFLOW_VERSION};
pub use serve::{Parts, router, serve, serve_program, serve_tracking, tracking_router};
