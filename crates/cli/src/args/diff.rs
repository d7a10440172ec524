//! Arguments of the commands that hold versions against each other.

use clap::{Args, ValueEnum};

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// The side to compare from: an environment, a tag, the first digits of a commit, or `prod~1`
    #[arg(value_name = "BEFORE")]
    pub(crate) before: String,
    /// The side to compare to
    #[arg(value_name = "AFTER")]
    pub(crate) after: String,
    /// Only these assets
    #[arg(value_name = "ASSET")]
    pub(crate) assets: Vec<String>,
    /// Compare only these columns, and the grain
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Show at most so many rows of a kind
    #[arg(long, value_name = "ROWS", default_value_t = 5)]
    pub(crate) limit: usize,
    /// Form of the text: for a terminal, or for a pull request
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) format: TextForm,
}

/// Form of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextForm {
    /// For a terminal
    Text,
    /// For a pull request, bounded in size
    Markdown,
}

/// Arguments of `reproduce`.
#[derive(Debug, Args)]
pub(crate) struct ReproduceArguments {
    /// What to rebuild, with `@2` behind it for a model version or a table's Delta version
    #[arg(value_name = "ASSET[@VERSION]", required_unless_present = "all")]
    pub(crate) assets: Vec<String>,
    /// Rebuild every source, table and model version of the environment
    #[arg(long, conflicts_with = "assets")]
    pub(crate) all: bool,
}
