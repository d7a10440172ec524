//! Arguments of `export`.

use clap::Args;

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    /// The export
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Deliver all rows, and take away what is there and no longer here
    #[arg(long)]
    pub(crate) full_refresh: bool,
    /// Say what would be delivered, and deliver nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
