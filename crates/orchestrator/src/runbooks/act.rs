//! What a step of a runbook does: each action by the code of the command of its name.

use std::collections::BTreeSet;

use baton_core::AssetName;
use baton_core::channel::Occasion;
use baton_core::duration::format_seconds;
use baton_core::ports::{Adjustment, LogLine, NewMessage, RunChange};
use baton_core::runbook::{Action, RunbookStep};
use baton_notify::{Notice, Severity};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::Book;
use crate::checks::rows_as_json;
use crate::commands::{
    BackfillPlan, BackfillRequest, backfill, deliver_due, head, plan_backfill, query, rollback, rollback_told, run,
    run_selected, select,
};
use crate::error::RunError;
use crate::report::{RunReport, StepState, counted};

impl Book<'_> {
    /// Does a step; answers with what came of it, in a line.
    pub(super) async fn act(&mut self, step: &RunbookStep) -> Result<String, RunError> {
        match &step.action {
            Action::Rerun { select } => self.rerun(step, select).await,
            Action::Backfill { table, last } => {
                let plan = self.backfill_plan(table, *last).await?;
                let report = backfill(self.services, self.prepared, &plan).await?;
                self.told(step, &report).await
            }
            Action::Rollback { to } => {
                let to = self.rollback_to(to.as_deref()).await?;
                self.roll_back(to.as_deref()).await
            }
            Action::Pause { what, lasts } => {
                self.adjust(self.environment, what.subject(), json!({"paused": true}), *lasts).await?;
                Ok(format!("{} is held back{}", what.subject(), for_so_long(*lasts)))
            }
            Action::Resume { what } => {
                let subject = what.subject();
                let was = self.services.operations.end_adjustment(self.environment, &subject).await?;
                Ok(format!("{subject} {}", if was { "goes on" } else { "was not held back" }))
            }
            Action::Scale { pool, slots, lasts } => {
                // A pool is one for all environments of the ledger.
                self.adjust("", format!("pool/{pool}"), json!({"slots": slots}), *lasts).await?;
                let slots = counted(*slots as u64, "slot", "slots");
                Ok(format!("pool {pool} has {slots}{}", for_so_long(*lasts)))
            }
            Action::Notify { channels, message } => self.tell(step, channels, message).await,
            Action::Check { sql } => match self.is_true(sql).await? {
                (true, _) => Ok("holds".to_owned()),
                (false, found) => Err(RunError::Project(format!("does not hold: it is {found}"))),
            },
        }
    }

    /// Whether the first value of a query over the environment is true, and that value. Numbers but zero are.
    pub(super) async fn is_true(&self, sql: &str) -> Result<(bool, String), RunError> {
        let (_, batches) = query(self.services, self.environment, None, sql).await?;
        let rows = rows_as_json(&batches).map_err(RunError::rows("the query"))?;
        let first = rows.first().and_then(|row| row.as_object()?.values().next()).cloned().unwrap_or(Value::Null);
        let holds = match &first {
            Value::Bool(value) => *value,
            Value::Number(number) => number.as_f64().is_some_and(|number| number != 0.0),
            _ => false,
        };
        Ok((holds, first.to_string()))
    }

    /// The assets that a selection stands for; `None` for all.
    pub(super) async fn selected(&self, expressions: &[String]) -> Result<Option<BTreeSet<AssetName>>, RunError> {
        let asked = (expressions, [].as_slice());
        let selected = select(self.services, self.prepared, self.environment, self.as_of, asked).await?;
        Ok(selected.map(|selected| selected.assets))
    }

    async fn rerun(&mut self, step: &RunbookStep, expressions: &[String]) -> Result<String, RunError> {
        // An earlier step may have moved the environment; it cannot go back.
        let as_of = head(self.services, self.environment).await?.as_of.max(self.as_of);
        let report = match self.selected(expressions).await? {
            None => run(self.services, self.prepared, self.environment, as_of).await?,
            Some(only) => run_selected(self.services, self.prepared, self.environment, as_of, &only).await?,
        };
        self.told(step, &report).await
    }

    /// What a backfill of the last `last` seconds before the clock would do.
    pub(super) async fn backfill_plan(&self, table: &AssetName, last: i64) -> Result<BackfillPlan, RunError> {
        let request = BackfillRequest {
            asset: table.to_string(),
            from: self.as_of - TimeDelta::seconds(last),
            to: self.as_of,
            downstream: true,
            allow_gaps: false,
            parallel: 1,
            every: None,
            latest_first: false,
        };
        plan_backfill(self.services, self.prepared, self.environment, self.as_of, &request).await
    }

    /// Where a rollback goes: without a commit or tag, to the commit before the one that the environment had when the runbook
    /// began. What the runbook itself published since is no way back, however often it goes on.
    pub(super) async fn rollback_to(&self, to: Option<&str>) -> Result<Option<String>, RunError> {
        if to.is_some() {
            return Ok(to.map(str::to_owned));
        }
        let current = head(self.services, self.environment).await?;
        let history = self.services.ledger.history(self.environment, u32::MAX).await?;
        let at_start = history.into_iter().find(|commit| commit.created_at <= self.began);
        let at_start = at_start.filter(|commit| commit.id != current.id);
        Ok(at_start.and_then(|commit| commit.parent).map(|parent| parent.0))
    }

    async fn roll_back(&mut self, to: Option<&str>) -> Result<String, RunError> {
        let done = rollback(self.services, self.prepared, self.environment, to).await?;
        rollback_told(self.services, &done).await?;
        deliver_due(self.services, self.prepared, self.environment).await?;
        self.report.moved = true;
        self.report.commit = Some(done.commit.id.clone());
        let (commit, undone) = (done.commit.id.short(), done.undone.short());
        Ok(format!("{} is at {commit} ({}); {undone} is undone", self.environment, done.commit.reason))
    }

    async fn adjust(
        &self,
        environment: &str,
        subject: String,
        value: Value,
        lasts: Option<i64>,
    ) -> Result<(), RunError> {
        let at = self.services.clock.now();
        let incident = self.incident.as_ref().map_or(String::new(), |incident| format!(" for {}", incident.id));
        let adjustment = Adjustment {
            environment: environment.to_owned(),
            subject,
            value,
            until: lasts.map(|seconds| at + TimeDelta::seconds(seconds)),
            at,
            by: self.services.author.clone(),
            reason: format!("runbook {}{incident}", self.runbook.name),
        };
        Ok(self.services.operations.adjust(&adjustment).await?)
    }

    /// Puts a message for each channel into the outbox; a server delivers it.
    async fn tell(&self, step: &RunbookStep, channels: &[String], message: &str) -> Result<String, RunError> {
        let at = self.services.clock.now();
        let notice = Notice {
            occasion: Occasion::Failure,
            ends: false,
            cause: format!("runbook/{}/{}", self.run, step.name),
            severity: Severity::Warning,
            project: self.prepared.project.name.clone(),
            environment: self.environment.to_owned(),
            schedule: format!("runbook/{}", self.runbook.name),
            run: Some(self.run.clone()),
            asset: self.incident.as_ref().map(|incident| incident.asset.to_string()),
            owner: self.runbook.owner.clone(),
            title: message.to_owned(),
            details: self.incident.iter().map(|incident| format!("{}: {}", incident.id, incident.title)).collect(),
            since: self.incident.as_ref().map_or(at, |incident| incident.opened_at),
            at,
        };
        let message = |channel: &String| NewMessage {
            environment: self.environment.to_owned(),
            channel: channel.clone(),
            cause: notice.cause.clone(),
            ends: false,
            at,
            body: json!(notice),
        };
        let count = self.services.operations.post(channels.iter().map(message).collect()).await?;
        Ok(format!("{} for {}", counted(count as u64, "message waits", "messages wait"), channels.join(", ")))
    }

    /// What a run within this one came to; its steps are lines of the log, and one that failed fails the runbook's step.
    async fn told(&mut self, step: &RunbookStep, report: &RunReport) -> Result<String, RunError> {
        let line = |text: String, level: &str| {
            RunChange::Log(LogLine {
                run: self.run.clone(),
                asset: step.name.clone(),
                at: self.services.clock.now(),
                level: level.to_owned(),
                text,
            })
        };
        let shown = report.steps.iter().filter(|step| step.state != StepState::UpToDate);
        let lines = shown.map(|step| {
            let level = if step.state == StepState::Failed { "error" } else { "info" };
            line(format!("{} {}: {}", step.verb, step.asset, step.detail), level)
        });
        self.services.operations.keep_runs(lines.collect()).await?;
        self.report.incidents.extend(report.incidents.iter().cloned());
        self.report.moved |= report.moved;
        self.report.commit = report.commit.clone().or_else(|| self.report.commit.take());
        if let Some(failed) = report.failures().next() {
            let number = counted(report.failures().count() as u64, "step", "steps");
            let (run, verb, asset, detail) = (&report.run, &failed.verb, &failed.asset, &failed.detail);
            return Err(RunError::Project(format!("{number} of run {run} failed: {verb} {asset}: {detail}")));
        }
        let done = report.steps.iter().filter(|step| step.state == StepState::Done).count();
        let moved = match (&report.commit, report.moved) {
            (Some(commit), true) => format!("{} is at {}", self.environment, commit.short()),
            _ => "nothing new".to_owned(),
        };
        Ok(format!(
            "run {}: {done} of {} did something; {moved}",
            report.run,
            counted(report.steps.len() as u64, "step", "steps")
        ))
    }
}

/// ` for 2h`, or nothing for what has no end.
pub(super) fn for_so_long(lasts: Option<i64>) -> String {
    lasts.map_or(String::new(), |seconds| format!(" for {}", format_seconds(seconds)))
}
