//! Models downstream of a change that are provably not touched by it.

use std::collections::BTreeSet;

use baton_core::{AssetName, Kind};
use serde::{Deserialize, Serialize};

use super::{ChangedOutput, Effect};
use crate::build::PlanInput;
use crate::desired::DesiredAsset;
use crate::plan::{Change, PlannedAsset};

/// A model that needs no training although something upstream of it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SparedModel {
    /// The model.
    pub model: AssetName,
    /// Changed assets that it descends from.
    pub upstream: Vec<AssetName>,
    /// Why none of it reaches the model.
    pub proof: String,
}

/// The models of the plan that stay, though they descend from a changed output.
pub(super) fn models(input: PlanInput<'_>, assets: &[PlannedAsset], outputs: &[ChangedOutput]) -> Vec<SparedModel> {
    let stays = |planned: &&PlannedAsset| {
        // One that is not selected stays for that reason, and proves nothing.
        planned.kind == Kind::Model
            && input.is_selected(&planned.name)
            && matches!(planned.change, Change::Unchanged | Change::MetadataOnly)
    };
    let models = assets.iter().filter(stays).filter_map(|planned| {
        let desired = input.desired.assets.get(&planned.name)?;
        let ancestors = input.desired.upstream(&planned.name);
        let goes_on = |output: &&ChangedOutput| !matches!(output.effect, Effect::Disappears);
        let above: Vec<&ChangedOutput> =
            outputs.iter().filter(goes_on).filter(|output| ancestors.contains(&output.asset)).collect();
        let upstream = above.iter().map(|output| output.asset.clone()).collect();
        (!above.is_empty()).then(|| SparedModel {
            model: planned.name.clone(),
            upstream,
            proof: proof(desired, &above),
        })
    });
    models.collect()
}

/// What the model reads, against what changes: the model's fingerprint covers the former and is the same.
fn proof(desired: &DesiredAsset, above: &[&ChangedOutput]) -> String {
    let read: BTreeSet<_> = desired.about.lineage.values().flatten().chain(&desired.about.reads).collect();
    let columns: Vec<String> = above
        .iter()
        .flat_map(|output| output.columns.iter().map(move |column| format!("{}.{column}", output.asset)))
        .collect();
    let what = match columns.as_slice() {
        [] => "what changes".to_owned(),
        [one] => one.clone(),
        [first, _] => format!("{first} and 1 more changed column"),
        [first, rest @ ..] => format!("{first} and {} more changed columns", rest.len()),
    };
    format!("none of the {} columns that it learns from is computed from {what}, and their rows stay", read.len())
}
