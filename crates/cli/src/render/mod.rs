//! Reports as text for people. Pure: values in, text out.

mod asset;
mod backfill;
mod cause;
mod code;
mod collection;
mod diff;
mod drift;
mod environments;
mod export;
mod lineage;
mod monitor;
mod reproduction;
pub(crate) mod rows;
mod run;
mod runbook;
mod runs;
mod standing;
pub(crate) mod style;
mod table;
mod test;
mod trace;

pub(crate) use asset::{asset, assets};
pub(crate) use backfill::backfill;
mod tracked;
mod tracked_run;
pub(crate) use cause::{incident_line, why};
pub(crate) use code::{code, code_as_json, codes};
pub(crate) use collection::collection;
pub(crate) use diff::{diff, diff_markdown};
pub(crate) use drift::drift;
pub(crate) use environments::{comparison, environments, promotion, tags};
pub(crate) use export::export_preview;
pub(crate) use lineage::lineage;
pub(crate) use reproduction::reproduction;
pub(crate) use run::{plan, replay, run};
pub(crate) use runbook::{awaited, runbooks, would};
pub(crate) use runs::{one_run, run_log, runs, schedules, step_of_run};
pub(crate) use standing::{log, status};
pub(crate) use table::{Table, count};
pub(crate) use test::{test, tests};
pub(crate) use trace::trace;
pub(crate) use tracked_run::tracked_run;
pub(crate) use tracked::{curves, milliseconds, tracked_comparison, tracked_runs};

pub(crate) use crate::commands::figure;
