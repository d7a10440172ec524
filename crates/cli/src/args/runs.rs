//! Arguments of the commands around runs and schedules.

use clap::{Args, Subcommand, ValueEnum};

use super::parameters::ParameterArguments;
use super::tracked::{PlotArguments, TrackedDiffArguments, TrackedListArguments};

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
    /// List tracked runs, of experiments and searches, by MLflow's filter
    Ls(TrackedListArguments),
    /// Compare two tracked runs: parameters, metrics, data, code, environment
    Diff(TrackedDiffArguments),
    /// Draw tracked runs: learning curves, parallel coordinates
    Plot(PlotArguments),
    /// Show one run: its steps over time, tries, what failed; of a tracked run, what `show run` tells
    Show(RunsShowArguments),
    /// Ask a run to end; what it finished is kept
    Cancel(RunsCancelArguments),
    /// Ask a run, a backfill or a runbook to stop behind the step at hand; `resume` goes on with it
    Pause(RunsCancelArguments),
    /// Go on with a run that is paused or waited; or do again what did not end well in it: with its clock, parameters and
    /// selection, from the step that failed
    Resume(ResumeArguments),
    /// Delete the history of old runs; data, commits and events stay
    Prune(PruneArguments),
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
    /// It goes on when somebody approves
    WaitingForApproval,
    /// It goes on when somebody says so
    Paused,
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

/// Arguments of `runs resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    /// The run, by the first digits of its id [default: the newest]
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// Say of each step whether its output was there already, and why not
    #[arg(long)]
    pub(crate) explain: bool,
}

/// Arguments of `runs prune`.
#[derive(Debug, Args)]
pub(crate) struct PruneArguments {
    /// Runs that began before this long ago go
    #[arg(long, value_name = "DURATION", default_value = "90d")]
    pub(crate) older_than: String,
    /// So many runs of each environment stay, however old
    #[arg(long, value_name = "RUNS", default_value_t = 100)]
    pub(crate) keep: u32,
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
    /// Hold a schedule back, whatever its file says; a hand still runs it
    Pause(SchedulePauseArguments),
    /// Let a schedule go on that was held back
    Resume(ScheduleResumeArguments),
}

/// Arguments of `schedule pause`.
#[derive(Debug, Args)]
pub(crate) struct SchedulePauseArguments {
    /// The schedule
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// How long [default: until it is resumed]
    #[arg(long = "for", value_name = "DURATION")]
    pub(crate) lasts: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// Arguments of `schedule resume`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleResumeArguments {
    /// The schedule
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// Arguments of `schedule trigger`.
#[derive(Debug, Args)]
pub(crate) struct TriggerArguments {
    /// The schedule
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) parameters: ParameterArguments,
    /// Wait until the run has ended
    #[arg(long)]
    pub(crate) wait: bool,
}
