//! Reports as text for people. Pure: values in, text out.

mod asset;
mod backfill;
mod cause;
mod code;
mod collection;
mod diff;
mod drift;
mod environments;
mod lineage;
mod monitor;
mod reproduction;
pub(crate) mod rows;
mod run;
mod runs;
mod standing;
pub(crate) mod style;
mod table;
mod test;
mod trace;

pub(crate) use asset::{asset, assets};
pub(crate) use backfill::backfill;
pub(crate) use cause::{incident_line, why};
pub(crate) use code::{code, code_as_json, codes};
pub(crate) use collection::collection;
pub(crate) use diff::{diff, diff_markdown};
pub(crate) use drift::drift;
pub(crate) use environments::{comparison, environments, promotion, tags};
pub(crate) use lineage::lineage;
pub(crate) use reproduction::reproduction;
pub(crate) use run::{plan, replay, run};
pub(crate) use runs::{one_run, run_log, runs, schedules, step_of_run};
pub(crate) use standing::{log, status};
pub(crate) use table::{Table, count};
pub(crate) use test::{test, tests};
pub(crate) use trace::trace;
