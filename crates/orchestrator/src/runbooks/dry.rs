//! What a runbook would do: conditions and checks are asked, everything else is only told.

use baton_core::Timestamp;
use baton_core::runbook::{Action, RunbookStep};

use super::act::for_so_long;
use super::{Book, Ended, RunbookRequest, open, reported};
use crate::commands::resolve_rollback;
use crate::error::RunError;
use crate::prepare::Prepared;
use crate::report::{RunReport, StepState, counted};
use crate::services::Services;

/// Says what a runbook would do now. Reads, never writes.
///
/// # Errors
/// As [`super::run_runbook`]; a step that could not be done is told with its reason.
pub async fn dry_run_runbook(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    as_of: Timestamp,
    request: &RunbookRequest,
) -> Result<RunReport, RunError> {
    let mut book = open(services, prepared, environment, as_of, request).await?;
    for step in &book.runbook.steps {
        let ended = match book.would(step).await {
            Ok(ended) => ended,
            Err(RunError::Ledger(error)) => return Err(error.into()),
            Err(error) => Ended::new(StepState::Failed, error.to_string()),
        };
        book.report.steps.push(reported(step, ended, 0.0));
    }
    Ok(book.report)
}

impl Book<'_> {
    async fn would(&self, step: &RunbookStep) -> Result<Ended, RunError> {
        if let Some(condition) = &step.condition {
            let (holds, found) = self.is_true(condition).await?;
            if !holds {
                return Ok(Ended::new(StepState::Skipped, format!("its condition does not hold now: it is {found}")));
            }
        }
        let first = match &step.approval {
            Some(approval) => format!("with the approval of {}, ", approval.whom()),
            None => String::new(),
        };
        Ok(Ended::new(StepState::UpToDate, format!("{first}{}", self.would_do(step).await?)))
    }

    async fn would_do(&self, step: &RunbookStep) -> Result<String, RunError> {
        Ok(match &step.action {
            Action::Rerun { select } => match self.selected(select).await? {
                None => "would run everything".to_owned(),
                Some(assets) => {
                    let names: Vec<&str> = assets.iter().map(|name| name.as_str()).collect();
                    format!("would run {}", names.join(", "))
                }
            },
            Action::Backfill { table, last } => {
                let plan = self.backfill_plan(table, *last).await?;
                let readers: Vec<&str> = plan.downstream.iter().map(|reader| reader.name.as_str()).collect();
                let then = if readers.is_empty() { String::new() } else { format!(", then {}", readers.join(", ")) };
                let batches = counted(plan.batches, "batch", "batches");
                format!("would compute {batches} of {table} again, {}{then}", plan.interval)
            }
            Action::Rollback { to } => {
                let target = resolve_rollback(self.services, self.environment, to.as_deref()).await?;
                format!("would move {} back to {} ({})", self.environment, target.id.short(), target.reason)
            }
            Action::Pause { what, lasts } => format!("would hold {} back{}", what.subject(), for_so_long(*lasts)),
            Action::Resume { what } => format!("would let {} go on", what.subject()),
            Action::Scale { pool, slots, lasts } => {
                let slots = counted(*slots as u64, "slot", "slots");
                format!("would give pool {pool} {slots}{}", for_so_long(*lasts))
            }
            Action::Notify { channels, message } => format!("would tell {}: {message}", channels.join(", ")),
            Action::Check { sql } => match self.is_true(sql).await? {
                (true, _) => "holds now".to_owned(),
                (false, found) => format!("does not hold now: it is {found}"),
            },
        })
    }
}
