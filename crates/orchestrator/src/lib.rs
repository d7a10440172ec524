//! Running the relay: prepare, plan, apply, run, replay, roll back, and the questions asked afterwards.
//!
//! Start at [`prepare`] (project to graph and fingerprints), then [`commands`] for what each command does. Stages come
//! from `baton-plan`; this crate executes them on the parts in [`Services`]. It reads no environment variables, prints
//! nothing and picks no concrete part.

mod checks;
mod commands;
mod error;
mod execution;
mod features;
mod prepare;
pub mod profiles;
mod registry;
pub mod report;
mod services;
mod sessions;
mod steps;
mod training;
mod values;
mod watch;
mod write;

pub use commands::{
    AssetReport, ColumnEdge, ColumnReport, Direction, EndpointParts, FeaturePart, LineageReport, ReplayOptions, Served,
    ServedModel, StatusReport, TraceReport, TracedTable, VersionLine, WhyReport, apply, copy_environment,
    endpoint_parts, history, lineage, list, plan, query, replay, rollback, run, show, status, trace, trace_served, why,
};
pub use error::RunError;
pub use prepare::{Prepared, prepare};
pub use registry::{ModelVersion, model_versions};
pub use report::{AssetLine, ReplayReport, RunReport, StepReport, StepState};
pub use services::{LoadTester, Progress, Services, Silent};
