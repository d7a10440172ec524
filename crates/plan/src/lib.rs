//! Planning: what the project asks for against what an environment has, as data.
//!
//! [`build_plan`] compares, [`stages`] orders the work, `orchestrator` executes the same stages that `cli` explains.
//! Pure: no IO, no clock, no engine. Invariant: planning against the commit that an apply of the plan made gives an
//! empty plan.

mod build;
mod desired;
mod plan;
mod render;
mod select;
mod stage;

pub use build::{PlanInput, build_plan};
pub use desired::{Desired, DesiredAsset};
pub use plan::{Change, ColumnChanges, Plan, PlannedAsset};
pub use render::render_text;
pub use select::{SelectError, Selected, Selection, SelectionContext, Unmatched};
pub use stage::{Stage, run_stages, stages};

#[cfg(test)]
mod tests;
