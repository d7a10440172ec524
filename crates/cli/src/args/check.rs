//! Arguments of `check`.

use clap::Args;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Also tell what may well be on purpose, such as columns that nothing reads
    #[arg(long)]
    pub(crate) pedantic: bool,
}
