//! Arguments of the commands around endpoints.

use clap::Args;

use super::GuestArguments;

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Address to listen on [default: from the project, else 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<String>,
    /// Port to listen on; 0 picks a free one [default: from the project, else 8400]
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// Do not run schedules
    #[arg(long)]
    pub(crate) no_scheduler: bool,
    /// Seconds for which a ledger's server that cannot be reached is tried again
    /// [default: `BATON_LEDGER_TIMEOUT`, else 300; of other commands 20]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) ledger_timeout: Option<u64>,
    #[command(flatten)]
    pub(crate) guests: GuestArguments,
}

/// Arguments of `predict`.
#[derive(Debug, Args)]
pub(crate) struct PredictArguments {
    /// The endpoint
    #[arg(value_name = "ENDPOINT")]
    pub(crate) endpoint: String,
    /// One row as a JSON object, or several as an array; `-` reads standard input
    #[arg(long, value_name = "ROWS")]
    pub(crate) json: String,
}
