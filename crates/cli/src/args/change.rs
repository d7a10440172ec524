//! Arguments of the commands that change an environment, and of those that say how.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::parameters::ParameterArguments;
use super::selection::SelectionArguments;

/// What a plan is limited to, and what it makes from nothing.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PlanLimits {
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    #[command(flatten)]
    pub(crate) parameters: ParameterArguments,
    /// Make incremental tables from nothing; tables that keep what their inputs no longer say are left
    #[arg(long)]
    pub(crate) full_refresh: bool,
    /// Make this table from nothing although it keeps what its inputs no longer say (can be repeated)
    #[arg(long, value_name = "TABLE")]
    pub(crate) recreate: Vec<String>,
}

/// Form of a plan for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanForm {
    /// For a terminal
    Text,
    /// For a comment on a pull request, at most 60 kB
    Markdown,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) limits: PlanLimits,
    /// List what changed under us instead: files, logs, pointers, models and online values that are not as recorded
    #[arg(long, conflicts_with_all = ["out", "format", "select", "exclude", "full_refresh", "recreate"])]
    pub(crate) refresh_only: bool,
    /// With --refresh-only: read the contents of all files, not only of those written lately
    #[arg(long, requires = "refresh_only")]
    pub(crate) deep: bool,
    /// Save the plan in a file that `baton apply FILE` executes
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Form of the plan
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: PlanForm,
    /// Exit with 3 when there is something to do
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    /// A plan saved with `baton plan --out FILE`; without one, the project is planned and shown first
    #[arg(value_name = "FILE", conflicts_with_all = ["select", "exclude", "full_refresh", "recreate", "params"])]
    pub(crate) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) limits: PlanLimits,
    /// Do not ask, not even for a protected environment
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Say of each step whether its output was there already, and why not
    #[arg(long)]
    pub(crate) explain: bool,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArguments {
    /// First tick of the logical clock
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,
    /// Last tick of the logical clock
    #[arg(long, value_name = "TIME")]
    pub(crate) to: String,
    /// Time between ticks
    #[arg(long, value_name = "DURATION", default_value = "1d")]
    pub(crate) every: String,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    /// The commit to go back to, by its first digits [default: the one before the newest]
    #[arg(value_name = "COMMIT")]
    pub(crate) commit: Option<String>,
    /// Do not ask, not even for a protected environment
    #[arg(short, long)]
    pub(crate) yes: bool,
}
