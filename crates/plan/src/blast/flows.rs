//! Tagged columns, such as identifiers, that come to where they were not.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::build::PlanInput;
use crate::desired::{AssetColumn, TaggedColumn};
use crate::plan::PlannedAsset;

/// A tagged column that reaches a column of another asset that it did not reach before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaggedFlow {
    /// The tagged column.
    pub from: TaggedColumn,
    /// Where it comes to.
    pub to: AssetColumn,
}

/// The flows that the environment does not have yet, by tagged column.
pub(super) fn new_flows(input: PlanInput<'_>, assets: &[PlannedAsset]) -> Vec<TaggedFlow> {
    let mut found = BTreeSet::new();
    for planned in assets {
        let Some(desired) = input.desired.assets.get(&planned.name) else { continue };
        let pin = input.recorded.and_then(|commit| commit.assets.get(&planned.name));
        for (column, reaching) in &desired.about.tagged {
            let known = pin.and_then(|pin| pin.tagged.get(column));
            let is_new = |tagged: &&TaggedColumn| {
                tagged.column.asset != planned.name && !known.is_some_and(|known| known.contains(&tagged.to_string()))
            };
            found.extend(reaching.iter().filter(is_new).map(|tagged| TaggedFlow {
                from: tagged.clone(),
                to: AssetColumn { asset: planned.name.clone(), column: column.clone() },
            }));
        }
    }
    found.into_iter().collect()
}
