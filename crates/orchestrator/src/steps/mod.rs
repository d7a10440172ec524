//! The steps that carry data forward: landing sources, building tables.

mod build;
mod code;
mod ingest;
mod key;
mod landed;
mod moved;
mod output;
mod pull;
mod unit;

pub(crate) use build::{BEGINNING, Batch};
pub(crate) use code::code_of;
pub(crate) use key::StepKey;
pub(crate) use landed::{Landing, LandingCache, arrived_units, is_landed, landed_units, place_of, waiting_deliveries};
pub(crate) use moved::version_of;
pub(crate) use output::{Made, RecordedStep, Rejected, StepOutput, recorded_steps};
pub use pull::SourceLanding;
pub(crate) use pull::{chain_tips, check_connection, described_schema, examine, newest_landings, pull_source};
pub(crate) use unit::{Destination, arrow_type, contract_of, known_at, read_unit, stage_unit};
