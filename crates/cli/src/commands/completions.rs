//! `baton completions`: a script for the shell.

use clap::CommandFactory as _;

use crate::args::{Arguments, CompletionsArguments};
use crate::error::CliError;
use crate::exit::Outcome;
use crate::output;

/// Prints the script.
pub(super) fn completions(arguments: &CompletionsArguments) -> Result<Outcome, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "baton", &mut script);
    output::print_bytes(&script)?;
    Ok(Outcome::Fine)
}
