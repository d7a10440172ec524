//! Arguments of `tracking`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `tracking`, named as those of `mlflow server` are.
#[derive(Debug, Args)]
pub(crate) struct TrackingArguments {
    /// Address to listen on
    #[arg(long, short = 'H', value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Port to listen on; 0 picks a free one
    #[arg(long, short = 'p', value_name = "PORT", default_value_t = 5000)]
    pub(crate) port: u16,
    /// File that keeps what is tracked, as a path or `sqlite:///PATH`; it is made where it is missing
    #[arg(long, visible_alias = "store", value_name = "FILE", default_value = ".baton/tracking.db")]
    pub(crate) backend_store_uri: String,
    /// Folder that keeps artifacts [default: `artifacts` beside the file]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) artifacts_destination: Option<PathBuf>,
}
