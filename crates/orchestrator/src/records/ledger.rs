//! What ledger and operations record: checks, commits, runs of plans and schedules, their steps.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use baton_core::check::{CheckResult, Severity};
use baton_core::event::EventFilter;
use baton_core::ports::{Ledger, Operations, RunFilter, RunRecord, StepRecord};
use baton_core::{AssetName, Commit, CommitId, EventKind};
use baton_engine::Condition;

use super::shape::{Cell, Kind, List, Shape, texts_of};

/// How each check of a version came out, whenever it was looked at.
pub(super) struct Checks(pub(super) Arc<dyn Ledger>);

/// Every commit of every environment.
pub(super) struct Commits(pub(super) Arc<dyn Ledger>);

/// What each commit has of each asset.
pub(super) struct CommitAssets(pub(super) Arc<dyn Ledger>);

/// Executions of plans and schedules.
pub(super) struct PipelineRuns(pub(super) Arc<dyn Operations>);

/// The steps of these.
pub(super) struct Steps(pub(super) Arc<dyn Operations>);

#[async_trait]
impl List for Checks {
    fn shape(&self) -> Shape {
        &[
            ("environment", Kind::Text),
            ("asset", Kind::Text),
            ("check_name", Kind::Text),
            ("column_name", Kind::Text),
            ("severity", Kind::Text),
            ("passed", Kind::Flag),
            ("rows", Kind::Integer),
            ("failed_rows", Kind::Integer),
            ("message", Kind::Text),
            ("run", Kind::Text),
            ("as_of", Kind::Time),
            ("checked_at", Kind::Time),
        ]
    }

    async fn rows(&self, conditions: &[Condition]) -> Result<Vec<Vec<Cell>>, String> {
        let one = |column| texts_of(conditions, column).filter(|values| values.len() == 1).map(|values| values[0]);
        let filter = EventFilter {
            kinds: vec![EventKind::ChecksEvaluated],
            asset: one("asset").and_then(|name| AssetName::parse(name).ok()),
            environment: one("environment").map(str::to_owned),
            run: one("run").map(str::to_owned),
            ..EventFilter::default()
        };
        let mut rows = Vec::new();
        for found in self.0.events(&filter).await.map_err(|error| error.to_string())? {
            let event = found.event;
            let results = event.body.get("results").cloned().unwrap_or_default();
            let results: Vec<CheckResult> = serde_json::from_value(results).unwrap_or_default();
            for result in results {
                rows.push(vec![
                    Cell::text(&event.environment),
                    Cell::maybe(event.asset.as_ref(), Cell::text),
                    Cell::Text(result.check),
                    Cell::maybe(result.column, Cell::Text),
                    Cell::text(severity(result.severity)),
                    Cell::Flag(result.passed),
                    Cell::integer(result.rows),
                    Cell::integer(result.failed_rows),
                    Cell::Text(result.message),
                    Cell::maybe(event.run.as_ref(), Cell::text),
                    Cell::time(event.as_of),
                    Cell::time(event.at),
                ]);
            }
        }
        Ok(rows)
    }
}

