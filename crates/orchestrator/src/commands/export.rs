//! Exports outside of runs: delivered by hand, looked at beforehand, or brought along by what moved an environment; and
//! whether their destinations can be reached.

use baton_core::AssetName;
use baton_core::asset::Export;
use baton_plan::Stage;
use baton_project::Project;
use serde::Serialize;

use super::change::is_applied;
use super::head;
use crate::error::RunError;
use crate::execution::Execution;
use crate::exports::{
    Delivering, DeliveryReport, Outcome, delivered_asset, due_stages, export_of, is_for, resolved_place,
};
use crate::prepare::Prepared;
use crate::report::RunReport;
use crate::services::Services;

/// What a delivery would come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportPreview {
    /// The export.
    pub export: String,
    /// The environment whose rows would be delivered.
    pub environment: String,
    /// Whether the destination holds the rows already, or there are none.
    pub up_to_date: bool,
    /// What would be sent; `None` when there are no rows yet.
    pub delivery: Option<DeliveryReport>,
}

/// Delivers what the environment's newest commit has; all rows when `full`.
///
/// # Errors
/// There is no such export or no commit; those of the stores. A delivery that fails is a failed step of the report.
pub async fn export(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    name: &AssetName,
    full: bool,
) -> Result<RunReport, RunError> {
    need(&prepared.project, name, environment)?;
    let commit = head(services, environment).await?;
    let execution = Execution::begin(services, prepared, environment, commit.as_of, "export").await?;
    execution.execute(&[Stage::Export { asset: name.clone(), full }]).await
}

/// Delivers what the environment's newest commit has, after a promotion or a rollback made it that; `None` where no export is
/// due.
///
/// # Errors
/// Those of the stores. A delivery that fails is a failed step of the report; what moved stays moved.
pub async fn deliver_due(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
) -> Result<Option<RunReport>, RunError> {
    let Some(commit) = services.ledger.head(environment).await? else { return Ok(None) };
    let is_there = |stage: &Stage| {
        let pin = stage.asset().and_then(|asset| Some((commit.assets.get(asset)?, asset)));
        pin.is_some_and(|(pin, asset)| is_applied(pin, asset, prepared))
    };
    let mut due = due_stages(&prepared.project, environment, &services.asked, |_| true);
    due.retain(is_there);
    if due.is_empty() {
        return Ok(None);
    }
    let execution = Execution::begin(services, prepared, environment, commit.as_of, "deliver").await?;
    Ok(Some(Box::pin(execution.execute(&due)).await?))
}

/// Says what [`export`] would send, and sends nothing.
///
/// # Errors
/// As [`export`]; what keeps the rows from being delivered, as far as it shows without sending any.
pub async fn preview_export(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    name: &AssetName,
    full: bool,
) -> Result<ExportPreview, RunError> {
    let export = need(&prepared.project, name, environment)?;
    let commit = head(services, environment).await?;
    let delivering = Delivering {
        services,
        project: &prepared.project.name,
        name,
        export,
        asset: delivered_asset(&prepared.project.assets, export),
        environment,
        commit: &commit,
        run: None,
        schemas: &prepared.schemas,
        full,
    };
    let (up_to_date, delivery) = match delivering.preview().await? {
        Outcome::NoRows => (true, None),
        Outcome::UpToDate(report) => (true, Some(report)),
        Outcome::Delivered(report, _) => (false, Some(report)),
    };
    Ok(ExportPreview { export: name.to_string(), environment: environment.to_owned(), up_to_date, delivery })
}

/// The export called `name`, which must be one for `environment`.
fn need<'p>(project: &'p Project, name: &AssetName, environment: &str) -> Result<&'p Export, RunError> {
    let Some(export) = export_of(&project.assets, name) else {
        let known = project.assets.keys().filter(|known| export_of(&project.assets, known).is_some());
        let known: Vec<&str> = known.map(AssetName::as_str).collect();
        let known = if known.is_empty() { "the project declares none".to_owned() } else { known.join(", ") };
        return Err(RunError::Project(format!("there is no export `{name}`; there are: {known}")));
    };
    if !is_for(project, export, environment) {
        let hint = "name it under `environments` of the export if that is meant";
        return Err(RunError::Project(format!("export `{name}` does not deliver environment `{environment}`; {hint}")));
    }
    Ok(export)
}

/// Tries the destination of every export that delivers `environment`, one after the other: what answered, or what is wrong
/// and what to do.
pub async fn destinations(
    services: &Services,
    project: &Project,
    environment: &str,
) -> Vec<(AssetName, Result<String, String>)> {
    let mut tried = Vec::new();
    for name in project.assets.keys() {
        let Some(export) = export_of(&project.assets, name) else { continue };
        if !is_for(project, export, environment) {
            continue;
        }
        let answer = match resolved_place(services, &project.name, (name, export), environment) {
            Ok((connector, target)) => connector.check(&target).await.map_err(RunError::from),
            Err(error) => Err(error),
        };
        tried.push((name.clone(), answer.map_err(|error| error.to_string())));
    }
    tried
}
