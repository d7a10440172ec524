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
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask, not even for a protected environment
    #[arg(short, long)]
    pub(crate) yes: bool,
}
