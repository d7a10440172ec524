//! `baton serve`: endpoints over HTTP, and schedules, until Ctrl-C or SIGTERM. It follows the environment: what a run or an apply in
//! another process commits is served within a second.

use std::io;
use std::sync::Arc;

use baton_core::Clock;
use baton_core::time::FixedClock;
use baton_ledger::is_address;
use baton_server::Parts;
use baton_serving::{EndpointRouter, PredictionService};
use tokio::net::TcpListener;

use crate::args::ServeArguments;
use crate::artifact_place::ArtifactPlace;
use crate::catalog::ProjectCatalog;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::intake::ProjectIntake;
use crate::lineage_desk::EventDesk;
use crate::project::Workspace;
use crate::query_desk::EnvironmentQueries;
use crate::trained_models::TrainedModels;
use crate::wire::{self, Access};
use crate::{deploy, follow, instant, output, scheduling, settings};

/// Serves every endpoint that the environment has deployed.
pub(super) async fn serve(context: &Context, arguments: &ServeArguments) -> Result<Outcome, CliError> {
    let context = &context.serving(arguments.ledger_timeout);
    let workspace = Arc::new(Workspace::open_alone(context, Access::Write).await?);
    let router = Arc::new(EndpointRouter::new(deploy::served(&workspace).await?));
    let declared = &workspace.project.settings;
    let bind = arguments.bind.as_deref().unwrap_or(&declared.bind);
    let listener = listen(bind, arguments.port.unwrap_or(declared.port)).await?;
    let log = Arc::new(wire::prediction_log(workspace.services())?);
    let service = Arc::new(PredictionService::new(Arc::clone(&router), log)?);
    announce(context, &workspace, &router, &listener).await?;
    let clock: Arc<dyn Clock> = match context.as_of {
        Some(at) => Arc::new(FixedClock(at)),
        None => Arc::clone(&workspace.services().clock),
    };
    // Under a clock that stands still nothing becomes due.
    let runs_schedules = !arguments.no_scheduler && context.as_of.is_none();
    let scheduler = runs_schedules.then(|| scheduling::Running::begin(&workspace));
    let following = tokio::spawn(follow::follow(Arc::clone(&workspace), router));
    let catalog = Arc::new(ProjectCatalog::of(Arc::clone(&workspace)));
    let intake = Arc::new(ProjectIntake::of(Arc::clone(&workspace)));
    let mut parts = Parts::new(service, clock)
        .with_catalog(catalog)
        .with_intake(intake)
        .with_queries(Arc::new(EnvironmentQueries::of(Arc::clone(&workspace))))
        .with_lineage(Arc::new(EventDesk::of(Arc::clone(&workspace))))
        .with_tracking(tracking(&workspace).await?.with_allowed(arguments.guests.allowed()))
        .with_token(settings::secret("BATON_TOKEN"));
    if context.traces.are_on() {
        let clock = Arc::clone(&workspace.services().clock);
        parts = parts.with_spans(context.traces.spans(), clock);
    }
    if scheduler.is_some() {
        parts = parts.with_desk(Arc::new(scheduling::Desk::of(Arc::clone(&workspace))));
    }
    let ended = baton_server::serve(listener, parts, stop_signal()).await;
    following.abort();
    if let Some(scheduler) = scheduler {
        scheduler.end().await;
    }
    ended.map_err(CliError::Output)?;
    if !context.quiet {
        output::say("stopped");
    }
    Ok(Outcome::Fine)
}

/// What clients of MLflow track, beside the project's ledger.
async fn tracking(workspace: &Arc<Workspace>) -> Result<baton_server::Tracking, CliError> {
    let folder = &workspace.services().folder;
    let artifacts = ArtifactPlace::of_project(folder, &workspace.project.settings.tracking).open()?;
    let trained = TrainedModels::of(Arc::clone(workspace), artifacts.clone());
    Ok(wire::tracking(&wire::tracking_file(folder), artifacts).await?.with_bridge(Arc::new(trained)))
}

pub(super) async fn listen(bind: &str, port: u16) -> Result<TcpListener, CliError> {
    TcpListener::bind((bind, port)).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => CliError::PortInUse { bind: bind.to_owned(), port },
        _ => CliError::Listen { bind: bind.to_owned(), port, reason: error.to_string() },
    })
}

/// Says where it listens and what it serves; on standard output, because a script may wait for it.
async fn announce(
    context: &Context,
    workspace: &Workspace,
    router: &EndpointRouter,
    listener: &TcpListener,
) -> Result<(), CliError> {
    let address = listener.local_addr().map_err(CliError::Output)?;
    output::print(&format!("listening on http://{address}\n"))?;
    if context.quiet {
        return Ok(());
    }
    for deployment in router.deployments() {
        let (main, name) = (deployment.main(), deployment.endpoint());
        output::say(&format!("  POST /v2/models/{name}/infer  {}@{}", main.model, main.version));
    }
    if router.deployments().is_empty() {
        output::say("  no endpoint is deployed; `baton apply` deploys them");
    }
    let (known, now) = (workspace.viewed_at().await?, workspace.as_of());
    if now - known > chrono::TimeDelta::days(1) {
        let (day, known) = (known.format("%Y-%m-%d"), instant::show(known));
        output::say(&format!(
            "  note: the environment's data ends at {known}; online features older than their ttl are null. \
             To answer as of then: --as-of {day}"
        ));
    }
    if is_address(&workspace.project.settings.ledger) {
        output::say(
            "  note: what clients of MLflow track is kept on this machine, in .baton/tracking.db, and not on the ledger's server; \
             of several servers, point clients at one",
        );
    }
    Ok(())
}

/// Ends at Ctrl-C, or when the process is asked to end.
pub(super) async fn stop_signal() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminated) = terminated {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _no_signals_means_no_end = interrupted.await;
}
