//! Arguments of the commands that change an environment, and of those that say how.

use clap::Args;

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    /// Exit with 3 when there is something to do
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    /// Do not ask, not even for a protected environment
    #[arg(short, long)]
    pub(crate) yes: bool,
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
