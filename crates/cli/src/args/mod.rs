//! The command line: flags that every command takes, and the commands. Doc comments are the help.

mod approve;
mod backfill;
mod change;
mod check;
mod diff;
mod environments;
mod exchange;
mod explain;
mod export;
mod files;
mod ledger;
mod look;
mod parameters;
mod project;
mod runbook;
mod runs;
mod search;
mod selection;
mod serving;
mod test;
mod tracked;
mod tracking;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use approve::ApproveArguments;
pub(crate) use backfill::BackfillArguments;
pub(crate) use change::{ApplyArguments, PlanArguments, PlanForm, PlanLimits, ReplayArguments, RollbackArguments};
pub(crate) use check::CheckArguments;
pub(crate) use diff::{DiffArguments, ReproduceArguments, TextForm};
pub(crate) use environments::{
    EnvArguments, EnvCommand, EnvCreateArguments, EnvDiffArguments, EnvRemoveArguments, GcArguments, PromoteArguments,
    Side, TagArguments,
};
pub(crate) use exchange::{ExportCommand, ExportEntryArguments, ExportMlflowArguments, ImportArguments, ImportCommand};
pub(crate) use explain::ExplainArguments;
pub(crate) use export::ExportArguments;
pub(crate) use files::FilesArguments;
pub(crate) use ledger::{LedgerArguments, LedgerCommand};
pub(crate) use look::{
    AssetArguments, KindName, LineageArguments, ListArguments, LogArguments, QueryArguments, RowForm, TraceArguments,
    WhyArguments,
};
pub(crate) use parameters::ParameterArguments;
pub(crate) use project::{CompletionsArguments, DemoArguments, InitArguments, TemplateName};
pub(crate) use runbook::{RunbookArguments, RunbookCommand, RunbookRunArguments};
pub(crate) use runs::{
    PruneArguments, ResumeArguments, RunsArguments, RunsCommand, RunsListArguments, RunsShowArguments,
    ScheduleArguments, ScheduleCommand, SchedulePauseArguments, StateName, TriggerArguments,
};
pub(crate) use search::SearchArguments;
pub(crate) use selection::{RunArguments, SelectionArguments};
pub(crate) use serving::{PredictArguments, ServeArguments};
pub(crate) use test::TestArguments;
pub(crate) use tracked::{
    AxisName, CurveArguments, FigureArguments, FilterArguments, ParallelArguments, PlotArguments, PlotCommand,
    TrackedDiffArguments, TrackedListArguments, ViewName,
};
pub(crate) use tracking::{GuestArguments, TrackingArguments};

/// Carry data to models, and what models learn back to data
#[derive(Debug, Parser)]
#[command(
    name = "baton",
    version,
    propagate_version = false,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArguments {
    /// Folder of the project [default: the current one]
    #[arg(short = 'C', long, global = true, value_name = "FOLDER")]
    pub(crate) directory: Option<PathBuf>,
    /// Environment to work on [default: prod, or the project's first]
    #[arg(short, long = "env", global = true, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Form of the answer on standard output
    #[arg(short, long, global = true, value_name = "FORM", default_value = "text")]
    pub(crate) output: OutputForm,
    /// Logical clock: what became known later does not exist [default: now]
    #[arg(long, global = true, value_name = "TIME")]
    pub(crate) as_of: Option<String>,
    /// Say nothing but the answer and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more; twice for the log of the parts below
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorWhen,
    /// Draw no progress bars
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
}

/// Form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputForm {
    /// For people
    Text,
    /// One JSON document
    Json,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands, in the order in which people meet them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a new project
    Init(InitArguments),
    /// Read the project and report every mistake in it
    Check(CheckArguments),
    /// Run unit tests: given rows in, expected rows out
    Test(TestArguments),
    /// Show what an apply would do, and why
    Plan(PlanArguments),
    /// Agree to a saved plan that breaks what you own, or to what waits in a run
    Approve(ApproveArguments),
    /// Bring the environment to what the project asks for
    Apply(ApplyArguments),
    /// Take in new data, score, and watch, as a schedule does
    Run(RunArguments),
    /// List runs, show one over time, end it, or go on with it
    Runs(RunsArguments),
    /// List schedules, or ask for one now
    Schedule(ScheduleArguments),
    /// Do the steps that mend something, or list what there is for incidents
    Runbook(RunbookArguments),
    /// Compute a stretch of an incremental table again, with what reads it
    Backfill(BackfillArguments),
    /// Deliver rows of the environment to a system outside, or write what is tracked for MLflow
    Export(ExportEntryArguments),
    /// Bring in what another tracker keeps: MLflow, Optuna
    Import(ImportArguments),
    /// Search for a model's algorithm and parameters, without training a version
    Search(SearchArguments),
    /// Drive the schedule over a stretch of history, tick by tick
    Replay(ReplayArguments),
    /// Serve endpoints over HTTP
    Serve(ServeArguments),
    /// Serve runs, metrics and models to MLflow clients from one file, without a project
    Tracking(TrackingArguments),
    /// Ask the environment's tables in SQL
    Query(QueryArguments),
    /// List the files that a table of a command keeps, or take them out
    Files(FilesArguments),
    /// List assets
    Ls(ListArguments),
    /// Show one asset: versions, schema, profile, checks, lineage
    Show(AssetArguments),
    /// Show what an asset is made from and what it feeds
    Lineage(LineageArguments),
    /// Ask an endpoint for a prediction, and log it
    Predict(PredictArguments),
    /// Compare two commits or environments: definitions, columns, rows, statistics, models
    Diff(DiffArguments),
    /// Rebuild versions from what they were recorded to be made from, and compare digests
    Reproduce(ReproduceArguments),
    /// Follow one prediction back to the files behind it
    Trace(TraceArguments),
    /// Say why something went wrong, with evidence
    Why(WhyArguments),
    /// Show how the environment stands
    Status,
    /// Show the commits of the environment
    Log(LogArguments),
    /// Make, list, compare and remove environments
    Env(EnvArguments),
    /// Bring what one environment changed into another, all of it or nothing
    Promote(PromoteArguments),
    /// Delete what no environment, tag, model version or retention reaches
    Gc(GcArguments),
    /// Name a commit, list or delete such names
    Tag(TagArguments),
    /// Move the ledger to another database, or check its seal
    Ledger(LedgerArguments),
    /// Move the environment back: data, features, model and endpoint together
    Rollback(RollbackArguments),
    /// Run the whole relay on a year of real flights
    Demo(DemoArguments),
    /// Say what the code of a message means, and what to do
    Explain(ExplainArguments),
    /// Serve an editor as you type: mistakes, types, lineage (language server)
    Lsp,
    /// Check settings, stores and libraries
    Doctor,
    /// Print shell completions
    Completions(CompletionsArguments),
}
