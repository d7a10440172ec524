//! A plan as text for people: one line an asset, the reasons below, then a count.

use baton_core::Kind;

use crate::plan::{Change, Plan, PlannedAsset};
use crate::stage::{Stage, stages};

/// Renders `plan`; assets without change are counted only.
pub fn render_text(plan: &Plan) -> String {
    let mut text =
        format!("Plan for environment `{}` as of {}\n\n", plan.environment, plan.as_of.format("%Y-%m-%d %H:%M UTC"));
    if plan.is_empty() {
        text.push_str("  No changes: the environment is what the project asks for.\n");
        return text;
    }
    for asset in plan.assets.iter().filter(|asset| asset.change != Change::Unchanged) {
        push_asset(&mut text, asset);
    }
    text.push('\n');
    text.push_str(&summary(plan));
    text.push_str(&training(plan));
    text
}

fn sign(change: Change) -> char {
    match change {
        Change::New => '+',
        Change::Removed => '-',
        Change::Additive | Change::Breaking | Change::MetadataOnly => '~',
        Change::Data | Change::Unchanged => '>',
    }
}

fn word(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Unchanged => "unchanged",
        Change::MetadataOnly => "metadata only",
        Change::Additive => "additive",
        Change::Breaking => "breaking",
        Change::Removed => "removed",
        Change::Data => "new data",
    }
}

fn push_asset(text: &mut String, asset: &PlannedAsset) {
    let line =
        format!("  {} {:<13} {:<22} {}", sign(asset.change), asset.kind, asset.name.as_str(), word(asset.change));
    text.push_str(line.trim_end());
    let reasons = asset.reasons.join("; ");
    if !reasons.is_empty() && asset.change != Change::New {
        text.push_str(": ");
        text.push_str(&reasons);
    }
    text.push('\n');
}

fn summary(plan: &Plan) -> String {
    let parts: Vec<String> =
        plan.counts().into_iter().map(|(change, count)| format!("{count} {}", word(change))).collect();
    format!("  {}\n", parts.join(", "))
}

/// Says which models are trained again, or that none is.
fn training(plan: &Plan) -> String {
    let has_model = plan.assets.iter().any(|asset| asset.kind == Kind::Model && asset.change != Change::Removed);
    let stages = stages(plan);
    let trained: Vec<&str> = stages
        .iter()
        .filter_map(|stage| match stage {
            Stage::Train { asset, .. } => Some(asset.as_str()),
            _ => None,
        })
        .collect();
    match (has_model, trained.is_empty()) {
        (false, _) => String::new(),
        (true, true) => "  No retraining needed.\n".to_owned(),
        (true, false) => format!("  To train: {}\n", trained.join(", ")),
    }
}
