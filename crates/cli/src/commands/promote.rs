//! `baton promote`: what one environment changed comes to another, all of it or nothing.

use std::path::Path;

use baton_orchestrator::{Prefer, Prepared, PromoteOptions, PromoteReport, RunReport, deliver_due};
use baton_plan::{PlannedPromotion, SavedPlan};
use serde_json::json;

use super::export::{add_delivered, delivered_outcome, delivered_text};
use super::{confirm, end_at_interrupt};
use crate::args::{PromoteArguments, Side};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render, saved_plan};

/// Promotes, or says what that would move, or saves it as a plan for others to approve.
pub(super) async fn promote(context: &Context, arguments: &PromoteArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let context = context.at(context.folder.clone(), &arguments.target);
    let workspace = Workspace::open(&context, Access::Write).await?;
    let _guard = workspace.lock("baton promote").await?;
    let prepared = workspace.prepare(workspace.viewed_at().await?).await?;
    let options = PromoteOptions {
        dry_run: false,
        merge_rows: arguments.merge_rows,
        prefer: arguments.prefer.map(prefer_of),
        plan: arguments.out.is_some(),
        exactly: None,
    };
    let going = Going { workspace: &workspace, prepared: &prepared, source: &arguments.source };
    if arguments.dry_run || arguments.out.is_some() {
        let planned = going.go(PromoteOptions { dry_run: true, ..options }).await?;
        return show(&workspace, &planned, arguments.out.as_deref());
    }
    if workspace.is_protected() && !arguments.yes {
        let planned = going.go(PromoteOptions { dry_run: true, ..options.clone() }).await?;
        let has_nothing_to_ask = planned.moves.is_empty() || !planned.conflicts.is_empty();
        if has_nothing_to_ask || !planned.approvals.is_empty() {
            return finish(&context, &planned, None, None);
        }
        if !context.is_json() {
            output::print(&render::promotion(&planned))?;
        }
        confirm(&workspace, arguments.yes, "Promote this?")?;
    }
    going.finish(options, None).await
}

/// Promotes what was saved, as long as both environments are where they were.
///
/// # Errors
/// [`CliError::StalePlan`], [`CliError::Unapproved`], and those of promoting.
pub(super) async fn promote_saved(
    context: &Context,
    saved: &SavedPlan,
    promotion: &PlannedPromotion,
    path: &Path,
) -> Result<Outcome, CliError> {
    let context = saved_plan::context_of(context, saved)?;
    let workspace = Workspace::open(&context, Access::Write).await?;
    let _guard = workspace.lock("baton promote").await?;
    let prepared = workspace.prepare(workspace.viewed_at().await?).await?;
    saved_plan::need_heads(&workspace, saved, path).await?;
    let options = PromoteOptions {
        dry_run: false,
        merge_rows: promotion.merge_rows,
        prefer: promotion.prefer.as_deref().and_then(Prefer::parse),
        plan: true,
        exactly: Some(saved.digest.clone()),
    };
    let going = Going { workspace: &workspace, prepared: &prepared, source: &promotion.source };
    going.finish(options, Some(path)).await
}

/// Where a promotion comes from and goes to.
struct Going<'g> {
    workspace: &'g Workspace,
    prepared: &'g Prepared,
    source: &'g str,
}

impl Going<'_> {
    async fn go(&self, options: PromoteOptions) -> Result<PromoteReport, CliError> {
        let (services, target) = (self.workspace.services(), &self.workspace.environment);
        Ok(baton_orchestrator::promote(services, self.prepared, self.source, target, options).await?)
    }

    /// Promotes, and delivers what is due then.
    async fn finish(&self, options: PromoteOptions, path: Option<&Path>) -> Result<Outcome, CliError> {
        let report = self.go(options).await?;
        let delivered = match report.commit {
            Some(_) => {
                let prepared = self.workspace.prepare(report.as_of).await?;
                deliver_due(self.workspace.services(), &prepared, &self.workspace.environment).await?
            }
            None => None,
        };
        finish(&self.workspace.context, &report, delivered.as_ref(), path)
    }
}

fn prefer_of(side: Side) -> Prefer {
    match side {
        Side::Source => Prefer::Source,
        Side::Target => Prefer::Target,
    }
}

/// What would move; saved as a plan where a file is named.
fn show(workspace: &Workspace, planned: &PromoteReport, out: Option<&Path>) -> Result<Outcome, CliError> {
    let outcome = told(&workspace.context, planned, None)?;
    let Some(path) = out else { return Ok(outcome) };
    let Some(saved) = &planned.saved else {
        output::say(&format!("nothing to promote, so `{}` is not written", path.display()));
        return Ok(outcome);
    };
    saved_plan::write(path, saved)?;
    output::say(&format!("saved; `baton apply {}` promotes exactly this", path.display()));
    Ok(outcome)
}

fn told(context: &Context, report: &PromoteReport, delivered: Option<&RunReport>) -> Result<Outcome, CliError> {
    if context.is_json() {
        let mut told = json!(report);
        add_delivered(&mut told, delivered);
        output::print_json(&told)?;
    } else {
        output::print(&(render::promotion(report) + &delivered_text(delivered)))?;
    }
    match report.conflicts.len() {
        0 => Ok(Outcome::Fine),
        count => {
            let (from, target) = (report.source.clone(), report.target.clone());
            Err(CliError::Conflicts { count, from, target })
        }
    }
}

fn finish(
    context: &Context,
    report: &PromoteReport,
    delivered: Option<&RunReport>,
    path: Option<&Path>,
) -> Result<Outcome, CliError> {
    told(context, report, delivered)?;
    if report.approvals.is_empty() {
        return delivered_outcome(delivered);
    }
    let (source, target) = (&report.source, &report.target);
    Err(CliError::Unapproved {
        what: format!("the promotion of `{source}` into `{target}`"),
        missing: saved_plan::owners(&report.approvals),
        saved: path.map(Path::to_owned).ok_or_else(|| format!("baton promote {source} {target}")),
    })
}
