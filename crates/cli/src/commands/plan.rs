//! `baton plan`: what an apply would do, and why.

use super::{end_at_interrupt, refresh};
use crate::args::{PlanArguments, PlanForm};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render, saved_plan};

/// Plans; changes nothing in the environment, and writes no file but the one that was asked for.
pub(super) async fn plan(context: &Context, arguments: &PlanArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let workspace = Workspace::open(context, Access::Read).await?;
    let workspace = workspace.given_texts(&arguments.limits.parameters.texts()?)?;
    if arguments.refresh_only {
        return refresh::refresh(&workspace, arguments).await;
    }
    let as_of = workspace.as_of();
    let request = saved_plan::request(&workspace, &arguments.limits)?;
    let prepared = workspace.prepare(as_of).await?;
    let planned = workspace.plan_change(prepared, as_of, &request).await?;
    let (saved, plan) = (&planned.saved, &planned.saved.plan);
    match (context.is_json(), arguments.format) {
        (true, _) => output::print_json(plan)?,
        (false, PlanForm::Text) => output::print(&render::plan(plan))?,
        (false, PlanForm::Markdown) => output::print(&baton_plan::render_markdown(plan))?,
    }
    if let Some(path) = &arguments.out {
        saved_plan::write(path, saved)?;
        output::say(&format!("saved; `baton apply {}` executes exactly this plan", path.display()));
    }
    let has_changes = arguments.detailed_exitcode && !plan.is_empty();
    // The process ends here: of a large project it takes longer to free piece by piece what goes as a whole anyway.
    std::mem::forget(planned);
    Ok(if has_changes { Outcome::PlanHasChanges } else { Outcome::Fine })
}
