//! What recorded data proves about outputs that are made again.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::{AssetName, Kind};
use serde::{Deserialize, Serialize};

use super::{BlastRadius, ChangedOutput};
use crate::build::{column_reasons, content_reason};
use crate::desired::Desired;
use crate::plan::{ColumnChanges, PlannedAsset};

/// What recorded data proves of an asset that is made again: it holds for the versions that the environment points at,
/// not for data that is still to come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proven {
    /// Whether the same rows exist, known at the same instants, over all columns that stay.
    pub rows: bool,
    /// Columns that, beside those, hold the same values in the same rows.
    pub columns: BTreeSet<String>,
    /// How it is known, as a phrase.
    pub proof: String,
}

/// An asset that is made again although its output stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnchangedOutput {
    /// The asset.
    pub asset: AssetName,
    /// What it is.
    pub kind: Kind,
    /// How it is known.
    pub proof: String,
}

/// Puts what is proven in the place of the reasons that fingerprints gave.
pub(crate) fn tell(desired: &Desired, radius: &BlastRadius, assets: &mut [PlannedAsset]) {
    let unchanged: BTreeMap<&AssetName, &str> =
        radius.unchanged.iter().map(|stays| (&stays.asset, stays.proof.as_str())).collect();
    let same_rows = radius.outputs.iter().filter(|output| !output.rows).map(|output| (&output.asset, output));
    let same_rows: BTreeMap<&AssetName, &ChangedOutput> = same_rows.collect();
    for planned in assets {
        let columns = desired.assets.get(&planned.name).map_or(0, |asset| asset.columns.len());
        let reasons = match (unchanged.get(&planned.name), same_rows.get(&planned.name)) {
            (Some(proof), _) => vec![format!("made again, to the same result: {proof}")],
            (None, Some(output)) => narrowed(planned, output, columns),
            (None, None) => continue,
        };
        let before = column_reasons(&planned.columns, columns);
        let is_replaced = |reason: &String| before.contains(reason) || reason == content_reason(planned.kind);
        planned.reasons.retain(|reason| !is_replaced(reason));
        planned.reasons.splice(0..0, reasons);
    }
}

/// Why an asset of which the rows stay changes all the same.
fn narrowed(planned: &PlannedAsset, output: &ChangedOutput, columns: usize) -> Vec<String> {
    let content = (planned.kind == Kind::Source).then(|| content_reason(planned.kind).to_owned());
    let content = content.filter(|reason| planned.reasons.contains(reason));
    let is_left = |column: &&String| output.columns.contains(column);
    let changed = planned.columns.changed.iter().filter(is_left).cloned().collect();
    let left = ColumnChanges { changed, ..planned.columns.clone() };
    let stay = output.rows_stay.iter().map(|proof| format!("the rows stay: {proof}"));
    content.into_iter().chain(column_reasons(&left, columns)).chain(stay).collect()
}
