//! One thing broken on purpose: in a copy of the environment the weather stops coming, and `why` must find it.

use std::fs::File;
use std::path::Path;

use baton_core::incident::{Incident, IncidentState};
use baton_orchestrator::{Prepared, ReplayOptions, Services, WhyReport};
use chrono::TimeDelta;
use parquet::arrow::ArrowWriter;

use super::{ENVIRONMENT, files};
use crate::error::CliError;
use crate::instant;
use crate::project::Workspace;
use crate::wire;

/// The copy's name.
pub(super) const COPY: &str = "late_weather";
/// The last hour of weather that is delivered to the copy.
const STOPS_AT: &str = "2013-12-09";
/// How long the copy is driven on.
const UNTIL: &str = "2013-12-13";

/// What became of the copy.
pub(super) struct Broken {
    /// The incident that was opened.
    pub(super) incident: Option<Incident>,
    /// What `why` concludes.
    pub(super) why: WhyReport,
}

/// Copies the environment as it was on the day, delivers a weather file that ends there, and drives the copy on.
///
/// # Errors
/// Those of the ledger, the lake and the run.
pub(super) async fn break_weather(
    workspace: &Workspace,
    prepared: &Prepared,
    folder: &Path,
) -> Result<Broken, CliError> {
    let landing = folder.join(".baton").join(COPY);
    let services = workspace.services();
    files::write_landing(&landing)?;
    deliver_late_weather(services, &landing).await?;
    let copied = wire::with_folder(services, &landing)?;
    copy_as_it_was(&copied, prepared).await?;
    let (from, to) = (instant::parse(STOPS_AT)?, instant::parse(UNTIL)?);
    let options = ReplayOptions { from, to, every: TimeDelta::days(1) };
    let report = baton_orchestrator::replay(&copied, prepared, COPY, &options).await?;
    let about_weather = |found: &&Incident| found.asset.as_str() == "weather" && found.state == IncidentState::Open;
    let incident = report.incidents.values().find(about_weather).cloned();
    let target = incident.as_ref().map(|found| found.id.as_str());
    let why = baton_orchestrator::why(&copied, prepared, COPY, target, Some(to)).await?;
    Ok(Broken { incident, why })
}

/// The copy points at the commit of the day, with online values of its own.
async fn copy_as_it_was(services: &Services, prepared: &Prepared) -> Result<(), CliError> {
    let day = instant::parse(STOPS_AT)?;
    baton_orchestrator::copy_environment(services, ENVIRONMENT, COPY).await?;
    let history = baton_orchestrator::history(services, COPY, u32::MAX).await?;
    if let Some(commit) = history.iter().find(|commit| commit.as_of <= day) {
        baton_orchestrator::rollback(services, prepared, COPY, Some(&commit.id.0)).await?;
    }
    Ok(())
}

/// Writes the weather up to the day over the copy's weather file.
async fn deliver_late_weather(services: &Services, landing: &Path) -> Result<(), CliError> {
    let sql = format!("select * from weather where time_hour < timestamp '{STOPS_AT}T00:00:00Z'");
    let (schema, batches) = baton_orchestrator::query(services, ENVIRONMENT, None, &sql).await?;
    let path = landing.join("landing/weather.parquet");
    let file = File::create(&path).map_err(CliError::file("create", &path))?;
    let mut writer = ArrowWriter::try_new(file, schema, None)?;
    for batch in &batches {
        writer.write(batch)?;
    }
    writer.close()?;
    files::set_arrival(&path, instant::parse(STOPS_AT)?)
}
