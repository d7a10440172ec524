//! Reports as text for people. Pure: values in, text out.

mod asset;
mod cause;
mod lineage;
pub(crate) mod rows;
mod run;
mod standing;
pub(crate) mod style;
mod table;
mod trace;

pub(crate) use asset::{asset, assets};
pub(crate) use cause::{incident_line, why};
pub(crate) use lineage::lineage;
pub(crate) use run::{plan, replay, run};
pub(crate) use standing::{log, status};
pub(crate) use table::{Table, count};
pub(crate) use trace::trace;
