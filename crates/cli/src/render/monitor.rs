//! What monitors saw: in a line for the environment, in a table for the monitor itself.

use std::collections::BTreeMap;

use baton_core::AssetName;
use baton_orchestrator::{DatedLook, EstimatedPerformance, MeasuredPerformance};

use super::style;
use super::table::{Table, count};
use crate::instant;

/// The newest look of each monitor, a line each.
pub(super) fn monitor_lines(monitors: &BTreeMap<AssetName, DatedLook>) -> String {
    monitors.iter().map(|(name, look)| format!("  {:<10} {name} {}\n", "monitor", line(look))).collect()
}

fn line(dated: &DatedLook) -> String {
    let look = &dated.look;
    let mut parts =
        vec![format!("at {}: {} of {} features drifted", instant::show(dated.as_of), look.drifted(), look.drift.len())];
    parts.extend(look.performance.as_ref().map(|found| format!("{} {}", found.metric, measured(found))));
    parts.extend(look.estimate.as_ref().map(|found| format!("estimated {}", estimated(found))));
    parts.join(", ")
}

/// The newest looks of a monitor, and what the newest saw of each drifted feature.
pub(super) fn looks(looks: &[DatedLook]) -> String {
    let Some(newest) = looks.first() else { return String::new() };
    let mut table = Table::new(&["as of", "model", ">predictions", ">drifted", "measured", "estimated before labels"]);
    for dated in looks {
        let look = &dated.look;
        table.row([
            instant::show(dated.as_of),
            look.model.clone(),
            count(look.rows as u64),
            format!("{} of {}", look.drifted(), look.drift.len()),
            look.performance.as_ref().map(|found| format!("{} {}", found.metric, measured(found))).unwrap_or_default(),
            look.estimate.as_ref().map(|found| format!("{} {}", found.metric, estimated(found))).unwrap_or_default(),
        ]);
    }
    let mut text = format!("{}\n{}", style::heading("Looks"), table.render("  "));
    if newest.look.estimate.is_some() {
        text.push_str("  estimated by confidence (CBPE): right while scores are calibrated and features tell of the label what they told in training\n");
    }
    text + &drifted(newest)
}

fn drifted(newest: &DatedLook) -> String {
    let mut found: Vec<_> = newest.look.drift.iter().filter(|feature| feature.drifted).collect();
    if found.is_empty() {
        return String::new();
    }
    found.sort_by(|one, other| other.ratio.total_cmp(&one.ratio));
    let mut table = Table::new(&["feature", "method", ">score", ">threshold", ">nulls before", ">now"]);
    for feature in found {
        table.row([
            feature.feature.clone(),
            feature.method.clone(),
            format!("{:.3}", feature.score),
            format!("{:.3}", feature.threshold),
            format!("{:.1} %", feature.nulls_before * 100.0),
            format!("{:.1} %", feature.nulls_now * 100.0),
        ]);
    }
    format!("\n{}\n{}", style::heading("Drifted features"), table.render("  "))
}

fn measured(found: &MeasuredPerformance) -> String {
    let beyond = if found.breached { ", beyond its threshold" } else { "" };
    format!("{:.3} ({} labels{beyond})", found.value, count(found.rows as u64))
}

/// The estimate with its band by chance.
fn estimated(found: &EstimatedPerformance) -> String {
    format!("{:.3} ({:.3} to {:.3})", found.value, found.low, found.high)
}
