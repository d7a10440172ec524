//! Which assets a command is about, for all commands that take a selection.

use clap::Args;

use super::parameters::ParameterArguments;

/// A selection in dbt's grammar.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SelectionArguments {
    /// Only these assets: `x`, `+x`, `x+`, `2+x`, `x+2`, `@x`, `tag:`, `kind:`, `owner:`, `state:`, `result:`, `source:`,
    /// `path:`, wildcards; a space is a union, a comma an intersection
    #[arg(short, long, value_name = "SELECTION", num_args = 1..)]
    pub(crate) select: Vec<String>,
    /// Not these assets, in the same grammar
    #[arg(long, value_name = "SELECTION", num_args = 1..)]
    pub(crate) exclude: Vec<String>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    #[command(flatten)]
    pub(crate) parameters: ParameterArguments,
    /// Run what this schedule selects, as it says
    #[arg(long, value_name = "NAME", conflicts_with_all = ["select", "exclude"])]
    pub(crate) schedule: Option<String>,
    /// Say of each step whether its output was there already, and why not
    #[arg(long)]
    pub(crate) explain: bool,
}
