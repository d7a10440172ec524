//! What came of rebuilding versions, as text.

use baton_orchestrator::{ReproduceReport, Reproduced, Reproduction};

use super::diff::rows_section;
use super::style;

/// A line for each version, the rows that differ, and the sum.
pub(crate) fn reproduction(report: &ReproduceReport) -> String {
    let mut text: String = report.versions.iter().map(version).collect();
    let seconds: f64 = report.versions.iter().map(|version| version.seconds).sum();
    text.push_str(&format!("{} of {} reproduced, {seconds:.1}s\n", report.same(), report.versions.len()));
    text
}

fn version(found: &Reproduced) -> String {
    let (sign, verdict) = match found.outcome {
        Reproduction::Same => (style::good("✓"), "reproduced: same digest"),
        Reproduction::Different => (style::error("✗"), "differs: another digest"),
        Reproduction::Impossible => (style::warning("-"), "cannot be rebuilt"),
    };
    let name = match found.version.split_once('@') {
        Some(_) => found.version.clone(),
        None => format!("{} {}", found.asset, found.version),
    };
    let mut text =
        format!("  {sign} {:<12} {name:<28} {verdict}; {} ({:.1}s)\n", found.kind, found.detail, found.seconds);
    for (label, digest) in [("recorded", &found.recorded), ("rebuilt", &found.rebuilt)] {
        if found.outcome == Reproduction::Different
            && let Some(digest) = digest
        {
            text.push_str(&format!("      {label:<8} {digest}\n"));
        }
    }
    if let Some(rows) = &found.rows {
        rows_section(rows).lines().for_each(|line| text.push_str(&format!("      {line}\n")));
    }
    text
}
