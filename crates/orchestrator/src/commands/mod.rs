//! One function a command: what it does, on the parts in [`Services`].

mod approve;
mod change;
mod environments;
mod limited;
mod lineage;
mod look;
mod past;
mod replay;
mod served;
mod trace;
mod why;

pub use approve::{approve, missing_approvals};
pub use change::{apply, plan, run, run_selected};
pub use environments::{
    AssetDifference, Behind, Comparison, Conflict, EnvironmentLine, Move, MoveKind, Prefer, PromoteOptions,
    PromoteReport, RowConflict, SideChange, TagLine, check_name, compare, copy_environment, create_environment,
    delete_tag, environments, history, promote, remove_environment, resolve_commit, rollback, set_tag, tags,
};
pub use limited::{PlanRequest, PlannedChange, plan_change};
pub use lineage::{ColumnEdge, Direction, LineageReport, lineage};
pub use look::{AssetReport, ColumnReport, StatusReport, VersionLine, list, query, show, status};
pub use replay::{ReplayOptions, replay};
pub use served::{
    EndpointParts, FeaturePart, ServedModel, ViewPart, endpoint_parts, is_declared_as_served, online_views,
};
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
