//! Where files of runs, models and traces are: beside what is tracked, in another folder, or in a bucket.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use baton_connectors::bucket_folder;
use baton_orchestrator::RunError;
use baton_project::TrackingSettings;
use baton_tracking::artifact::ArtifactStore;

use crate::error::CliError;
use crate::settings;

/// A place for artifacts, which is looked at when it is opened.
#[derive(Debug, Clone)]
pub(crate) struct ArtifactPlace {
    /// The usual folder; uploads in parts wait here, wherever they end.
    folder: PathBuf,
    /// Where relative paths start.
    root: PathBuf,
    said: Option<String>,
    options: BTreeMap<String, String>,
}

impl ArtifactPlace {
    /// That of the project in `folder`.
    pub(crate) fn of_project(folder: &Path, settings: &TrackingSettings) -> Self {
        Self {
            folder: folder.join(".baton/artifacts"),
            root: folder.to_owned(),
            said: settings.artifacts.clone(),
            options: settings.options.clone(),
        }
    }

    /// The folder beside the file `tracking`, or what `said` says: a folder, seen from `root`, or `s3://bucket/folder`.
    pub(crate) fn beside(tracking: &Path, root: &Path, said: Option<String>) -> Self {
        let folder = tracking.with_file_name("artifacts");
        Self { folder, root: root.to_owned(), said, options: BTreeMap::new() }
    }

    /// Opens it; a bucket is asked nothing yet.
    ///
    /// # Errors
    /// Secrets that are not there, or an address that is none.
    pub(crate) fn open(&self) -> Result<ArtifactStore, CliError> {
        let Some(said) = &self.said else { return Ok(ArtifactStore::open(&self.folder)) };
        if !said.contains("://") {
            return Ok(ArtifactStore::open(self.root.join(said)));
        }
        let bucket = bucket_folder(said, &self.options, &self.root, &settings::secret).map_err(RunError::from)?;
        let opened = ArtifactStore::in_objects(&self.folder, bucket.store, &bucket.prefix);
        opened.map_err(|error| {
            CliError::argument(format!("artifacts cannot be at `{said}`: {error}"), "name another folder")
        })
    }
}
