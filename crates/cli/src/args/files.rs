//! Arguments of `files`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `files`.
#[derive(Debug, Args)]
pub(crate) struct FilesArguments {
    /// The table, whose command says `files`
    #[arg(value_name = "TABLE")]
    pub(crate) table: String,
    /// Only files whose path is this or begins so
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// Write them below this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: Option<PathBuf>,
    /// Those of a commit or tag [default: what the environment points at]
    #[arg(long, value_name = "COMMIT")]
    pub(crate) at: Option<String>,
}
