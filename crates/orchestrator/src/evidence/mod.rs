//! What recorded data proves about a plan: which of the assets that are made again come out the same.
//!
//! Fingerprints say what could change. Where that is little data, it is tried: a source is read again from the deliveries
//! that it was landed from, a table is computed over recorded rows, in memory, and compared with what the environment
//! has. What is found holds for the recorded versions, so nothing is proven of assets that take in new data as well, and
//! nothing is reused on the strength of it: everything whose fingerprint differs is made again all the same.

mod landing;
mod rows;
mod trial;

use std::collections::{BTreeMap, BTreeSet};

use baton_core::{AssetName, Commit, Kind};
use baton_plan::{Change, DesiredAsset, Effect, PlanInput, PlannedAsset, Proven, Reach, Reached};

use self::trial::Trial;
use crate::definitions::definition_key;
use crate::error::RunError;
use crate::prepare::Prepared;
use crate::services::Services;

/// Assets whose fingerprints differ from those of the environment although they are declared as recorded there: the
/// difference comes from what they read.
pub(crate) fn as_declared(prepared: &Prepared, recorded: &Commit) -> BTreeSet<AssetName> {
    let differs = |name: &AssetName, desired: &DesiredAsset| {
        let pin = recorded.assets.get(name);
        pin.filter(|pin| pin.fingerprint != desired.rows || pin.columns != desired.columns)
    };
    let is_declared = |(name, desired): &(&AssetName, &DesiredAsset)| {
        let key = differs(name, desired).and_then(|pin| pin.definition.as_ref());
        key.is_some() && prepared.project.assets.get(*name).map(definition_key).as_ref() == key
    };
    prepared.desired.assets.iter().filter(is_declared).map(|(name, _)| name.clone()).collect()
}

/// What can be proven of the `assets` that a plan makes again, inputs before readers. Reads recorded rows and deliveries,
/// never writes.
///
/// # Errors
/// Those of the ledger. A trial that fails proves nothing: the step itself would say why.
pub(crate) async fn proven(
    services: &Services,
    prepared: &Prepared,
    input: PlanInput<'_>,
    assets: &[PlannedAsset],
) -> Result<BTreeMap<AssetName, Proven>, RunError> {
    let mut found = BTreeMap::new();
    let Some(recorded) = input.recorded else { return Ok(found) };
    let mut reach = Reach::new(input);
    let mut trial = Trial::new(services, prepared, &recorded.assets, input.as_of);
    for planned in assets {
        if is_made_again(planned) && can_narrow(planned, &reach.outcome(planned, None)) {
            let proven = match planned.kind {
                Kind::Source => trial.land(planned).await?,
                _ => trial.compute(planned, &reach).await,
            };
            found.extend(proven.map(|proven| (planned.name.clone(), proven)));
        }
        reach.settle(planned, found.get(&planned.name));
    }
    Ok(found)
}

fn is_made_again(planned: &PlannedAsset) -> bool {
    matches!(planned.kind, Kind::Source | Kind::Table)
        && matches!(planned.change, Change::Additive | Change::Breaking)
        && !planned.takes_data
        && !planned.from_nothing
        && planned.refused.is_none()
}

/// Whether a trial could take something from what is claimed: columns that come or go do so whatever their values.
fn can_narrow(planned: &PlannedAsset, reached: &Reached) -> bool {
    let Reached::Changes(output) = reached else { return false };
    let is_content = matches!(output.effect, Effect::Rebuilt | Effect::Widened);
    is_content && (output.rows || output.columns.iter().any(|column| planned.columns.changed.contains(column)))
}
