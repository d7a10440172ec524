//! Arguments of `runbook`.

use clap::{Args, Subcommand};

/// Arguments of `runbook`.
#[derive(Debug, Args)]
pub(crate) struct RunbookArguments {
    #[command(subcommand)]
    pub(crate) command: RunbookCommand,
}

/// What is done with runbooks.
#[derive(Debug, Subcommand)]
pub(crate) enum RunbookCommand {
    /// List runbooks: what each does, and for which incidents
    List,
    /// Do a runbook, step by step
    Run(RunbookRunArguments),
}

/// Arguments of `runbook run`.
#[derive(Debug, Args)]
pub(crate) struct RunbookRunArguments {
    /// The runbook
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The incident that it is for, such as `inc-3`
    #[arg(long, value_name = "ID")]
    pub(crate) incident: Option<String>,
    /// Show what would be done, ask conditions and checks, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask, not even for a protected environment
    #[arg(short, long)]
    pub(crate) yes: bool,
}
