//! Plans, runs and replays.

use baton_core::check::CheckResult;
use baton_orchestrator::{ReplayReport, RunReport, StepReport, StepState};
use baton_plan::Plan;

use super::cause::incident_line;
use super::style;
use super::table::count;

/// A plan, with colours on its signs.
pub(crate) fn plan(plan: &Plan) -> String {
    baton_plan::render_text(plan).lines().map(|line| format!("{}\n", style::plan_line(line))).collect()
}

/// What a run did: a line for each step that did or failed something, then what came of the whole.
pub(crate) fn run(report: &RunReport, all: bool, explain: bool) -> String {
    let mut text = String::new();
    let shown = |step: &&StepReport| all || explain || !matches!(step.state, StepState::UpToDate);
    for step in report.steps.iter().filter(shown) {
        text.push_str(&step_line(step));
        if explain {
            text.push_str(&cache_lines(step));
        }
    }
    for result in report.checks.iter().filter(|result| !result.passed) {
        text.push_str(&format!("  {} {}\n", style::warning("!"), result.message));
    }
    for incident in &report.incidents {
        text.push_str(&incident_line(incident));
    }
    for awaited in &report.awaits {
        let by = awaited.approval.by.first().map_or("OWNER", String::as_str);
        let (line, name) = (awaited.line(), awaited.name());
        text.push_str(&format!("  {} {line}: `baton approve {name} --as {by}`\n", style::hint("?")));
    }
    text.push_str(&closing(report));
    text
}

/// What was delivered after an environment had moved.
pub(crate) fn delivered(report: &RunReport) -> String {
    let shown = report.steps.iter().filter(|step| !matches!(step.state, StepState::UpToDate));
    shown.map(step_line).chain(report.incidents.iter().map(incident_line)).collect()
}

fn step_line(step: &StepReport) -> String {
    let sign = match step.state {
        StepState::Done => style::good("✓"),
        StepState::Reused => style::good("="),
        StepState::UpToDate => style::muted("·"),
        StepState::Failed => style::error("✗"),
        StepState::Skipped => style::warning("-"),
        StepState::Waiting => style::hint("?"),
    };
    let word = match step.state {
        StepState::Reused => "built before: ",
        StepState::UpToDate => "up to date",
        StepState::Skipped => "skipped: ",
        StepState::Done | StepState::Failed | StepState::Waiting => "",
    };
    let line = format!("  {sign} {:<11} {:<20} {word}{}", step.verb, step.asset, step.detail);
    format!("{}\n", line.trim_end())
}

/// What the cache said of a step, indented below it.
fn cache_lines(step: &StepReport) -> String {
    let Some(cache) = &step.cache else { return String::new() };
    let verdict = if cache.hit { "hit" } else { "miss" };
    let mut text = format!("      cache {verdict} {}\n", cache.key.get(..10).unwrap_or(&cache.key));
    cache.reasons.iter().for_each(|reason| text.push_str(&format!("        {reason}\n")));
    text
}

fn closing(report: &RunReport) -> String {
    let commit = report.commit.as_ref().map_or("no commit", |commit| commit.short());
    let moved = if report.moved { "moved to" } else { "stays at" };
    let mut line = format!("{} {moved} {commit}", report.environment);
    if !report.checks.is_empty() {
        line.push_str(&format!("; {}", checks_line(&report.checks)));
    }
    format!("{line}\n")
}

/// `143 checks hold`, or how many do not.
fn checks_line(checks: &[CheckResult]) -> String {
    let broken = checks.iter().filter(|result| !result.passed).count();
    match broken {
        0 if checks.len() == 1 => "1 check holds".to_owned(),
        0 => format!("{} checks hold", count(checks.len() as u64)),
        broken => format!("{broken} of {} checks do not hold", count(checks.len() as u64)),
    }
}

/// What a replay came to.
pub(crate) fn replay(report: &ReplayReport) -> String {
    let mut text = format!(
        "{} ticks, {} commits, {} predictions, {} checks ({} did not hold)\n",
        count(report.ticks),
        count(report.commits),
        count(report.predictions),
        count(report.checks),
        count(report.failed_checks),
    );
    for trained in &report.trained {
        text.push_str(&format!("  trained {trained}\n"));
    }
    for step in report.failures.iter().rev().take(10).rev() {
        text.push_str(&step_line(step));
    }
    for delivered in &report.exports {
        text.push_str(&format!("  delivered {}: {}\n", delivered.export, delivered.detail()));
    }
    for incident in report.incidents.values() {
        text.push_str(&incident_line(incident));
    }
    text
}
