//! The steps that carry data forward: landing sources, building tables.

mod build;
mod ingest;
mod landed;
mod moved;
mod output;
mod unit;

pub(crate) use landed::{Landing, LandingCache, arrived_units, landed_units, waiting_deliveries};
pub(crate) use unit::contract_of;
