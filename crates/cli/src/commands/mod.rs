//! One file a command. What needs no threads runs without them, so that small commands start at once.

mod apply;
mod approve;
mod backfill;
mod check;
mod completions;
mod demo;
mod diff;
mod doctor;
mod env;
mod exchange;
mod explain;
mod export;
mod files;
mod gc;
mod init;
mod ledger;
mod lineage;
mod log;
mod ls;
mod lsp;
mod plan;
mod predict;
mod promote;
mod query;
mod refresh;
mod replay;
mod reproduce;
mod resume;
mod rollback;
mod run;
mod runbook;
mod runs;
mod schedule;
mod search;
mod serve;
mod show;
mod status;
mod tag;
mod test;
mod trace;
mod tracked;
mod tracking;
mod why;

pub(crate) use resume::resumed;
pub(crate) use runbook::run_book;
pub(crate) use runs::find as find_run;
pub(crate) use schedule::{ScheduleLine, by_hand};
pub(crate) use tracked::{Comparison, Row, RunTable, TrackedRun, figure, short};

use std::io::{BufRead as _, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::args::{Command, ExportCommand, ExportEntryArguments};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::{INTERRUPTED, Outcome};
use crate::output;
use crate::project::Workspace;

/// Stack of a worker thread: planning deeply nested SQL recurses.
pub(crate) const STACK: usize = 8 << 20;

/// Most threads for blocking work. Each keeps its own freed memory, so many of them cost more than they bring; a step
/// that waits on others holds one, so it must stay well above the steps that run at a time.
const BLOCKING_THREADS: usize = 16;

/// Runs one command.
///
/// # Errors
/// Whatever ended the command.
pub(crate) fn dispatch(context: Context, command: Command) -> Result<Outcome, CliError> {
    start_log(&context);
    let outcome = match command {
        Command::Init(arguments) => init::init(&context, &arguments),
        Command::Completions(arguments) => completions::completions(&arguments),
        Command::Explain(arguments) => explain::explain(&context, &arguments),
        command => in_runtime(dispatch_async(&context, command)),
    };
    context.traces.end();
    outcome
}

async fn dispatch_async(context: &Context, command: Command) -> Result<Outcome, CliError> {
    match command {
        Command::Check(arguments) => check::check(context, &arguments).await,
        Command::Test(arguments) => test::test(context, &arguments).await,
        Command::Plan(arguments) => plan::plan(context, &arguments).await,
        Command::Approve(arguments) => approve::approve(context, &arguments).await,
        Command::Apply(arguments) => apply::apply(context, &arguments).await,
        Command::Run(arguments) => run::run(context, &arguments).await,
        Command::Runs(arguments) => runs::runs(context, &arguments).await,
        Command::Runbook(arguments) => runbook::runbook(context, &arguments).await,
        Command::Schedule(arguments) => schedule::schedule(context, &arguments).await,
        Command::Backfill(arguments) => backfill::backfill(context, &arguments).await,
        Command::Export(ExportEntryArguments { command: Some(ExportCommand::Mlflow(arguments)), .. }) => {
            exchange::export(context, &arguments).await
        }
        Command::Export(ExportEntryArguments { delivery: Some(arguments), .. }) => {
            export::export(context, &arguments).await
        }
        // The command line asks for one of the two.
        Command::Export(_) => Ok(Outcome::Fine),
        Command::Import(arguments) => exchange::import(context, &arguments).await,
        Command::Search(arguments) => search::search(context, &arguments).await,
        Command::Replay(arguments) => replay::replay(context, &arguments).await,
        Command::Serve(arguments) => serve::serve(context, &arguments).await,
        Command::Tracking(arguments) => tracking::tracking(context, &arguments).await,
        Command::Query(arguments) => query::query(context, &arguments).await,
        Command::Files(arguments) => files::files(context, &arguments).await,
        Command::Ls(arguments) => ls::ls(context, &arguments).await,
        Command::Lsp => lsp::lsp(context).await,
        Command::Show(arguments) => show::show(context, &arguments).await,
        Command::Diff(arguments) => diff::diff(context, &arguments).await,
        Command::Reproduce(arguments) => reproduce::reproduce(context, &arguments).await,
        Command::Lineage(arguments) => lineage::lineage(context, &arguments).await,
        Command::Predict(arguments) => predict::predict(context, &arguments).await,
        Command::Trace(arguments) => trace::trace(context, &arguments).await,
        Command::Why(arguments) => why::why(context, &arguments).await,
        Command::Status => status::status(context).await,
        Command::Log(arguments) => log::log(context, &arguments).await,
        Command::Env(arguments) => env::env(context, &arguments).await,
        Command::Promote(arguments) => promote::promote(context, &arguments).await,
        Command::Gc(arguments) => gc::gc(context, &arguments).await,
        Command::Ledger(arguments) => ledger::ledger(context, &arguments).await,
        Command::Tag(arguments) => tag::tag(context, &arguments).await,
        Command::Rollback(arguments) => rollback::rollback(context, &arguments).await,
        Command::Demo(arguments) => demo::demo(context, &arguments).await,
        Command::Doctor => doctor::doctor(context).await,
        Command::Init(_) | Command::Completions(_) | Command::Explain(_) => Ok(Outcome::Fine),
    }
}

/// Runs a command on worker threads; Ctrl-C ends the process at once, which is safe at any instant.
fn in_runtime(command: impl Future<Output = Result<Outcome, CliError>>) -> Result<Outcome, CliError> {
    let runtime = runtime()?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_background();
    outcome
}

/// Worker threads for a command, or for a run in a server.
///
/// # Errors
/// [`CliError::Start`].
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(CliError::Start)
}

/// Ends the process at Ctrl-C. Commands that must end in order (`serve`) do not call it.
fn end_at_interrupt() {
    tokio::spawn(async {
        if tokio::signal::ctrl_c().await.is_ok() {
            output::say("\ninterrupted; what was finished is kept, the same command goes on from there");
            std::process::exit(INTERRUPTED);
        }
    });
}

/// Logs of the parts below, on standard error, when asked for.
fn start_log(context: &Context) {
    let filter = match (&context.settings.log, context.verbose) {
        (Some(filter), _) => filter.clone(),
        (None, 0 | 1) => return,
        (None, 2) => "info,sqlx=warn".to_owned(),
        (None, _) => "debug,sqlx=warn".to_owned(),
    };
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(output::stderr_has_color());
    // A filter that is no filter, or a second start, leaves the log off; the command goes on.
    let _log_is_optional = builder.with_env_filter(EnvFilter::new(filter)).try_init();
}

/// Asks before a protected environment moves; elsewhere, and with `--yes`, there is nothing to ask.
///
/// # Errors
/// [`CliError::Unconfirmed`] without a terminal, [`CliError::Declined`] when the answer is not yes.
fn confirm(workspace: &Workspace, yes: bool, question: &str) -> Result<(), CliError> {
    if yes || !workspace.is_protected() {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(CliError::Unconfirmed { environment: workspace.environment.clone() });
    }
    output::say(&format!("{question} Environment `{}` is protected. Type yes to go on:", workspace.environment));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(CliError::file("read", "standard input"))?;
    if answer.trim() == "yes" { Ok(()) } else { Err(CliError::Declined) }
}

/// The text of an argument where `-` stands for standard input.
///
/// # Errors
/// [`CliError::File`] when standard input is no text.
fn text_or_stdin(argument: &str) -> Result<String, CliError> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    std::io::read_to_string(std::io::stdin()).map_err(CliError::file("read", "standard input"))
}
