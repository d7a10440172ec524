//! Runbooks, what one would do, and what waits for somebody's word.

use baton_core::Runbook;
use baton_core::runbook::OnIncident;
use baton_orchestrator::{Awaited, RunReport, StepState};

use super::style;
use super::table::Table;
use crate::instant;

/// The project's runbooks.
pub(crate) fn runbooks(runbooks: &[Runbook]) -> String {
    if runbooks.is_empty() {
        return "no runbooks; declare some under `runbooks:`\n".to_owned();
    }
    let mut table = Table::new(&["runbook", "owner", "for incidents", "steps"]);
    for runbook in runbooks {
        let steps = runbook.steps.iter().map(|step| {
            let marks = [(step.safe, "safe"), (step.approval.is_some(), "approved")];
            let marks: Vec<&str> = marks.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
            if marks.is_empty() { step.name.clone() } else { format!("{} ({})", step.name, marks.join(", ")) }
        });
        table.row([
            runbook.name.to_string(),
            runbook.owner.clone().unwrap_or_default(),
            runbook.on.as_ref().map_or("by hand".to_owned(), incidents),
            steps.collect::<Vec<_>>().join(", "),
        ]);
    }
    table.render("")
}

fn incidents(on: &OnIncident) -> String {
    let words: Vec<String> =
        on.signals.iter().filter_map(|signal| serde_json::to_value(signal).ok()?.as_str().map(str::to_owned)).collect();
    let names: Vec<&str> = on.assets.iter().map(|asset| asset.as_str()).collect();
    let what = if words.is_empty() { "any".to_owned() } else { words.join(", ") };
    if names.is_empty() { what } else { format!("{what} at {}", names.join(", ")) }
}

/// What a runbook would do: a line for each step.
pub(crate) fn would(report: &RunReport) -> String {
    let line = |step: &baton_orchestrator::StepReport| {
        let sign = match step.state {
            StepState::Failed => style::error("✗"),
            StepState::Skipped => style::warning("-"),
            _ => style::hint(">"),
        };
        format!("  {sign} {:<11} {:<20} {}\n", step.verb, step.asset, step.detail)
    };
    report.steps.iter().map(line).collect()
}

/// What waits for somebody's word.
pub(crate) fn awaited(environment: &str, awaited: &[Awaited]) -> String {
    if awaited.is_empty() {
        return format!("nothing waits for approval in environment `{environment}`\n");
    }
    let mut table = Table::new(&["waits", "what", "whose word", "since", "until"]);
    for found in awaited {
        table.row([
            found.name(),
            found.what.clone(),
            found.approval.whom(),
            instant::show(found.since),
            instant::show(found.until),
        ]);
    }
    table.render("")
}
