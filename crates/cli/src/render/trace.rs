//! One prediction back to its files.

use baton_orchestrator::TraceReport;
use serde_json::Value;

use super::style;
use super::table::Table;

/// The steps from a prediction back to source files.
pub(crate) fn trace(report: &TraceReport) -> String {
    let mut text = format!("{}\n", style::heading("Prediction"));
    text.push_str(&fields(&report.prediction));
    text.push_str(&format!("\n{}\n", style::heading("Made by")));
    text.push_str(&made_by(report));
    let mut tables = Table::new(&["kind", "asset", "version"]);
    for table in &report.tables {
        tables.row([table.kind.to_string(), table.asset.clone(), table.version.clone()]);
    }
    text.push_str(&format!("\n{}\n{}", style::heading("From tables"), tables.render("  ")));
    let mut files = Table::new(&["file", "content hash"]);
    for (path, hash) in &report.files {
        files.row([path.clone(), hash.get(..16).unwrap_or(hash).to_owned()]);
    }
    text.push_str(&format!("\n{}\n{}", style::heading("From files"), files.render("  ")));
    text
}

fn made_by(report: &TraceReport) -> String {
    let short = |text: &str| text.get(..10).unwrap_or(text).to_owned();
    let digest = report.model_digest.as_deref().map(short).unwrap_or_default();
    let mut text = format!("  model         {} (digest {digest})\n", report.model);
    if let Some(set) = &report.training_set {
        text.push_str(&format!("  training set  {set}\n"));
    }
    text.push_str(&format!("  commit        {}\n", short(&report.commit)));
    text
}

/// A JSON object as lines; objects in it come last, each under its name.
fn fields(value: &Value) -> String {
    let Value::Object(entries) = value else { return format!("  {value}\n") };
    let (inner, plain): (Vec<_>, Vec<_>) = entries.iter().partition(|(_, value)| value.is_object());
    let mut text = lines("  ", &plain);
    for (name, value) in inner {
        let entries: Vec<(&String, &Value)> = value.as_object().into_iter().flatten().collect();
        text.push_str(&format!("  {name}\n{}", lines("    ", &entries)));
    }
    text
}

fn lines(indent: &str, entries: &[(&String, &Value)]) -> String {
    let width = entries.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    entries.iter().map(|(name, value)| format!("{indent}{name:<width$}  {}\n", shown(value))).collect()
}
