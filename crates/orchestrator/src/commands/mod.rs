//! One function a command: what it does, on the parts in [`Services`].

mod change;
mod environments;
mod lineage;
mod look;
mod replay;
mod served;
mod trace;
mod why;

pub use change::{apply, plan, run};
pub use environments::{copy_environment, history, rollback};
pub use lineage::{ColumnEdge, Direction, LineageReport, lineage};
pub use look::{AssetReport, ColumnReport, StatusReport, VersionLine, list, query, show, status};
pub use replay::{ReplayOptions, replay};
pub use served::{EndpointParts, FeaturePart, ServedModel, endpoint_parts};
pub use trace::{Served, TraceReport, TracedTable, trace, trace_served};
pub use why::{WhyReport, why};

use baton_core::Commit;

use crate::error::RunError;
use crate::services::Services;

/// The head of an environment, which must exist.
pub(crate) async fn head(services: &Services, environment: &str) -> Result<Commit, RunError> {
    services.ledger.head(environment).await?.ok_or_else(|| RunError::Missing {
        what: "commit",
        name: "head".to_owned(),
        environment: environment.to_owned(),
        hint: format!("build it with `baton apply -e {environment}`"),
    })
}
