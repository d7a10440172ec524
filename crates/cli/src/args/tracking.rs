//! Arguments of `tracking`.

use baton_server::Allowed;
use clap::Args;

/// Who may ask what is tracked, besides this machine and private networks.
#[derive(Debug, Args)]
pub(crate) struct GuestArguments {
    /// Hosts by which MLflow clients may ask, besides this machine and private networks; `*` for all
    #[arg(long, value_name = "HOSTS", value_delimiter = ',')]
    pub(crate) allowed_hosts: Vec<String>,
    /// Origins whose pages may change what is tracked, besides those of this machine
    #[arg(long, value_name = "ORIGINS", value_delimiter = ',')]
    pub(crate) cors_allowed_origins: Vec<String>,
}

impl GuestArguments {
    /// As the server takes it.
    pub(crate) fn allowed(&self) -> Allowed {
        Allowed { hosts: self.allowed_hosts.clone(), origins: self.cors_allowed_origins.clone() }
    }
}

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
    /// Folder that keeps artifacts, or `s3://BUCKET/FOLDER` [default: `artifacts` beside the file]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) artifacts_destination: Option<String>,
    /// What may stand before each path, such as `/mlflow` behind a proxy
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    pub(crate) static_prefix: String,
    #[command(flatten)]
    pub(crate) guests: GuestArguments,
}
