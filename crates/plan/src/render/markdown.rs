//! A plan as a comment on a pull request: what changes on top, details folded, never longer than a comment may be.

use super::text::flows;
use super::words::{
    checks, counts, cut, downstream, estimate, kinds, list, output, owner, rank, schedule, sign, trained, word,
};
use crate::plan::{Change, Plan, PlannedAsset};

/// Most bytes of the comment: forges refuse more than 65,536 characters.
const MOST_BYTES: usize = 60_000;
/// Bytes that the table of assets may take; the rest is for what follows.
const TABLE_BYTES: usize = 30_000;

/// Renders `plan` as GitHub-flavoured Markdown of at most 60,000 bytes.
pub fn render_markdown(plan: &Plan) -> String {
    let mut text = format!("### Baton plan for `{}`\n\n", cell(&plan.environment));
    if plan.is_empty() {
        text.push_str("No changes: the environment is what the project asks for.\n");
        push_scope(&mut text, plan);
        return text;
    }
    text.push_str(&format!("**{}** as of {}\n\n", counts(plan), plan.as_of.format("%Y-%m-%d %H:%M UTC")));
    push_training(&mut text, plan);
    push_assets(&mut text, plan);
    push_scope(&mut text, plan);
    push_blast_radius(&mut text, plan);
    push_closing(&mut text, plan);
    text
}

fn push_training(text: &mut String, plan: &Plan) {
    match trained(plan) {
        None => {}
        Some(models) if models.is_empty() => text.push_str("No retraining needed.\n\n"),
        Some(models) => text.push_str(&format!("To train: {}\n\n", cell(&list(&models)))),
    }
}

/// Breaking changes first, so that they are seen whatever is cut off.
fn push_assets(text: &mut String, plan: &Plan) {
    let mut changed: Vec<&PlannedAsset> =
        plan.assets.iter().filter(|asset| asset.change != Change::Unchanged).collect();
    changed.sort_by_key(|asset| rank(asset.change));
    text.push_str("| | asset | kind | change | why |\n|---|---|---|---|---|\n");
    let rows = changed.iter().map(|asset| {
        let why = if asset.change == Change::New { String::new() } else { cell(&asset.reasons.join("; ")) };
        let change = match asset.change {
            Change::Breaking | Change::Removed => format!("**{}**", word(asset.change)),
            other => word(other).to_owned(),
        };
        format!("| `{}` | `{}` | {} | {change} | {why} |\n", sign(asset.change), asset.name, asset.kind)
    });
    let more = push_within(text, rows, TABLE_BYTES);
    if more > 0 {
        text.push_str(&format!("\nand {more} more\n"));
    }
    text.push('\n');
}

fn push_scope(text: &mut String, plan: &Plan) {
    let held: Vec<String> = plan.scope.iter().flat_map(|scope| &scope.held).map(|held| held.name.to_string()).collect();
    if !held.is_empty() {
        text.push_str(&format!("Not selected, stay as recorded though they have changes: {}\n\n", cell(&list(&held))));
    }
    for note in plan.notes.iter().take(20) {
        text.push_str(&format!("Note: {}\n\n", cell(note)));
    }
}

fn push_blast_radius(text: &mut String, plan: &Plan) {
    let blast = &plan.blast_radius;
    let reached = downstream(plan);
    let count: usize = reached.iter().map(|(_, outputs)| outputs.len()).sum();
    let spared =
        blast.spared.iter().map(|spared| format!("- `{}` is not retrained: {}\n", spared.model, cell(&spared.proof)));
    let stays = blast.unchanged.iter().map(|stays| format!("- `{}` is made again, to the same result\n", stays.asset));
    let outputs = reached.iter().flat_map(|(kind, outputs)| {
        outputs.iter().map(move |found| format!("- {}: {}\n", kinds(*kind), cell(&output(found))))
    });
    let new_flows =
        flows(&blast.flows).into_iter().map(|(from, to)| format!("- new flow of {}: {}\n", cell(&from), cell(&to)));
    let schedules = blast.schedules.iter().map(|found| format!("- schedule {}\n", cell(&schedule(found))));
    let owners = blast.owners.iter().map(|found| format!("- ask {}\n", cell(&owner(found))));
    let lines: Vec<String> =
        owners.chain(schedules).chain(new_flows).chain(spared).chain(outputs).chain(stays).collect();
    if lines.is_empty() {
        return;
    }
    text.push_str(&format!("<details><summary>Blast radius: {count} downstream</summary>\n\n"));
    let room = MOST_BYTES.saturating_sub(text.len() + 8_000);
    let more = push_within(text, lines.into_iter(), room);
    if more > 0 {
        text.push_str(&format!("- and {more} more\n"));
    }
    text.push_str("\n</details>\n\n");
}

fn push_closing(text: &mut String, plan: &Plan) {
    let approvals: Vec<String> = plan.approvals.iter().map(owner).collect();
    let searches = plan.searches.iter().map(|search| ("Search", Some(cut(&search.line()))));
    let lines = [
        ("Checks", checks(&plan.checks)),
        ("Estimate", estimate(&plan.estimate)),
        ("Approval", (!approvals.is_empty()).then(|| format!("needed from {}", list(&approvals)))),
    ];
    for (label, line) in searches.chain(lines).filter_map(|(label, line)| Some((label, line?))) {
        text.push_str(&format!("- {label}: {}\n", cell(&line)));
    }
    if let Some(undo) = &plan.undo {
        text.push_str(&format!("- Undo: `{undo}`\n"));
    }
}

/// Appends lines while they fit into `room` bytes, and answers how many do not.
fn push_within(text: &mut String, lines: impl Iterator<Item = String>, room: usize) -> usize {
    let end = text.len() + room;
    let mut more = 0;
    for line in lines {
        if more == 0 && text.len() + line.len() <= end {
            text.push_str(&line);
        } else {
            more += 1;
        }
    }
    more
}

/// Text that cannot break out of a table's cell, not too long.
fn cell(text: &str) -> String {
    cut(text).replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|").replace(['\n', '\r'], " ")
}
