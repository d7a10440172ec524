//! Plans in files, and whether they still fit the project and the environment.

use std::fs;
use std::path::Path;

use baton_core::CommitId;
use baton_orchestrator::{PlanRequest, PlannedChange, Prepared, RunError};
use baton_plan::{NeededApproval, SavedPlan};

use crate::args::PlanLimits;
use crate::context::Context;
use crate::error::CliError;
use crate::output;
use crate::project::Workspace;
use crate::render::style;

/// Reads a saved plan.
///
/// # Errors
/// [`CliError::File`], [`CliError::SavedPlan`].
pub(crate) fn read(path: &Path) -> Result<SavedPlan, CliError> {
    let text = fs::read_to_string(path).map_err(CliError::file("read", path))?;
    SavedPlan::parse(&text).map_err(|reason| CliError::SavedPlan { path: path.to_owned(), reason })
}

/// Writes a plan. One that is cut off by a full disk is refused when it is read, by its digest.
///
/// # Errors
/// [`CliError::File`].
pub(crate) fn write(path: &Path, saved: &SavedPlan) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(saved).map_err(|error| CliError::file("write", path)(error.into()))?;
    fs::write(path, format!("{text}\n")).map_err(CliError::file("write", path))
}

/// The call that a saved plan stands for: its environment, its clock.
///
/// # Errors
/// [`CliError::BadArgument`] when the caller asks for others.
pub(crate) fn context_of(context: &Context, saved: &SavedPlan) -> Result<Context, CliError> {
    let plan = &saved.plan;
    if let Some(asked) = context.environment.as_ref().filter(|asked| **asked != plan.environment) {
        let message = format!("the plan is for environment `{}`, not `{asked}`", plan.environment);
        return Err(CliError::argument(message, "leave out --env, or plan for the other environment"));
    }
    if context.as_of.is_some_and(|asked| asked != plan.as_of) {
        let message = format!("the plan is as of {}, and --as-of asks for another time", plan.as_of.to_rfc3339());
        return Err(CliError::argument(message, "leave out --as-of, or plan again"));
    }
    Ok(Context { as_of: Some(plan.as_of), ..context.at(context.folder.clone(), &plan.environment) })
}

/// The project that a saved plan is executed with, when environment and project are as they were.
///
/// # Errors
/// [`CliError::StalePlan`], and those of planning.
pub(crate) async fn project_of(workspace: &Workspace, saved: &SavedPlan, path: &Path) -> Result<Prepared, CliError> {
    let plan = &saved.plan;
    need_heads(workspace, saved, path).await?;
    let prepared = workspace.prepare(plan.as_of).await?;
    if prepared.desired.fingerprint() != saved.project_fingerprint {
        return Err(stale(saved, path, "the project has changed since it was made".to_owned()));
    }
    let request = PlanRequest::of(plan);
    let change = workspace.plan_change(prepared, plan.as_of, &request).await?;
    Ok(change.prepared)
}

/// Refuses a plan of another project, and one when an environment that it was made of has moved since.
///
/// # Errors
/// [`CliError::StalePlan`], and those of the ledger.
pub(crate) async fn need_heads(workspace: &Workspace, saved: &SavedPlan, path: &Path) -> Result<(), CliError> {
    let plan = &saved.plan;
    if workspace.project.name != saved.project {
        let reason = format!("it is a plan of project `{}`, and this is `{}`", saved.project, workspace.project.name);
        return Err(stale(saved, path, reason));
    }
    let promoted = plan.promotion.iter().map(|promotion| (&promotion.source, Some(&promotion.commit)));
    for (environment, was) in std::iter::once((&plan.environment, plan.base.as_ref())).chain(promoted) {
        let head = workspace.services().ledger.head(environment).await?.map(|commit| commit.id);
        if head.as_ref() != was {
            let show = |id: Option<&CommitId>| id.map_or("no commit".to_owned(), |id| id.short().to_owned());
            let (was, is) = (show(was), show(head.as_ref()));
            let reason = format!("environment `{environment}` has moved since it was made, from {was} to {is}");
            return Err(stale(saved, path, reason));
        }
    }
    Ok(())
}

fn stale(saved: &SavedPlan, path: &Path, reason: String) -> CliError {
    let again = match &saved.plan.promotion {
        Some(promotion) => format!("baton promote {} {}", promotion.source, saved.plan.environment),
        None => "baton plan".to_owned(),
    };
    CliError::StalePlan { path: path.to_owned(), reason, again }
}

impl Workspace {
    /// Plans what `request` asks for; expressions that match nothing are told on standard error.
    ///
    /// # Errors
    /// Those of planning.
    pub(crate) async fn plan_change(
        &self,
        prepared: Prepared,
        as_of: baton_core::Timestamp,
        request: &PlanRequest,
    ) -> Result<PlannedChange, CliError> {
        let environment = self.environment.as_str();
        let change = baton_orchestrator::plan_change(self.services(), prepared, environment, as_of, request).await;
        let change = change.map_err(|error| match error {
            RunError::Selection(error) => CliError::Selection(error),
            error => CliError::Run(error),
        })?;
        for unmatched in change.unmatched.iter().filter(|_| !self.context.quiet) {
            output::say(&format!("{} {}", style::warning("warning:"), unmatched.message()));
        }
        Ok(change)
    }
}

/// The request that flags make.
///
/// # Errors
/// [`CliError::UnknownAsset`] for a table that is to be recreated and does not exist.
pub(crate) fn request(workspace: &Workspace, limits: &PlanLimits) -> Result<PlanRequest, CliError> {
    for name in &limits.recreate {
        workspace.need_asset(name)?;
    }
    let recreate = limits.recreate.iter().filter_map(|name| baton_core::AssetName::parse(name).ok()).collect();
    Ok(PlanRequest {
        select: limits.selection.select.clone(),
        exclude: limits.selection.exclude.clone(),
        full_refresh: limits.full_refresh,
        recreate,
    })
}

/// Owners with what of theirs breaks: `ada@example.com (flights, outcomes)`.
pub(crate) fn owners(needed: &[NeededApproval]) -> String {
    let owner = |found: &NeededApproval| {
        let assets: Vec<&str> = found.assets.iter().map(|asset| asset.as_str()).collect();
        format!("{} ({})", found.owner, assets.join(", "))
    };
    needed.iter().map(owner).collect::<Vec<_>>().join(", ")
}
