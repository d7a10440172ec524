//! Running the relay: prepare, plan, apply, run, replay, roll back, and the questions asked afterwards.
//!
//! Start at [`prepare`] (project to graph and fingerprints), then [`commands`] for what each command does. Stages come
//! from `baton-plan`; this crate executes them on the parts in [`Services`]. It reads no environment variables, prints
//! nothing and picks no concrete part.

mod approvals;
mod checks;
mod commands;
mod definitions;
mod error;
mod evidence;
mod execution;
mod exports;
mod extent;
mod external;
mod features;
mod for_each;
mod held;
mod prepare;
pub mod profiles;
mod program;
mod python;
pub mod records;
mod registered;
mod registry;
pub mod report;
mod runbooks;
pub mod schedule;
mod services;
mod sessions;
mod steps;
mod stored;
mod testing;
mod tracked;
mod training;
mod values;
mod watch;
mod write;

pub use approvals::{Answer, Awaited, answer, awaited, awaited_in};
pub use baton_connectors::{DeliveryFormat, Inbox, InboxError, Receipt};
pub use commands::{
    AssetDiff, ColumnChange, ColumnDrift, ColumnShift, DiffOptions, DiffReport, DiffSide, ModelDiff, ModelLine,
    Presence, RowChange, RowDiff, RowMethod, RowOptions, SameRows, SampleRow, SchemaDiff, diff,
};
pub use commands::{
    AssetDifference, AssetReport, ColumnEdge, ColumnReport, Comparison, Conflict, Direction, Drift, DriftKind,
    EndpointParts, EnvironmentLine, FeaturePart, Garbage, GarbageKind, GcOptions, GcReport, LineageReport, Move,
    MoveKind, PlanRequest, PlannedChange, Prefer, PromoteOptions, PromoteReport, RefreshReport, ReplayOptions,
    RolledBack, RowConflict, Served, ServedModel, SideChange, StatusReport, TagLine, TraceReport, TracedTable,
    VersionLine, ViewPart, WhyReport, apply, approve, check_name, compare, copy_environment, create_environment,
    declared_models, delete_tag, endpoint_parts, environments, gc, history, lineage, lineage_with_external, list,
    missing_approvals, online_views, plan, plan_change, prepare_commit, promote, query, query_commit,
    query_with_served, refresh, remove_environment, replay, resolve_commit, rollback, rollback_told, run, run_selected,
    select, set_tag, show, status, tags, trace, trace_served, unfinished, why,
};
pub use commands::{BackfillPlan, BackfillRequest, RestatedAsset, backfill, plan_backfill, resume_backfill};
pub use commands::{ExportPreview, deliver_due, destinations, export, preview_export};
pub use commands::{KeptFile, kept_files, take_files};
pub use commands::{Receiving, receiving};
pub use commands::{ReproduceReport, Reproduced, Reproduction, Target, reproduce};
pub use commands::{SearchOutcome, SearchRequest, TrialLine, search};
pub use commands::{connections, landings};
pub use error::RunError;
pub use exports::{DatedDelivery, DeliveryReport};
pub use external::{
    ExternalDataset, ExternalJob, ExternalLine, ExternalLineage, ExternalName, Reported, ReportedDataset,
    record_external,
};
pub use prepare::{InspectOptions, Prepared, inspect_project, place_of_output, prepare};
pub use program::ProgramError;
pub use python::{Frame, PythonError, PythonOptions, PythonWorkers};
pub use registered::{NoRegisteredModels, Origin, RegisteredModels, RegisteredVersion, check_registered};
pub use registry::{ModelVersion, model_versions};
pub use report::{AssetLine, CacheReport, ReplayReport, RunReport, StepReport, StepState};
pub use runbooks::{RunbookRequest, dry_run_runbook, resume_runbook, run_runbook};
pub use services::{Asked, Continued, LoadTester, Progress, Services, Silent, Variables};
pub use steps::SourceLanding;
pub use testing::{
    BatchDifference, DifferentCell, DifferentRow, Fixture, FixtureOptions, RowDifference, TestReport, TestSuite,
    check_tests,
};
pub use tracked::{
    DataNow, DataOfRun, EnvironmentOfRun, HostedRun, NoTracking, RunTies, RunTracking, inputs_of_query, ties_of_run,
};
pub use watch::{DatedLook, EstimatedPerformance, FeatureDrift, MeasuredPerformance, MonitorLook};
