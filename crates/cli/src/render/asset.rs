//! Assets: in a line, and from all sides.

use baton_core::AssetName;
use baton_core::check::CheckResult;
use baton_orchestrator::{AssetLine, AssetReport, ExternalLine, ModelVersion};

use super::backfill::ranges;
use super::export::last_delivery;
use super::monitor::looks;
use super::style;
use super::table::{Table, count};
use crate::instant;

/// Assets in a line each.
pub(crate) fn assets(lines: &[AssetLine], external: &[ExternalLine]) -> String {
    if lines.is_empty() && external.is_empty() {
        return "no such assets\n".to_owned();
    }
    let mut table = Table::new(&["kind", "name", "version", ">rows", "owner", "description"]);
    for line in lines {
        table.row([
            line.kind.to_string(),
            line.name.to_string(),
            line.version.clone().unwrap_or_else(|| "not applied".to_owned()),
            line.rows.map(count).unwrap_or_default(),
            line.owner.clone().unwrap_or_default(),
            line.description.clone().unwrap_or_default(),
        ]);
    }
    for line in external {
        let (name, told) = (line.name.clone(), line.description.clone().unwrap_or_default());
        table.row([line.kind.to_owned(), name, String::new(), String::new(), String::new(), told]);
    }
    table.render("")
}

/// One asset from all sides.
pub(crate) fn asset(report: &AssetReport) -> String {
    let mut text = head(&report.line);
    for (word, set) in [("time", &report.done), ("missing", &report.missing)] {
        if !set.is_empty() {
            text.push_str(&format!("  {word:<10} {}\n", ranges(set)));
        }
    }
    if let Some(delivery) = &report.delivery {
        text.push_str(&format!("  delivered  {}\n", last_delivery(delivery)));
    }
    text.push_str(&names("made from", &report.upstream));
    text.push_str(&names("feeds", &report.downstream));
    for part in [
        columns(report),
        profile(report),
        checks(&report.checks),
        versions(report),
        models(report),
        looks(&report.looks),
    ] {
        if !part.is_empty() {
            text.push('\n');
            text.push_str(&part);
        }
    }
    text
}

fn head(line: &AssetLine) -> String {
    let mut text = format!("{} {}\n", line.kind, style::heading(&line.name));
    if let Some(description) = &line.description {
        text.push_str(&format!("  {description}\n"));
    }
    let version = line.version.clone().unwrap_or_else(|| "not applied".to_owned());
    let rows = line.rows.map(|rows| format!(", {} rows", count(rows))).unwrap_or_default();
    text.push_str(&format!("  version    {version}{rows}\n"));
    text.push_str(&format!("  owner      {}\n", line.owner.as_deref().unwrap_or("nobody")));
    text
}

fn names(word: &str, assets: &[AssetName]) -> String {
    let list: Vec<&str> = assets.iter().map(|name| name.as_str()).collect();
    if list.is_empty() { String::new() } else { format!("  {word:<10} {}\n", list.join(", ")) }
}

fn columns(report: &AssetReport) -> String {
    let mut table = Table::new(&["column", "type", "tags", "description"]);
    for column in &report.columns {
        let description = column.description.clone().unwrap_or_default();
        table.row([column.name.clone(), column.data_type.clone(), column.tags.join(", "), description]);
    }
    titled("Columns", &table)
}

fn titled(title: &str, table: &Table) -> String {
    if table.is_empty() { String::new() } else { format!("{}\n{}", style::heading(title), table.render("  ")) }
}

fn profile(report: &AssetReport) -> String {
    match &report.profile_text {
        None => String::new(),
        Some(text) => {
            let lines: String = text.lines().map(|line| format!("  {line}\n")).collect();
            format!("{}\n{lines}", style::heading("Profile"))
        }
    }
}

fn checks(results: &[CheckResult]) -> String {
    if results.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", style::heading("Checks"));
    for result in results {
        let sign = if result.passed { style::good("✓") } else { style::error("✗") };
        text.push_str(&format!("  {sign} {}\n", result.message));
    }
    text
}

fn versions(report: &AssetReport) -> String {
    let mut table = Table::new(&["commit", "as of", "version", ">rows"]);
    for line in &report.versions {
        let rows = line.rows.map(count).unwrap_or_default();
        table.row([line.commit.clone(), instant::show(line.as_of), line.version.clone(), rows]);
    }
    titled("Versions", &table)
}

fn models(report: &AssetReport) -> String {
    let blocks: Vec<String> = report.models.iter().rev().map(model_version).collect();
    blocks.join("\n")
}

/// Why it was trained, or where it comes from and how far its served form is from what was logged there.
fn origin(version: &ModelVersion) -> String {
    let Some(origin) = &version.origin else { return format!("  trained because: {}\n", version.reason) };
    format!(
        "  brought in because: {}\n  from {}, served as {}; largest difference {:.1e} on {} logged rows\n",
        version.reason, origin.version, origin.form, origin.largest_difference, origin.example_rows
    )
}

fn model_version(version: &ModelVersion) -> String {
    let title = style::heading(&version.reference());
    let mut text = format!(
        "{title}  {}, as of {}, {} training rows, digest {}\n",
        version.algorithm,
        instant::show(version.as_of),
        count(version.rows),
        version.digest.get(..10).unwrap_or(&version.digest),
    );
    let metrics: Vec<String> =
        version.evaluation.metrics.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
    text.push_str(&format!("  {}\n", metrics.join("  ")));
    text.push_str(&origin(version));
    for gate in &version.gates {
        let sign = if gate.passed { style::good("✓") } else { style::error("✗") };
        text.push_str(&format!("  {sign} {}: {}\n", gate.gate, gate.message));
    }
    text
}
