//! Arguments of `approve`.

use clap::Args;

/// Arguments of `approve`.
#[derive(Debug, Args)]
pub(crate) struct ApproveArguments {
    /// A plan saved with `baton plan --out FILE`, a run, or a step of it as `RUN/STEP` [default: list what waits]
    #[arg(value_name = "WHAT")]
    pub(crate) what: Option<String>,
    /// The owner who answers, as the project names them
    #[arg(long = "as", value_name = "OWNER", required_if_eq("reject", "true"))]
    pub(crate) owner: Option<String>,
    /// Do not let it be done
    #[arg(long, requires = "what")]
    pub(crate) reject: bool,
    /// Why
    #[arg(long, value_name = "TEXT", requires = "what")]
    pub(crate) reason: Option<String>,
}
