//! Handing on: a database and artifacts that an unmodified MLflow opens.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{ExchangeError, Result};
use crate::import::Destination;
use crate::mlflow::export::Writing;

/// The database's name in a folder.
const DATABASE: &str = "mlflow.db";
/// The folder of artifacts beside the database, which MLflow itself would use.
const ARTIFACTS: &str = "mlruns";

/// What was handed on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ExportReport {
    /// The database.
    pub database: PathBuf,
    /// The folder of artifacts.
    pub artifacts: PathBuf,
    /// Experiments.
    pub experiments: usize,
    /// Runs.
    pub runs: usize,
    /// Models that runs logged.
    pub logged_models: usize,
    /// Registered models.
    pub registered_models: usize,
    /// Versions of registered models.
    pub model_versions: usize,
    /// Traces.
    pub traces: usize,
    /// Files that were copied.
    pub files: usize,
    /// Bytes that were copied.
    pub bytes: u64,
}

/// Writes all that is tracked to a database of MLflow 3.18: `mlflow.db` in the folder `target`, or the file `target` if it ends
/// in `.db`; files go to `mlruns` beside it. The database is there whole or not at all.
///
/// # Errors
/// When the database is there already, or the disk refuses.
pub async fn export(from: Destination, target: &Path) -> Result<ExportReport> {
    let target = std::path::absolute(target).map_err(ExchangeError::file("find", target))?;
    let is_file = target.extension().is_some_and(|extension| extension == "db");
    let database = if is_file { target } else { target.join(DATABASE) };
    let artifacts = database.with_file_name(ARTIFACTS);
    if database.exists() {
        let reason = "is there already: name another folder, or remove it first".to_owned();
        return Err(ExchangeError::NotThere { path: database, reason });
    }
    fs::create_dir_all(&artifacts).map_err(ExchangeError::file("make the folder", &artifacts))?;
    let unfinished = database.with_extension("db.unfinished");
    if unfinished.exists() {
        fs::remove_file(&unfinished).map_err(ExchangeError::file("remove", &unfinished))?;
    }
    let report = Writing::begin(from, &unfinished, &artifacts).await?.all().await?;
    fs::rename(&unfinished, &database).map_err(ExchangeError::file("name", &database))?;
    Ok(ExportReport { database, artifacts, ..report })
}
