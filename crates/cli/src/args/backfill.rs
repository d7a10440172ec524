//! Arguments of `backfill`.

use clap::Args;

/// Arguments of `backfill`.
#[derive(Debug, Args)]
pub(crate) struct BackfillArguments {
    /// The incremental table
    #[arg(value_name = "ASSET")]
    pub(crate) asset: String,
    /// First instant to compute again
    #[arg(long, value_name = "TIME")]
    pub(crate) from: String,
    /// First instant not to compute again
    #[arg(long, value_name = "TIME")]
    pub(crate) to: String,
    /// Leave what reads the table as it is until the next run
    #[arg(long)]
    pub(crate) no_downstream: bool,
    /// Leave time empty between this range and what is there
    #[arg(long)]
    pub(crate) allow_gaps: bool,
    /// How many pieces to compute at once; the rows are the same
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) parallel: usize,
    /// Publish so much time at once, one slice after the other; a run that stops goes on with those that are left
    #[arg(long, value_name = "DURATION")]
    pub(crate) every: Option<String>,
    /// Begin with the latest slice
    #[arg(long)]
    pub(crate) latest_first: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask, not even for a protected environment
    #[arg(short, long)]
    pub(crate) yes: bool,
}
