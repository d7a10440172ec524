//! Arguments of the commands that set up a project or speak to the shell.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// What to start from
    #[arg(long, value_name = "NAME", default_value = "empty")]
    pub(crate) template: TemplateName,
    /// Write into a folder that is not empty
    #[arg(long)]
    pub(crate) force: bool,
}

/// What a new project starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TemplateName {
    /// One source, one table, a few checks
    Empty,
    /// The demo's project: from landing files to a watched prediction
    Flights,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Folder to write the project into
    #[arg(long, value_name = "FOLDER", default_value = "baton-demo")]
    pub(crate) dir: PathBuf,
    /// Write into a folder that is not empty
    #[arg(long)]
    pub(crate) force: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}
