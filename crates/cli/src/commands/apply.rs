//! `baton apply`: plan, show, ask, execute; or execute a saved plan as it is.

use std::path::Path;

use baton_orchestrator::{Prepared, missing_approvals};
use baton_plan::{Plan, SavedPlan};

use super::promote::promote_saved;
use super::{confirm, end_at_interrupt};
use crate::args::ApplyArguments;
use crate::commands::run::finish;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render, saved_plan};

/// Brings the environment to what the project asks for.
pub(super) async fn apply(context: &Context, arguments: &ApplyArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let context = &context.explaining(arguments.explain);
    match &arguments.plan {
        Some(path) => apply_saved(context, path).await,
        None => apply_project(context, arguments).await,
    }
}

async fn apply_project(context: &Context, arguments: &ApplyArguments) -> Result<Outcome, CliError> {
    let workspace = Workspace::open(context, Access::Write).await?;
    let workspace = workspace.given_texts(&arguments.limits.parameters.texts()?)?;
    let _guard = workspace.lock("baton apply").await?;
    let as_of = workspace.as_of();
    let request = saved_plan::request(&workspace, &arguments.limits)?;
    let prepared = workspace.prepare(as_of).await?;
    let change = workspace.plan_change(prepared, as_of, &request).await?;
    let plan = &change.saved.plan;
    if !context.is_json() {
        output::print(&render::plan(plan))?;
    }
    need_approvals(&workspace, &change.saved, None).await?;
    if !plan.is_empty() {
        confirm(&workspace, arguments.yes, "Apply this plan?")?;
    }
    execute(&workspace, &change.prepared, plan).await
}

/// Whoever saved the plan has seen it: nothing is asked, and nothing but it is done.
async fn apply_saved(context: &Context, path: &Path) -> Result<Outcome, CliError> {
    let saved = saved_plan::read(path)?;
    if let Some(promotion) = &saved.plan.promotion {
        return promote_saved(context, &saved, promotion, path).await;
    }
    let context = saved_plan::context_of(context, &saved)?;
    let workspace = Workspace::open(&context, Access::Write).await?.given(saved.parameters.clone())?;
    let _guard = workspace.lock("baton apply").await?;
    let prepared = saved_plan::project_of(&workspace, &saved, path).await?;
    need_approvals(&workspace, &saved, Some(path)).await?;
    if !context.is_json() {
        output::print(&render::plan(&saved.plan))?;
    }
    execute(&workspace, &prepared, &saved.plan).await
}

async fn need_approvals(workspace: &Workspace, saved: &SavedPlan, path: Option<&Path>) -> Result<(), CliError> {
    let missing = missing_approvals(workspace.services(), saved).await?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(CliError::Unapproved {
        what: format!("the plan for environment `{}`", saved.plan.environment),
        missing: saved_plan::owners(&missing),
        saved: path.map(Path::to_owned).ok_or_else(|| "baton plan".to_owned()),
    })
}

async fn execute(workspace: &Workspace, prepared: &Prepared, plan: &Plan) -> Result<Outcome, CliError> {
    let report = baton_orchestrator::apply(workspace.services(), prepared, plan).await?;
    if plan.is_empty() && !workspace.context.is_json() {
        return Ok(Outcome::Fine);
    }
    finish(&workspace.context, &report)
}
