//! `baton import`: what other trackers keep, brought in; and `baton export mlflow`: what is tracked, handed back.

use baton_exchange::{Destination, Origin};

use super::end_at_interrupt;
use crate::args::{ExportMlflowArguments, ImportArguments, ImportCommand};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::wire::{Access, Tracked};
use crate::{output, render, wire};

/// Brings in what another tracker keeps.
pub(super) async fn import(context: &Context, arguments: &ImportArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let (store, origin) = match &arguments.command {
        ImportCommand::Mlflow(mlflow) => {
            let (address, artifacts) = (in_folder(context, &mlflow.address), mlflow.artifacts.as_ref());
            (&mlflow.store, Origin::Mlflow { address, artifacts: artifacts.map(|folder| context.folder.join(folder)) })
        }
        ImportCommand::Optuna(optuna) => {
            let (address, experiment) = (in_folder(context, &optuna.address), optuna.experiment.clone());
            (&optuna.store, Origin::Optuna { address, experiment })
        }
    };
    let destination = destination(wire::tracked(context, store.store.as_deref(), Access::Write).await?);
    let report = baton_exchange::import(destination, origin).await?;
    if context.is_json() {
        output::print_json(&report)?;
    } else {
        output::print(&render::imported(&report))?;
    }
    match report.set_aside.len() {
        0 => Ok(Outcome::Fine),
        count => Err(CliError::SetAside { count }),
    }
}

/// Writes what is tracked as MLflow keeps it.
pub(super) async fn export(context: &Context, arguments: &ExportMlflowArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    let from = destination(wire::tracked(context, arguments.store.store.as_deref(), Access::Read).await?);
    let report = baton_exchange::export(from, &context.folder.join(&arguments.path)).await?;
    if context.is_json() {
        output::print_json(&report)?;
    } else {
        output::print(&render::exported(&report))?;
    }
    Ok(Outcome::Fine)
}

fn destination(tracked: Tracked) -> Destination {
    Destination { store: tracked.store, artifacts: tracked.artifacts }
}

/// A path as seen from the project's folder; an address as it is.
fn in_folder(context: &Context, address: &str) -> String {
    if address.contains(":/") || address.starts_with("sqlite:") {
        return address.to_owned();
    }
    context.folder.join(address).display().to_string()
}
