//! `baton check`: every mistake in the project at once; changes nothing.

use baton_diagnostics::{has_errors, to_json};
use baton_orchestrator::InspectOptions;

use super::end_at_interrupt;
use crate::args::CheckArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::output;
use crate::project::Workspace;
use crate::wire::Access;

/// Reads and resolves the project; diagnostics are the answer in JSON, and go to standard error as text.
pub(super) async fn check(context: &Context, arguments: &CheckArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Read).await?;
    let (prepared, mut diagnostics) = workspace.examine(workspace.as_of()).await?;
    if let Some(prepared) = &prepared {
        let options = InspectOptions { is_pedantic: arguments.pedantic };
        diagnostics.extend(baton_orchestrator::inspect_project(prepared, options));
        diagnostics.extend(baton_orchestrator::check_tests(workspace.services(), prepared).await);
    }
    let rendered = workspace.project.render(&diagnostics, output::stderr_has_color());
    if context.is_json() {
        output::print_json(&to_json(&diagnostics))?;
    }
    if has_errors(&diagnostics) {
        return Err(CliError::Project { rendered: if context.is_json() { String::new() } else { rendered } });
    }
    if !context.is_json() {
        if !diagnostics.is_empty() {
            output::say(rendered.trim_end());
        }
        let count = workspace.project.assets.len();
        output::print(&format!("{}: {count} assets, no errors\n", workspace.project.name))?;
    }
    Ok(Outcome::Fine)
}
