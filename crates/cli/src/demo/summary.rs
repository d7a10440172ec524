//! One screen: what the relay left behind, and what to try next.

use std::collections::BTreeMap;
use std::path::Path;

use baton_core::event::EventFilter;
use baton_core::incident::{Alert, Cause, Incident, Signal};
use baton_core::{EventKind, Kind};
use baton_orchestrator::{AssetLine, Prepared, Services};
use serde::Serialize;
use serde_json::Value;

use super::performance::{Month, months};
use super::weather::COPY;
use super::{ENVIRONMENT, REPLAYED_TO, Relay, Took};
use crate::error::CliError;
use crate::project::Workspace;
use crate::render::{Table, count, incident_line, rows, style};

/// Incidents on the screen; `baton status` shows all.
const SHOWN_INCIDENTS: usize = 6;

/// The demo's figures.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    tables: Vec<AssetLine>,
    checks: u64,
    failed_checks: u64,
    models: Vec<ModelLine>,
    months: Vec<Month>,
    predictions: u64,
    alerts: usize,
    alerts_by_month: AlertsByMonth,
    all_incidents: usize,
    incidents: Vec<Incident>,
    broken: Option<Incident>,
    broken_cause: Option<Cause>,
    seconds: f64,
    took: Took,
    address: String,
    example: Option<String>,
}

/// How many alerts of each kind were raised, by month (`2013-12`).
type AlertsByMonth = BTreeMap<String, BTreeMap<Signal, usize>>;

/// A model version in a line.
#[derive(Debug, Serialize)]
struct ModelLine {
    version: String,
    as_of: String,
    algorithm: String,
    rows: u64,
    roc_auc: Option<f64>,
    gates: String,
    digest: String,
}

/// Gathers the figures.
///
/// # Errors
/// Those of the ledger and the lake.
pub(super) async fn gather(workspace: &Workspace, prepared: &Prepared, relay: &Relay) -> Result<Summary, CliError> {
    let services = workspace.services();
    let mut tables = baton_orchestrator::list(services, prepared, ENVIRONMENT, None).await?;
    tables.retain(|line| matches!(line.kind, Kind::Source | Kind::Table));
    let checks = relay.apply.checks.len() as u64;
    let broken_checks = relay.apply.checks.iter().filter(|result| !result.passed).count() as u64;
    let settings = &workspace.project.settings;
    let alerts_by_month = alerts_by_month(workspace).await?;
    Ok(Summary {
        tables,
        checks: checks + relay.replay.checks,
        failed_checks: broken_checks + relay.replay.failed_checks,
        models: model_lines(workspace, prepared).await?,
        months: months(services).await?,
        predictions: relay.replay.predictions,
        alerts: alerts_by_month.values().flat_map(BTreeMap::values).sum(),
        alerts_by_month,
        all_incidents: relay.replay.incidents.len(),
        incidents: incidents(workspace, prepared, relay).await?,
        broken: relay.broken.incident.clone(),
        broken_cause: relay.broken.why.causes.first().cloned(),
        seconds: relay.began.elapsed().as_secs_f64(),
        took: relay.took,
        example: example_keys(services).await?,
        address: format!("http://{}:{}", settings.bind, settings.port),
    })
}

async fn model_lines(workspace: &Workspace, prepared: &Prepared) -> Result<Vec<ModelLine>, CliError> {
    let mut lines = Vec::new();
    for (name, _) in prepared.project.assets.iter().filter(|(_, asset)| asset.kind() == Kind::Model) {
        for version in baton_orchestrator::model_versions(workspace.services(), name).await? {
            let passed = version.gates.iter().filter(|gate| gate.passed).count();
            lines.push(ModelLine {
                version: version.reference(),
                as_of: version.as_of.format("%Y-%m-%d").to_string(),
                algorithm: version.algorithm.clone(),
                rows: version.rows,
                roc_auc: version.evaluation.metrics.get("roc_auc").copied(),
                gates: format!("{passed} of {} gates", version.gates.len()),
                digest: version.digest.get(..10).unwrap_or_default().to_owned(),
            });
        }
    }
    Ok(lines)
}

/// The keys of the newest scored flight, as JSON: what a request by entity keys looks like.
async fn example_keys(services: &Services) -> Result<Option<String>, CliError> {
    let sql =
        "select flight_id, carrier, origin, route from delay_predictions order by predicted_at desc, flight_id limit 1";
    let (_, batches) = baton_orchestrator::query(services, ENVIRONMENT, None, sql).await?;
    let rows: Vec<Value> = serde_json::from_slice(&rows::as_json(&batches)?).unwrap_or_default();
    Ok(rows.first().map(Value::to_string))
}

async fn alerts_by_month(workspace: &Workspace) -> Result<AlertsByMonth, CliError> {
    let filter = EventFilter {
        environment: Some(ENVIRONMENT.to_owned()),
        kinds: vec![EventKind::AlertRaised],
        ..EventFilter::default()
    };
    let mut months = AlertsByMonth::new();
    for found in workspace.services().ledger.events(&filter).await? {
        let Ok(alert) = serde_json::from_value::<Alert>(found.event.body) else { continue };
        let month = months.entry(alert.at.format("%Y-%m").to_string()).or_default();
        *month.entry(alert.signal).or_default() += 1;
    }
    Ok(months)
}

