//! Planning: what the project asks for against what an environment has, as data.
//!
//! [`build_plan`] compares, [`stages`] orders the work, `orchestrator` executes the same stages that `cli` explains.
//! Pure: no IO, no clock, no engine. Invariant: planning against the commit that an apply of the plan made gives an
//! empty plan.

mod behind;
mod blast;
mod build;
mod desired;
mod estimate;
mod plan;
mod render;
mod saved;
mod searching;
mod select;
mod stage;

pub use behind::{Behind, all_behind, settle_inputs};
pub use blast::{
    BlastRadius, ChangedOutput, Effect, Proven, Reach, Reached, ReachedSchedule, SparedModel, TaggedFlow,
    UnchangedOutput,
};
pub use build::{KeptOtherwise, PlanInput, PlanOptions, build_plan, compare, complete_plan, missing_intervals};
pub use desired::{About, AssetColumn, Desired, DesiredAsset, PREDICTION, TaggedColumn};
pub use estimate::{Estimate, Past, StageEstimate, estimate};
pub use plan::{
    Change, ColumnChanges, HeldAsset, NeededApproval, Plan, PlanScope, PlannedAsset, PlannedChecks, PlannedPromotion,
};
pub use render::{render_markdown, render_text};
pub use saved::{SAVED_PLAN_VERSION, SavedPlan, SavedPlanError};
pub use searching::PlannedSearch;
pub use select::{LastRun, SelectError, Selected, Selection, SelectionContext, StepResult, Unmatched};
pub use stage::{Stage, run_stages, stages};

#[cfg(test)]
mod tests;
