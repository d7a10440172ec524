//! Arguments of the commands on environments, tags and stored files.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Arguments of `env`.
#[derive(Debug, Args)]
pub(crate) struct EnvArguments {
    #[command(subcommand)]
    pub(crate) command: EnvCommand,
}

/// What `env` does.
#[derive(Debug, Subcommand)]
pub(crate) enum EnvCommand {
    /// Make an environment: a pointer, no data is copied
    Create(EnvCreateArguments),
    /// List environments, with what they point at
    List,
    /// Compare two environments, tags or commits, asset by asset
    Diff(EnvDiffArguments),
    /// Remove an environment; what only it reached goes with the next gc
    Rm(EnvRemoveArguments),
}

/// Arguments of `env create`.
#[derive(Debug, Args)]
pub(crate) struct EnvCreateArguments {
    /// The name of the new environment
    pub(crate) name: String,
    /// The environment, tag or commit that it starts from [default: that of --env]
    #[arg(long, value_name = "WHERE")]
    pub(crate) from: Option<String>,
}

/// Arguments of `env diff`.
#[derive(Debug, Args)]
pub(crate) struct EnvDiffArguments {
    /// The environment, tag or commit to compare from
    pub(crate) from: String,
    /// The one to compare with [default: that of --env]
    pub(crate) to: Option<String>,
    /// Exit with 3 when they differ
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

/// Arguments of `env rm`.
#[derive(Debug, Args)]
pub(crate) struct EnvRemoveArguments {
    /// The environment
    pub(crate) name: String,
    /// Do not ask, not even for a protected environment
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Arguments of `promote`.
#[derive(Debug, Args)]
pub(crate) struct PromoteArguments {
    /// The environment whose changes are promoted
    pub(crate) source: String,
    /// The environment that takes them in
    pub(crate) target: String,
    /// Show what would move; move nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Merge rows by key wherever both sides have new ones and a grain is declared
    #[arg(long)]
    pub(crate) merge_rows: bool,
    /// Save it as a plan for others to approve, which `baton apply FILE` promotes; move nothing
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(crate) out: Option<PathBuf>,
    /// Decide conflicts for one side
    #[arg(long, value_name = "SIDE")]
    pub(crate) prefer: Option<Side>,
    /// Do not ask, not even for a protected environment
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// A side of a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Side {
    /// What is promoted
    Source,
    /// What is there
    Target,
}

/// Arguments of `gc`.
#[derive(Debug, Args)]
pub(crate) struct GcArguments {
    /// Show what would go, with bytes; delete nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How long the commits of an environment stay; its head, tags and model versions stay always
    #[arg(long, value_name = "DURATION", default_value = "30d")]
    pub(crate) keep: String,
    /// Leave files younger than this that no version names
    #[arg(long, value_name = "DURATION", default_value = "1h")]
    pub(crate) grace: String,
}

/// Arguments of `tag`.
#[derive(Debug, Args)]
pub(crate) struct TagArguments {
    /// The name to give
    #[arg(required_unless_present_any = ["list", "delete"])]
    pub(crate) name: Option<String>,
    /// The environment, tag or commit that it names [default: the head of --env]
    pub(crate) commit: Option<String>,
    /// List all tags
    #[arg(short, long, conflicts_with_all = ["name", "delete"])]
    pub(crate) list: bool,
    /// Delete a tag
    #[arg(short, long, value_name = "TAG", conflicts_with = "name")]
    pub(crate) delete: Option<String>,
    /// Move a tag that exists
    #[arg(short, long)]
    pub(crate) force: bool,
}
