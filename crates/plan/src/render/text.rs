//! A plan as text: a line an asset with its reasons, then what it reaches, its checks, what it costs, its undoing. Of a
//! plan of thousands, the first of each reason are shown and the rest is counted: it fits on some screens.

use std::collections::BTreeMap;

use baton_core::{AssetName, Kind};

use super::words::{
    checks, counts, cut, downstream, estimate, kinds, list, output, owner, rank, schedule, sign, thousands, trained,
    word,
};
use crate::blast::TaggedFlow;
use crate::plan::{Change, Plan, PlannedAsset};

/// Most changed assets that are shown one by one.
const ALL_ASSETS: usize = 200;
/// Most assets of one change, kind and reason, where there are more.
const OF_GROUP: usize = 10;
/// Most changes, kinds and reasons.
const GROUPS: usize = 20;
/// Most lines of one label.
const LINES: usize = 20;

/// Renders `plan`; assets without change are counted only.
pub fn render_text(plan: &Plan) -> String {
    let mut text =
        format!("Plan for environment `{}` as of {}\n\n", plan.environment, plan.as_of.format("%Y-%m-%d %H:%M UTC"));
    if plan.is_empty() {
        text.push_str("  No changes: the environment is what the project asks for.\n");
    } else {
        push_assets(&mut text, plan);
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

/// All changed assets, or the first of each kind of change and reason where there are too many.
fn push_assets(text: &mut String, plan: &Plan) {
    let changed: Vec<&PlannedAsset> = plan.assets.iter().filter(|asset| asset.change != Change::Unchanged).collect();
    if changed.len() <= ALL_ASSETS {
        changed.iter().for_each(|asset| push_asset(text, asset));
        return;
    }
    let groups = by_reason(&changed);
    let (shown, rest) = shown_groups(groups);
    for group in &shown {
        group.iter().take(OF_GROUP).for_each(|asset| push_asset(text, asset));
        let (more, first) = (group.len().saturating_sub(OF_GROUP), group[0]);
        if more > 0 {
            let more = thousands(more as u64);
            text.push_str(&format!("    and {more} more {} {}\n", word(first.change), kinds(first.kind)));
        }
    }
    if rest > 0 {
        text.push_str(&format!("    and {} more for other reasons\n", thousands(rest as u64)));
    }
    text.push_str("    (--output json lists all, --select narrows)\n");
}

/// The groups that are shown, in their order, and how many assets the others have. Every kind of change has one.
fn shown_groups(groups: Vec<Vec<&PlannedAsset>>) -> (Vec<Vec<&PlannedAsset>>, usize) {
    let is_first = |place: usize| place == 0 || groups[place - 1][0].change != groups[place][0].change;
    let firsts: Vec<bool> = (0..groups.len()).map(is_first).collect();
    let mut room = GROUPS.saturating_sub(firsts.iter().filter(|is_first| **is_first).count());
    let (mut shown, mut rest) = (Vec::new(), 0);
    for (group, is_first) in groups.into_iter().zip(firsts) {
        if is_first || room > 0 {
            room -= usize::from(!is_first);
            shown.push(group);
        } else {
            rest += group.len();
        }
    }
    (shown, rest)
}

/// Assets by change, kind and reasons; the weightiest change first, then the reason of most assets.
fn by_reason<'p>(changed: &[&'p PlannedAsset]) -> Vec<Vec<&'p PlannedAsset>> {
    let mut places: BTreeMap<(Change, Kind, &[String]), usize> = BTreeMap::new();
    let mut groups: Vec<Vec<&PlannedAsset>> = Vec::new();
    for asset in changed {
        let place = *places.entry((asset.change, asset.kind, asset.reasons.as_slice())).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(asset),
            None => groups.push(vec![asset]),
        }
    }
    groups.sort_by_key(|group| (rank(group[0].change), usize::MAX - group.len()));
    groups
}

fn push_asset(text: &mut String, asset: &PlannedAsset) {
    let mut line =
        format!("  {} {:<13} {:<22} {}", sign(asset.change), asset.kind, asset.name.as_str(), word(asset.change))
            .trim_end()
            .to_owned();
    let told = asset.reasons.iter().filter(|_| asset.change != Change::New || asset.reasons.len() > 1);
    let reasons: Vec<&str> = told.map(String::as_str).collect();
    if !reasons.is_empty() {
        line.push_str(": ");
        line.push_str(&reasons.join("; "));
    }
    text.push_str(&cut(&line));
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
    for note in plan.notes.iter().take(LINES) {
        text.push_str(&format!("  Note: {}\n", cut(note)));
    }
    if plan.notes.len() > LINES {
        text.push_str(&format!("  and {} more notes\n", thousands((plan.notes.len() - LINES) as u64)));
    }
}

fn push_blast_radius(text: &mut String, plan: &Plan) {
    let mut lines: Vec<(String, String)> = Vec::new();
    for (kind, outputs) in downstream(plan) {
        let names: Vec<String> = outputs.iter().map(|found| output(found)).collect();
        lines.push((kinds(kind), list(&names)));
    }
    let spared = plan.blast_radius.spared.iter().map(|spared| format!("{}: {}", spared.model, spared.proof));
    push_labelled(&mut lines, "not retrained", spared.collect());
    let stays: Vec<&AssetName> = plan.blast_radius.unchanged.iter().map(|stays| &stays.asset).collect();
    if !stays.is_empty() {
        lines.push(("same result".to_owned(), format!("{} (made again)", list(&stays))));
    }
    let schedules: Vec<String> = plan.blast_radius.schedules.iter().map(schedule).collect();
    if !schedules.is_empty() {
        lines.push(("schedules".to_owned(), list(&schedules)));
    }
    let flows = flows(&plan.blast_radius.flows).into_iter().map(|(from, to)| format!("{from} -> {to}"));
    push_labelled(&mut lines, "new flow", flows.collect());
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

/// Adds the first lines under a label, and how many more there are.
fn push_labelled(lines: &mut Vec<(String, String)>, label: &str, found: Vec<String>) {
    let more = found.len().saturating_sub(LINES);
    lines.extend(found.into_iter().take(LINES).map(|line| (label.to_owned(), cut(&line))));
    if more > 0 {
        lines.push((label.to_owned(), format!("and {} more", thousands(more as u64))));
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
    let searches = plan.searches.iter().map(|search| ("Search", Some(cut(&search.line()))));
    let lines = [
        ("Checks", checks(&plan.checks)),
        ("Estimate", estimate(&plan.estimate)),
        ("Approval", (!approvals.is_empty()).then(|| format!("needed from {}", list(&approvals)))),
        ("Undo", plan.undo.clone()),
    ];
    let known: Vec<(&str, String)> = searches.chain(lines).filter_map(|(label, line)| Some((label, line?))).collect();
    if !known.is_empty() {
        text.push('\n');
    }
    for (label, line) in known {
        text.push_str(&format!("{label:<9} {line}\n"));
    }
}
