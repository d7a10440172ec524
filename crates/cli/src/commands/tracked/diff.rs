//! `baton runs diff`: what two tracked runs differ in.

use super::sections::{Comparison, compare};
use super::{environment, run_called, short};
use crate::args::TrackedDiffArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::{output, render, wire};

/// Compares two runs.
pub(in crate::commands) async fn diff(
    context: &Context,
    arguments: &TrackedDiffArguments,
) -> Result<Outcome, CliError> {
    let tracked = wire::tracked(context, arguments.store.store.as_deref(), wire::Access::Read).await?;
    let (from, to) = (run_called(&tracked, &arguments.from).await?, run_called(&tracked, &arguments.to).await?);
    let packages = [environment::packages(&tracked, &from).await, environment::packages(&tracked, &to).await];
    let sections = compare([&from, &to], packages, arguments.all);
    let runs = [&from, &to].map(|run| format!("{} ({})", run.info.name, short(&run.info.run_id)));
    let comparison = Comparison { runs, sections };
    if context.is_json() {
        output::print_json(&comparison)?;
    } else {
        output::print(&render::tracked_comparison(&comparison))?;
    }
    Ok(Outcome::Fine)
}
