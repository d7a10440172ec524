//! A plan as text: a line an asset with its reasons, then what it reaches, its checks, what it costs, its undoing.

use baton_core::AssetName;

use super::words::{checks, counts, downstream, estimate, kinds, list, output, owner, sign, trained, word};
use crate::blast::TaggedFlow;
use crate::plan::{Change, Plan, PlannedAsset};

/// Renders `plan`; assets without change are counted only.
pub fn render_text(plan: &Plan) -> String {
    let mut text =
        format!("Plan for environment `{}` as of {}\n\n", plan.environment, plan.as_of.format("%Y-%m-%d %H:%M UTC"));
    if plan.is_empty() {
        text.push_str("  No changes: the environment is what the project asks for.\n");
    } else {
        for asset in plan.assets.iter().filter(|asset| asset.change != Change::Unchanged) {
            push_asset(&mut text, asset);
        }
        text.push_str(&format!("\n  {}\n", counts(plan)));
        text.push_str(&training(plan));
    }
    push_scope(&mut text, plan);
    if !plan.is_empty() {
        push_blast_radius(&mut text, plan);
        push_closing(&mut text, plan);
    }
    text
}

fn push_asset(text: &mut String, asset: &PlannedAsset) {
    let line =
        format!("  {} {:<13} {:<22} {}", sign(asset.change), asset.kind, asset.name.as_str(), word(asset.change));
    text.push_str(line.trim_end());
    let told = asset.reasons.iter().filter(|_| asset.change != Change::New || asset.reasons.len() > 1);
    let reasons: Vec<&str> = told.map(String::as_str).collect();
    if !reasons.is_empty() {
        text.push_str(": ");
        text.push_str(&reasons.join("; "));
    }
    text.push('\n');
}

/// Says which models are trained again, or that none is.
fn training(plan: &Plan) -> String {
    match trained(plan) {
        None => String::new(),
        Some(models) if models.is_empty() => "  No retraining needed.\n".to_owned(),
        Some(models) => format!("  To train: {}\n", list(&models)),
    }
}

/// What the selection leaves out, and what was asked for and is not done.
fn push_scope(text: &mut String, plan: &Plan) {
    let held: Vec<String> = plan.scope.iter().flat_map(|scope| &scope.held).map(|held| held.name.to_string()).collect();
    if !held.is_empty() {
        text.push_str(&format!("  Not selected, stay as recorded though they have changes: {}\n", list(&held)));
    }
    for note in &plan.notes {
        text.push_str(&format!("  Note: {note}\n"));
    }
}

fn push_blast_radius(text: &mut String, plan: &Plan) {
    let mut lines: Vec<(String, String)> = Vec::new();
    for (kind, outputs) in downstream(plan) {
        let names: Vec<String> = outputs.iter().map(|found| output(found)).collect();
        lines.push((kinds(kind), list(&names)));
    }
    for spared in &plan.blast_radius.spared {
        lines.push(("not retrained".to_owned(), format!("{}: {}", spared.model, spared.proof)));
    }
    let stays: Vec<&AssetName> = plan.blast_radius.unchanged.iter().map(|stays| &stays.asset).collect();
    if !stays.is_empty() {
        lines.push(("same result".to_owned(), format!("{} (made again)", list(&stays))));
    }
    for (from, to) in flows(&plan.blast_radius.flows) {
        lines.push(("new flow".to_owned(), format!("{from} -> {to}")));
    }
    if !plan.blast_radius.owners.is_empty() {
        let owners: Vec<String> = plan.blast_radius.owners.iter().map(owner).collect();
        lines.push(("owners to ask".to_owned(), list(&owners)));
    }
    if lines.is_empty() {
        return;
    }
    text.push_str("\nBlast radius\n");
    for (label, line) in lines {
        text.push_str(&format!("  {label:<14} {line}\n"));
    }
}

/// Where each tagged column newly comes to: `identifier schedule.tailnum`, then the places.
pub(super) fn flows(flows: &[TaggedFlow]) -> Vec<(String, String)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for flow in flows {
        let from = format!("{} {}", flow.from.tag, flow.from.column);
        match found.iter_mut().find(|(known, _)| *known == from) {
            Some((_, to)) => to.push(flow.to.to_string()),
            None => found.push((from, vec![flow.to.to_string()])),
        }
    }
    found.into_iter().map(|(from, to)| (from, list(&to))).collect()
}

fn push_closing(text: &mut String, plan: &Plan) {
    let approvals: Vec<String> = plan.approvals.iter().map(owner).collect();
    let lines = [
        ("Checks", checks(&plan.checks)),
        ("Estimate", estimate(&plan.estimate)),
        ("Approval", (!approvals.is_empty()).then(|| format!("needed from {}", list(&approvals)))),
        ("Undo", plan.undo.clone()),
    ];
    let known: Vec<(&str, String)> = lines.into_iter().filter_map(|(label, line)| Some((label, line?))).collect();
    if !known.is_empty() {
        text.push('\n');
    }
    for (label, line) in known {
        text.push_str(&format!("{label:<9} {line}\n"));
    }
}
