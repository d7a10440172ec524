//! Arguments of the commands around runs and schedules.

use clap::{Args, Subcommand, ValueEnum};

/// Arguments of `runs`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RunsArguments {
    #[command(flatten)]
    pub(crate) list: RunsListArguments,
    #[command(subcommand)]
    pub(crate) command: Option<RunsCommand>,
}

/// What of the history of runs is asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsCommand {
    /// Show one run: its steps over time, tries, what failed
    Show(RunsShowArguments),
    /// Ask a run to end; what it finished is kept
    Cancel(RunsCancelArguments),
}

/// Which runs are listed.
#[derive(Debug, Args)]
pub(crate) struct RunsListArguments {
    /// Only runs in this state
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<StateName>,
    /// Only runs of this schedule
    #[arg(long, value_name = "NAME")]
    pub(crate) schedule: Option<String>,
    /// At most so many, the newest
    #[arg(long, value_name = "RUNS", default_value_t = 20)]
    pub(crate) limit: u32,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateName {
    /// It goes on
    Running,
    /// No step failed
    Succeeded,
    /// Steps failed, or it could not be begun
    Failed,
    /// Somebody ended it
    Cancelled,
    /// Its process ended before it did
    Interrupted,
}

/// Arguments of `runs show`.
#[derive(Debug, Args)]
pub(crate) struct RunsShowArguments {
    /// The run, by the first digits of its id [default: the newest]
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Show the log of its steps too
    #[arg(long)]
    pub(crate) log: bool,
    /// Follow it until it ends
    #[arg(short, long)]
    pub(crate) follow: bool,
}

/// Arguments of `runs cancel`.
#[derive(Debug, Args)]
pub(crate) struct RunsCancelArguments {
    /// The run, by the first digits of its id
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
}

/// Arguments of `schedule`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleArguments {
    #[command(subcommand)]
    pub(crate) command: ScheduleCommand,
}

/// What is done with schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// List schedules: what makes them run, when next, how the last run ended
    List,
    /// Ask a server to run a schedule now
    Trigger(TriggerArguments),
}

/// Arguments of `schedule trigger`.
#[derive(Debug, Args)]
pub(crate) struct TriggerArguments {
    /// The schedule
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Wait until the run has ended
    #[arg(long)]
    pub(crate) wait: bool,
}
