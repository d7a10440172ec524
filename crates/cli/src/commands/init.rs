//! `baton init`: a new project.

use crate::args::InitArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::render::style;
use crate::{init, output};

/// Writes a template into the folder.
pub(super) fn init(context: &Context, arguments: &InitArguments) -> Result<Outcome, CliError> {
    let files = init::write(&context.folder, arguments.template, arguments.force)?;
    let mut text = String::new();
    for file in &files {
        text.push_str(&format!("{} {file}\n", style::good("+")));
    }
    text.push_str("\nNext:\n  baton check\n  baton plan\n  baton apply\n");
    output::print(&text)?;
    Ok(Outcome::Fine)
}
