//! Incidents and their causes.

use baton_core::incident::{Cause, CauseClass, Incident, IncidentState};
use baton_orchestrator::WhyReport;

use super::style;
use crate::instant;

/// What `why` found: the incident, causes ranked with their evidence, and the runbook.
pub(crate) fn why(report: &WhyReport) -> String {
    let title = format!("Why {}, as of {}", report.asset, instant::show(report.at));
    let mut text = format!("{}\n", style::heading(&title));
    if let Some(incident) = &report.incident {
        text.push_str(&incident_line(incident));
    }
    if report.incident.is_none() {
        text.push_str("  no incident is known of it\n");
    }
    for (position, cause) in report.causes.iter().enumerate() {
        text.push_str(&cause_block(position + 1, cause));
    }
    if let Some(runbook) = &report.runbook {
        text.push_str(&runbook_line(runbook, report.incident.as_ref()));
    }
    text
}

/// A file for people, or the command that does it.
fn runbook_line(runbook: &str, incident: Option<&Incident>) -> String {
    if runbook.contains(['.', '/']) {
        return format!("\nrunbook: {runbook}\n");
    }
    let incident = incident.map_or(String::new(), |incident| format!(" --incident {}", incident.id));
    format!("\nrunbook: {runbook}; `baton runbook run {runbook}{incident} --dry-run` shows its steps\n")
}

fn cause_block(rank: usize, cause: &Cause) -> String {
    let class = style::heading(class_word(cause.class));
    let mut text = format!("\n{rank}. {class} ({:.0} %): {}\n", cause.score * 100.0, cause.summary);
    if let Some(since) = cause.since {
        text.push_str(&format!("   since  {}\n", instant::show(since)));
    }
    for fact in &cause.evidence {
        text.push_str(&format!("   fact   {fact}\n"));
    }
    if let Some(owner) = &cause.owner {
        text.push_str(&format!("   ask    {owner}\n"));
    }
    if !cause.action.is_empty() {
        text.push_str(&format!("   do     {}\n", cause.action));
    }
    text
}

/// The word that users see for a class of cause.
fn class_word(class: CauseClass) -> &'static str {
    match class {
        CauseClass::LateData => "late data",
        CauseClass::MissingLabels => "missing labels",
        CauseClass::SchemaChange => "schema change",
        CauseClass::VolumeDrop => "volume drop",
        CauseClass::BrokenTransform => "broken transform",
        CauseClass::ColumnShift => "column shift",
        CauseClass::StaleFeatures => "stale features",
        CauseClass::EndpointChange => "endpoint change",
        CauseClass::ModelDrift => "model drift",
        CauseClass::Unknown => "unknown",
    }
}

/// An incident in a line, with its likeliest cause in another.
pub(crate) fn incident_line(incident: &Incident) -> String {
    let day = incident.opened_at.format("%Y-%m-%d");
    let state = match incident.state {
        IncidentState::Open => format!("{} since {day}", style::warning("open")),
        IncidentState::Resolved => format!("{}, open since {day}", style::good("resolved")),
    };
    let alerts = if incident.alerts == 1 { "1 alert".to_owned() } else { format!("{} alerts", incident.alerts) };
    let mut text = format!("  {} {state}, {alerts}: {}\n", incident.id, incident.title);
    if let Some(cause) = incident.causes.first() {
        text.push_str(&format!("    {}: {}\n", class_word(cause.class), cause.summary));
    }
    text
}