/// The incidents of the replay with most alerts, oldest first, each with what `why` says of it.
async fn incidents(workspace: &Workspace, prepared: &Prepared, relay: &Relay) -> Result<Vec<Incident>, CliError> {
    let mut incidents: Vec<Incident> = relay.replay.incidents.values().cloned().collect();
    incidents.sort_by_key(|incident| std::cmp::Reverse(incident.alerts));
    incidents.truncate(SHOWN_INCIDENTS);
    incidents.sort_by_key(|incident| incident.opened_at);
    for incident in &mut incidents {
        if incident.causes.is_empty() {
            let target = Some(incident.id.as_str());
            let why = baton_orchestrator::why(workspace.services(), prepared, ENVIRONMENT, target, None).await?;
            incident.causes = why.causes;
        }
    }
    Ok(incidents)
}

/// The screen.
pub(super) fn render(summary: &Summary, folder: &Path) -> String {
    let Took { apply, replay, why } = summary.took;
    let title = format!("Summary: {:.0} s (apply {apply:.0}, replay {replay:.0}, why {why:.0})", summary.seconds);
    let mut text = format!("{}\n", style::heading(&title));
    text.push_str(&table_lines(&summary.tables));
    let (checks, failed) = (count(summary.checks), count(summary.failed_checks));
    text.push_str(&format!("\n{checks} checks ({failed} did not hold), "));
    text.push_str(&format!("{} predictions, {} alerts\n", count(summary.predictions), summary.alerts));
    text.push_str(&format!("\n{}", model_table(&summary.models)));
    text.push_str(&format!("\n{}", month_table(&summary.months, &summary.alerts_by_month)));
    text.push_str(&incident_lines(summary));
    if let (Some(incident), Some(cause)) = (&summary.broken, &summary.broken_cause) {
        text.push_str(&format!("\nBroken on purpose, in `{COPY}`\n{}", incident_line(incident)));
        text.push_str(&format!("    found: {}\n", cause.summary));
    }
    text.push_str(&next_commands(folder, summary));
    text
}

/// Tables and their rows, two beside each other.
fn table_lines(lines: &[AssetLine]) -> String {
    let cell = |line: &AssetLine| format!("{:<18} {:>9}", line.name.as_str(), line.rows.map(count).unwrap_or_default());
    let row = |pair: &[AssetLine]| {
        let cells: Vec<String> = pair.iter().map(cell).collect();
        format!("  {}\n", cells.join("    "))
    };
    lines.chunks(2).map(row).collect()
}

fn model_table(models: &[ModelLine]) -> String {
    let mut table = Table::new(&["model", "trained", "algorithm", ">rows", ">ROC AUC", "gates", "digest"]);
    for line in models {
        table.row([
            line.version.clone(),
            line.as_of.clone(),
            line.algorithm.clone(),
            count(line.rows),
            line.roc_auc.map(|value| format!("{value:.4}")).unwrap_or_default(),
            line.gates.clone(),
            line.digest.clone(),
        ]);
    }
    table.render("  ")
}

/// A line a month, with the versions that predicted in it and the alerts that were raised.
fn month_table(months: &[Month], alerts: &AlertsByMonth) -> String {
    let mut table = Table::new(&["month", ">flights", ">late", "ROC AUC by version", "alerts"]);
    for lines in months.chunk_by(|one, other| one.month == other.month) {
        let rows: i64 = lines.iter().map(|line| line.rows).sum();
        let late: f64 = lines.iter().map(|line| line.late * line.rows as f64).sum();
        let versions: Vec<String> = lines.iter().map(|line| format!("v{} {:.4}", line.version, line.roc_auc)).collect();
        table.row([
            lines[0].month.clone(),
            count(rows.cast_unsigned()),
            format!("{:.1} %", late / rows.max(1) as f64 * 100.0),
            versions.join("  "),
            alerts.get(&lines[0].month).map(signals).unwrap_or_default(),
        ]);
    }
    table.render("  ")
}

/// `12 drift, 2 volume`.
fn signals(found: &BTreeMap<Signal, usize>) -> String {
    let word = |signal: &Signal| format!("{signal:?}").to_lowercase();
    let parts: Vec<String> = found.iter().map(|(signal, number)| format!("{number} {}", word(signal))).collect();
    parts.join(", ")
}

fn incident_lines(summary: &Summary) -> String {
    if summary.incidents.is_empty() {
        return String::new();
    }
    let (shown, all) = (summary.incidents.len(), summary.all_incidents);
    let mut text = format!("\nIncidents and their likeliest causes ({shown} of {all} with most alerts)\n");
    text.extend(summary.incidents.iter().map(incident_line));
    text
}

fn next_commands(folder: &Path, summary: &Summary) -> String {
    let folder = folder.display();
    let predict = format!("{}/v2/models/delay/infer", summary.address);
    let keys = summary.example.as_deref().unwrap_or("{\"flight_id\": …}");
    let lines = [
        format!("baton status -C {folder}"),
        format!("baton show -C {folder} arrival_delay"),
        format!("baton lineage -C {folder} delay --columns"),
        format!("baton query -C {folder} \"select * from delay_predictions order by score desc limit 5\""),
        format!("baton why -C {folder} -e {COPY}"),
        format!("baton predict -C {folder} --as-of {REPLAYED_TO} delay --json '{keys}'"),
        format!("baton serve -C {folder} --as-of {REPLAYED_TO}   # then POST to {predict}"),
    ];
    let list: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("\nNext\n{list}")
}
