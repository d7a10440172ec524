//! The binary `baton`: arguments in, one command out.
//!
//! Parsing comes first and builds nothing, so that `--version` and `--help` answer at once. [`wire`] is the only place
//! that picks concrete parts, [`settings`] the only one that reads the process environment.

mod args;
mod artifact_place;
mod catalog;
mod commands;
mod context;
mod demo;
mod deploy;
mod error;
mod exit;
mod follow;
mod git;
mod init;
mod instant;
mod intake;
mod lineage_desk;
mod load;
mod output;
mod parameters;
mod progress;
mod project;
mod query_desk;
mod registered_models;
mod render;
mod saved_plan;
mod scheduling;
mod selection;
mod served_predictions;
mod settings;
mod traces;
mod tracked_runs;
mod trained_models;
mod webhooks;
mod wire;
mod workshop;

use std::process::ExitCode;

use clap::Parser as _;

/// Planning and queries allocate a great deal, on many threads; the system's allocator took a fifth of their time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    let settings = settings::Settings::read();
    settings.arm_failpoint();
    exit::guard(|| commands::dispatch(context::Context::new(arguments.global, settings)?, arguments.command))
}
