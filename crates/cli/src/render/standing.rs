//! How an environment stands, and how it came there.

use baton_core::Commit;
use baton_core::incident::IncidentState;
use baton_orchestrator::StatusReport;

use super::cause::incident_line;
use super::export::last_delivery;
use super::monitor::monitor_lines;
use super::style;
use super::table::{Table, count};
use crate::instant;

/// Commits, newest first.
pub(crate) fn log(environment: &str, commits: &[Commit]) -> String {
    if commits.is_empty() {
        return format!("environment `{environment}` has no commit yet; `baton apply` makes the first\n");
    }
    let mut table = Table::new(&["commit", "as of", "made", "by", ">assets", "why"]);
    for commit in commits {
        table.row([
            commit.id.short().to_owned(),
            instant::show(commit.as_of),
            instant::show(commit.created_at),
            commit.author.clone(),
            commit.assets.len().to_string(),
            commit.reason.clone(),
        ]);
    }
    table.render("")
}

/// The environment in a screen.
pub(crate) fn status(report: &StatusReport) -> String {
    let mut text = format!("{}\n", style::heading(&format!("environment {}", report.environment)));
    let assets: Vec<String> = report
        .assets
        .iter()
        .map(|(kind, number)| format!("{number} {kind}{}", if *number == 1 { "" } else { "s" }))
        .collect();
    let aliases: Vec<String> =
        report.aliases.iter().map(|(alias, number)| format!("{alias} is version {number}")).collect();
    let open = report.incidents.iter().filter(|incident| incident.state == IncidentState::Open).count();
    let lines = [
        ("commit", format!("{}, as of {}", report.commit, instant::show(report.as_of))),
        ("assets", assets.join(", ")),
        ("rows", count(report.rows)),
        ("models", if aliases.is_empty() { "none".to_owned() } else { aliases.join(", ") }),
        ("ledger", format!("{} events, root {}", count(report.events), report.log_root.get(..16).unwrap_or_default())),
        ("incidents", format!("{open} open, {} in all", report.incidents.len())),
    ];
    for (word, value) in lines {
        text.push_str(&format!("  {word:<10} {value}\n"));
    }
    text.push_str(&monitor_lines(&report.monitors));
    for (name, delivery) in &report.exports {
        text.push_str(&format!("  export     {name}: {}\n", last_delivery(delivery)));
    }
    for incident in &report.incidents {
        text.push_str(&incident_line(incident));
    }
    text
}
