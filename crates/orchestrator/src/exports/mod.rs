//! Exports: rows of a published version on their way to systems outside.
//!
//! A delivery brings its destination from the version that it holds to that of the environment's commit, by what differs
//! between the two; never from anything that was not published. Which version a destination holds it says itself, written
//! together with the rows; for those that cannot, the ledger holds what was begun, and that is finished first. So whatever
//! is killed when, the next try ends in the same rows there.

mod changes;
mod deliver;
mod due;
mod place;
mod record;
mod schema;
mod sending;
mod step;
mod version;

pub(crate) use deliver::{Delivering, Outcome};
pub(crate) use due::{due_stages, is_for};
pub(crate) use place::{place_of_export, resolved_place};
pub use record::{DatedDelivery, DeliveryReport};
pub(crate) use record::{held_versions, newest_deliveries};

use baton_core::asset::{Assets, Export};
use baton_core::{Definition, Kind};

/// The export that an asset is, if it is one.
pub(crate) fn export_of<'a>(assets: &'a Assets, name: &str) -> Option<&'a Export> {
    match &assets.get(name)?.definition {
        Definition::Exposure(exposure) => exposure.export.as_ref(),
        _ => None,
    }
}

/// The asset of a commit whose rows an export delivers: of an endpoint, the table of its predictions.
pub(crate) fn delivered_asset(assets: &Assets, export: &Export) -> baton_core::AssetName {
    match assets.get(&export.from).map(baton_core::Asset::kind) {
        Some(Kind::Endpoint) => crate::watch::predictions_of(&export.from),
        _ => export.from.clone(),
    }
}
