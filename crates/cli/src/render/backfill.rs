//! What a backfill would do, as text.

use baton_core::IntervalSet;
use baton_orchestrator::BackfillPlan;

/// The time, what it restates and fills, and what it reaches.
pub(crate) fn backfill(plan: &BackfillPlan) -> String {
    let environment = &plan.environment;
    let mut text = format!("Backfill of `{}` in environment `{environment}`\n\n", plan.asset);
    text.push_str(&format!("  computes  {} in {}\n", plan.interval, counted(plan.batches, "batch", "batches")));
    for (word, set) in [("restates", &plan.restated), ("fills", &plan.filled), ("leaves", &plan.gaps)] {
        if !set.is_empty() {
            text.push_str(&format!("  {word:<9} {}\n", ranges(set)));
        }
    }
    if let [first, _, ..] = plan.slices.as_slice() {
        let slices = counted(plan.slices.len() as u64, "slice", "slices");
        text.push_str(&format!("  publishes {slices}, first {first}\n"));
    }
    if !plan.downstream.is_empty() {
        text.push_str("\n  then\n");
    }
    for reader in &plan.downstream {
        text.push_str(&format!("  > {:<13} {:<22} {}\n", reader.kind, reader.name.as_str(), reader.effect));
    }
    if !plan.left.is_empty() {
        let names: Vec<&str> = plan.left.iter().map(|name| name.as_str()).collect();
        text.push_str(&format!("\n  left until the next run: {}\n", names.join(", ")));
    }
    text
}

/// At most three ranges, and how many more there are.
pub(crate) fn ranges(set: &IntervalSet) -> String {
    let shown: Vec<String> = set.ranges().iter().take(3).map(ToString::to_string).collect();
    match set.ranges().len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
