//! Arguments of `import` and `export`: what other trackers keep, and deliveries.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::export::ExportArguments;
use super::tracked::StoreArguments;

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    #[command(subcommand)]
    pub(crate) command: ImportCommand,
}

/// Which tracker is brought in.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Bring in what MLflow kept: experiments, runs, models, the registry, traces and artifacts
    Mlflow(ImportMlflowArguments),
    /// Bring in studies of Optuna as parent runs, with trials as runs nested in them
    Optuna(ImportOptunaArguments),
}

/// Arguments of `import mlflow`.
#[derive(Debug, Args)]
pub(crate) struct ImportMlflowArguments {
    /// Folder `mlruns`, or database: a path, `file:///PATH` or `sqlite:///PATH`
    #[arg(value_name = "PATH")]
    pub(crate) address: String,
    /// Folder in which `mlflow server` kept artifacts [default: `mlartifacts` beside the database]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) artifacts: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

/// Arguments of `import optuna`.
#[derive(Debug, Args)]
pub(crate) struct ImportOptunaArguments {
    /// Database: a path or `sqlite:///PATH`
    #[arg(value_name = "PATH")]
    pub(crate) address: String,
    /// Experiment for all studies [default: one for each, of its name]
    #[arg(long, value_name = "NAME")]
    pub(crate) experiment: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}

/// Arguments of `export`: what is delivered, or what else is written.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ExportEntryArguments {
    #[command(flatten)]
    pub(crate) delivery: Option<ExportArguments>,
    #[command(subcommand)]
    pub(crate) command: Option<ExportCommand>,
}

/// What is written besides deliveries.
#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// Write what is tracked as a database and artifacts that MLflow opens
    Mlflow(ExportMlflowArguments),
}

/// Arguments of `export mlflow`.
#[derive(Debug, Args)]
pub(crate) struct ExportMlflowArguments {
    /// Folder that gets `mlflow.db` and `mlruns`, or the database's own path
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) store: StoreArguments,
}
