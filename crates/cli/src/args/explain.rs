//! Arguments of `explain`.

use clap::Args;

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The code, as a message shows it: P0102 [default: list all codes]
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}
