//! What MLflow keeps: a folder, or a database.

mod database;
pub(crate) mod export;
mod folder;
mod promoted;
mod span;

use std::path::{Path, PathBuf};

use crate::error::{ExchangeError, Result};
use crate::files::Files;
use crate::source::Source;

/// Opens the folder or database at `address`; `artifacts` is what is behind `mlflow-artifacts:/`.
pub(crate) async fn open(address: &str, artifacts: Option<PathBuf>) -> Result<Box<dyn Source>> {
    let path = path_of(address)?;
    let home = if path.is_dir() { path.clone() } else { path.parent().map(Path::to_owned).unwrap_or_default() };
    // Where `mlflow server` puts what goes through it unless it is told otherwise.
    let beside = [home.join("mlartifacts"), home.join("../mlartifacts")].into_iter().find(|folder| folder.is_dir());
    let served = artifacts.or(beside);
    if path.is_dir() {
        let inner = path.join("mlruns");
        let is_above = !is_store(&path) && is_store(&inner);
        let root = if is_above { inner } else { path };
        if !is_store(&root) {
            let reason = "holds no experiments of MLflow: give the folder `mlruns`, or a database".to_owned();
            return Err(ExchangeError::NotThere { path: root, reason });
        }
        let home = root.parent().map(Path::to_owned).unwrap_or_default();
        let roots = vec![root.clone(), root.join(folder::TRASH)];
        return Ok(Box::new(folder::Folder { root, files: Files { home, roots, served } }));
    }
    if !path.is_file() {
        let reason = "is not there: give the folder `mlruns`, or a database such as `mlflow.db`".to_owned();
        return Err(ExchangeError::NotThere { path, reason });
    }
    Ok(Box::new(database::MlflowDatabase::open(&path, Files { home, served, ..Files::default() }).await?))
}

/// Whether a folder has a folder with `meta.yaml`, as those of experiments and models do.
fn is_store(folder: &Path) -> bool {
    let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| entry.path().join("meta.yaml").is_file()) || folder.join(".trash").is_dir()
}

/// The path of `sqlite:///PATH`, `file:///PATH` or `PATH`.
pub(crate) fn path_of(address: &str) -> Result<PathBuf> {
    let reason = "give a path, `sqlite:///PATH` or `file:///PATH`";
    match address.split_once(':') {
        // SQLAlchemy: three slashes before a relative path, four before an absolute one.
        Some(("sqlite", rest)) => Ok(PathBuf::from(rest.strip_prefix("///").unwrap_or(rest))),
        Some(("file", rest)) => Ok(PathBuf::from(rest.strip_prefix("//").unwrap_or(rest))),
        Some((scheme, rest)) if rest.starts_with("//") && scheme.len() > 1 => {
            Err(ExchangeError::Address { address: address.to_owned(), reason })
        }
        _ => Ok(PathBuf::from(address)),
    }
}