fn severity(severity: Severity) -> String {
    let word = serde_json::to_value(severity).ok();
    word.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Every commit once, the oldest first. An environment's history reaches back to those that it was made from.
async fn commits(ledger: &dyn Ledger) -> Result<Vec<Commit>, String> {
    let mut found: BTreeMap<CommitId, Commit> = BTreeMap::new();
    for environment in ledger.environments().await.map_err(|error| error.to_string())? {
        let history = ledger.history(&environment.name, u32::MAX).await.map_err(|error| error.to_string())?;
        found.extend(history.into_iter().map(|commit| (commit.id.clone(), commit)));
    }
    let mut commits: Vec<Commit> = found.into_values().collect();
    commits.sort_by_key(|commit| commit.created_at);
    Ok(commits)
}

#[async_trait]
impl List for Commits {
    fn shape(&self) -> Shape {
        &[
            ("commit_id", Kind::Text),
            ("environment", Kind::Text),
            ("parent_id", Kind::Text),
            ("merged_id", Kind::Text),
            ("created_at", Kind::Time),
            ("as_of", Kind::Time),
            ("author", Kind::Text),
            ("reason", Kind::Text),
            ("git_revision", Kind::Text),
            ("assets", Kind::Integer),
        ]
    }

    async fn rows(&self, _conditions: &[Condition]) -> Result<Vec<Vec<Cell>>, String> {
        let row = |commit: Commit| {
            vec![
                Cell::text(&commit.id),
                Cell::Text(commit.environment),
                Cell::maybe(commit.parent, Cell::text),
                Cell::maybe(commit.merged, Cell::text),
                Cell::time(commit.created_at),
                Cell::time(commit.as_of),
                Cell::Text(commit.author),
                Cell::Text(commit.reason),
                Cell::maybe(commit.git_revision, Cell::Text),
                Cell::integer(commit.assets.len()),
            ]
        };
        Ok(commits(self.0.as_ref()).await?.into_iter().map(row).collect())
    }
}

#[async_trait]
impl List for CommitAssets {
    fn shape(&self) -> Shape {
        &[
            ("commit_id", Kind::Text),
            ("asset", Kind::Text),
            ("kind", Kind::Text),
            ("version", Kind::Text),
            ("rows", Kind::Integer),
            ("digest", Kind::Text),
        ]
    }

    async fn rows(&self, conditions: &[Condition]) -> Result<Vec<Vec<Cell>>, String> {
        let ledger = self.0.as_ref();
        let mut rows = Vec::new();
        let asked = texts_of(conditions, "commit_id");
        for commit in commits(ledger).await? {
            if asked.as_ref().is_some_and(|ids| !ids.contains(&commit.id.0.as_str())) {
                continue;
            }
            rows.extend(commit.assets.into_iter().map(|(name, pin)| {
                vec![
                    Cell::text(&commit.id),
                    Cell::text(name),
                    Cell::text(pin.kind),
                    Cell::text(&pin.version),
                    Cell::maybe(pin.rows, Cell::integer),
                    Cell::maybe(pin.digest, Cell::Text),
                ]
            }));
        }
        Ok(rows)
    }
}

async fn runs(operations: &dyn Operations, conditions: &[Condition]) -> Result<Vec<RunRecord>, String> {
    let one = texts_of(conditions, "run").filter(|values| values.len() == 1).map(|values| values[0].to_owned());
    let environment = texts_of(conditions, "environment").filter(|values| values.len() == 1);
    let environment = environment.map(|values| values[0].to_owned());
    let filter = RunFilter { id: one, environment, limit: u32::MAX, ..RunFilter::default() };
    let mut found = operations.runs(&filter).await.map_err(|error| error.to_string())?;
    found.reverse();
    Ok(found)
}

#[async_trait]
impl List for PipelineRuns {
    fn shape(&self) -> Shape {
        &[
            ("run", Kind::Text),
            ("environment", Kind::Text),
            ("command", Kind::Text),
            ("schedule", Kind::Text),
            ("trigger", Kind::Text),
            ("as_of", Kind::Time),
            ("author", Kind::Text),
            ("started_at", Kind::Time),
            ("finished_at", Kind::Time),
            ("state", Kind::Text),
            ("commit_id", Kind::Text),
            ("steps", Kind::Integer),
            ("failed", Kind::Integer),
            ("cause", Kind::Text),
        ]
    }

    async fn rows(&self, conditions: &[Condition]) -> Result<Vec<Vec<Cell>>, String> {
        let row = |run: RunRecord| {
            vec![
                Cell::Text(run.id),
                Cell::Text(run.environment),
                Cell::Text(run.command),
                Cell::maybe(run.schedule, Cell::Text),
                Cell::maybe(run.trigger, Cell::Text),
                Cell::time(run.as_of),
                Cell::Text(run.author),
                Cell::time(run.started_at),
                Cell::maybe(run.finished_at, Cell::time),
                Cell::text(run.state.word()),
                Cell::maybe(run.commit, Cell::Text),
                Cell::integer(run.steps),
                Cell::integer(run.failed),
                Cell::maybe(run.cause, Cell::Text),
            ]
        };
        Ok(runs(self.0.as_ref(), conditions).await?.into_iter().map(row).collect())
    }
}

#[async_trait]
impl List for Steps {
    fn shape(&self) -> Shape {
        &[
            ("run", Kind::Text),
            ("environment", Kind::Text),
            ("number", Kind::Integer),
            ("asset", Kind::Text),
            ("verb", Kind::Text),
            ("state", Kind::Text),
            ("attempts", Kind::Integer),
            ("started_at", Kind::Time),
            ("finished_at", Kind::Time),
            ("seconds", Kind::Number),
            ("detail", Kind::Text),
            ("reused", Kind::Flag),
            ("rows", Kind::Integer),
        ]
    }

    async fn rows(&self, conditions: &[Condition]) -> Result<Vec<Vec<Cell>>, String> {
        let mut rows = Vec::new();
        for run in runs(self.0.as_ref(), conditions).await? {
            let steps = self.0.steps(&run.id).await.map_err(|error| error.to_string())?;
            rows.extend(steps.into_iter().map(|step| step_row(&run, step)));
        }
        Ok(rows)
    }
}

fn step_row(run: &RunRecord, step: StepRecord) -> Vec<Cell> {
    let seconds =
        step.finished_at.map(|end| (end - step.started_at).num_microseconds().unwrap_or_default() as f64 / 1e6);
    vec![
        Cell::Text(step.run),
        Cell::text(&run.environment),
        Cell::integer(step.number),
        Cell::Text(step.asset),
        Cell::Text(step.verb),
        Cell::Text(step.state),
        Cell::integer(step.attempts),
        Cell::time(step.started_at),
        Cell::maybe(step.finished_at, Cell::time),
        Cell::maybe(seconds, Cell::Number),
        Cell::Text(step.detail),
        Cell::maybe(step.hit, Cell::Flag),
        Cell::maybe(step.rows, Cell::integer),
    ]
}
