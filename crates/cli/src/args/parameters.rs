//! Values for the project's parameters, for all commands that take them.

use clap::Args;

/// Values by name.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ParameterArguments {
    /// Give a parameter of the project a value, for this run (can be repeated) [default: as declared under `params:`]
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(crate) params: Vec<String>,
}
