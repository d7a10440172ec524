//! One function a command: what it does, on the parts in [`Services`].

mod approve;
mod backfill;
mod change;
mod connections;
mod diff;
mod environments;
mod export;
mod files;
mod gc;
mod limited;
mod lineage;
mod look;
mod past;
mod planned_searches;
mod receiving;
mod refresh;
mod replay;
mod reproduce;
mod rescheduled;
mod resuming;
mod search;
mod selecting;
mod served;
mod trace;
mod why;

pub use approve::{approve, missing_approvals};
pub(crate) use backfill::gaps_of;
pub use backfill::{BackfillPlan, BackfillRequest, RestatedAsset, backfill, plan_backfill, resume_backfill};
pub(crate) use change::is_applied;
pub use change::{apply, plan, run, run_selected};
pub use connections::{connections, landings};
pub use diff::{
    AssetDiff, ColumnChange, ColumnDrift, ColumnShift, DiffOptions, DiffReport, DiffSide, ModelDiff, ModelLine,
    Presence, RowChange, RowDiff, RowMethod, RowOptions, SameRows, SampleRow, SchemaDiff, diff,
};
pub(crate) use environments::resolve_rollback;
pub use environments::{
    AssetDifference, Comparison, Conflict, EnvironmentLine, Move, MoveKind, Prefer, PromoteOptions, PromoteReport,
    RolledBack, RowConflict, SideChange, TagLine, check_name, compare, copy_environment, create_environment,
    delete_tag, environments, history, promote, remove_environment, resolve_commit, rollback, rollback_told, set_tag,
    tags,
};
pub use export::{ExportPreview, deliver_due, destinations, export, preview_export};
pub use files::{KeptFile, kept_files, take_files};
pub use gc::{Garbage, GarbageKind, GcOptions, GcReport, gc};
pub use limited::{PlanRequest, PlannedChange, plan_change};
pub use lineage::{ColumnEdge, Direction, LineageReport, lineage, lineage_with_external};
pub(crate) use look::known_asset;
pub use look::{
    AssetReport, ColumnReport, StatusReport, VersionLine, list, query, query_commit, query_with_served, show, status,
};
pub use receiving::{Receiving, receiving};
pub use refresh::{Drift, DriftKind, RefreshReport, refresh};
pub use replay::{ReplayOptions, replay};
pub use reproduce::{ReproduceReport, Reproduced, Reproduction, Target, reproduce};
pub use resuming::unfinished;
pub use search::{SearchOutcome, SearchRequest, TrialLine, search};
pub use selecting::select;
pub use served::{
    EndpointParts, FeaturePart, ServedModel, ViewPart, declared_models, endpoint_parts, online_views, prepare_commit,
};
pub use trace::{Served, TraceReport, TracedTable, trace, trace_served};
pub use why::{WhyReport, why};

use baton_core::Commit;

use crate::error::RunError;
use crate::services::Services;

/// The head of an environment, which must exist.
pub(crate) async fn head(services: &Services, environment: &str) -> Result<Commit, RunError> {
    let head = services.ledger.head(environment).await?;
    head.ok_or_else(|| RunError::NoCommit { environment: environment.to_owned() })
}
