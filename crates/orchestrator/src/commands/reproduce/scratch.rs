//! A place for rebuilt rows beside the tables. Nothing points at it, and it goes when the rebuild ends.

use std::path::PathBuf;

use baton_core::{AssetName, Fingerprint};
use baton_engine::BatchStream;
use baton_lake::{StagedFile, TableLocation};

use crate::error::RunError;
use crate::services::Services;
use crate::write::{Place, write_stream};

/// A folder for one rebuild.
pub(super) struct Scratch {
    pub(super) location: TableLocation,
    folders: Vec<PathBuf>,
}

impl Scratch {
    /// A place for rows of `asset` that no other rebuild uses.
    pub(super) fn new(services: &Services, asset: &AssetName) -> Result<Self, RunError> {
        let process = std::process::id().to_string();
        let began = services.clock.now().to_rfc3339();
        let unique = Fingerprint::of([asset.as_str(), &process, &began]);
        let location = TableLocation::new(format!("reproduce-{asset}"), unique.as_str())?;
        let warehouse = services.lake.warehouse();
        let name = location.to_string();
        let above = |folder: PathBuf| folder.parent().map(std::path::Path::to_path_buf).unwrap_or(folder);
        let folders = [warehouse.join(&name), warehouse.join("profiles").join(&name)];
        let folders = folders.iter().cloned().chain(folders.iter().cloned().map(above)).collect();
        Ok(Self { location, folders })
    }

    /// Keeps the rows of a stream, for a version that comes after `base`.
    pub(super) async fn keep(
        &self,
        services: &Services,
        base: Option<u64>,
        stream: BatchStream,
    ) -> Result<Vec<StagedFile>, RunError> {
        let place = Place { location: &self.location, base, checks: &[] };
        Ok(write_stream(services, place, stream, services.clock.now()).await?.files)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let (own, shared) = self.folders.split_at(self.folders.len() / 2);
        for folder in own {
            // What cannot be deleted now is garbage that collection finds: nothing points at it.
            let _gone_or_garbage = std::fs::remove_dir_all(folder);
        }
        for folder in shared {
            // Another rebuild of the same asset may be at work there: only an empty folder goes.
            let _gone_or_in_use = std::fs::remove_dir(folder);
        }
    }
}
