//! Profiles of table versions: kept per data file beside the lake, merged when asked.
//!
//! A file never changes, so neither does its profile. Files that were rewritten without one are scanned once.

use std::path::PathBuf;

use baton_core::{TableVersion, Timestamp};
use baton_engine::{SessionInput, TableFiles, TableInput};
use baton_lake::Snapshot;
use baton_stats::profile::{Profiler, TableProfile};
use futures::TryStreamExt as _;

use crate::error::RunError;
use crate::services::Services;

fn path_of(services: &Services, location: &str, file: &str) -> PathBuf {
    services.lake.warehouse().join("profiles").join(location).join(format!("{file}.profile"))
}

/// Keeps the profile of a data file.
pub(crate) fn save(services: &Services, location: &str, file: &str, profile: &TableProfile) -> Result<(), RunError> {
    let path = path_of(services, location, file);
    let written =
        path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, profile.to_bytes()));
    written.map_err(|error| RunError::File { path: path.display().to_string(), reason: error.to_string() })
}

/// Forgets the profile of a data file, or those of all files of a table.
pub(crate) fn forget(services: &Services, location: &str, file: Option<&str>) -> Result<(), RunError> {
    let removed = match file {
        Some(file) => std::fs::remove_file(path_of(services, location, file)),
        None => std::fs::remove_dir_all(services.lake.warehouse().join("profiles").join(location)),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(RunError::File { path: location.to_owned(), reason: error.to_string() })
        }
        _ => Ok(()),
    }
}

/// The profile of a table version, merged over its files; `None` for a version without files.
pub async fn profile(services: &Services, version: &TableVersion) -> Result<Option<TableProfile>, RunError> {
    let snapshot = services.lake.snapshot(version).await?;
    let all = TableFiles::from(snapshot.as_ref());
    let mut merged: Option<TableProfile> = None;
    for (index, entry) in snapshot.files().iter().enumerate() {
        let path = path_of(services, &version.location, &entry.name);
        let kept = std::fs::read(&path).ok().and_then(|bytes| TableProfile::from_bytes(&bytes).ok());
        let part = match kept {
            Some(profile) => profile,
            None => {
                let scanned = scan_file(services, &snapshot, &all, index).await?;
                save(services, &version.location, &entry.name, &scanned)?;
                scanned
            }
        };
        match &mut merged {
            None => merged = Some(part),
            Some(whole) => whole.merge_from(&part)?,
        }
    }
    Ok(merged)
}

/// The profile of the rows of a table version that are known at `as_of`: a scan, nothing is kept.
pub async fn profile_at(
    services: &Services,
    version: &TableVersion,
    as_of: Timestamp,
) -> Result<Option<TableProfile>, RunError> {
    let files = TableFiles::from(services.lake.snapshot(version).await?.as_ref());
    Ok(Some(scan(services, files, Some(as_of)).await?))
}

async fn scan_file(
    services: &Services,
    snapshot: &Snapshot,
    all: &TableFiles,
    index: usize,
) -> Result<TableProfile, RunError> {
    let one = TableFiles { schema: snapshot.schema().clone(), files: vec![all.files[index].clone()] };
    scan(services, one, None).await
}

async fn scan(services: &Services, files: TableFiles, as_of: Option<Timestamp>) -> Result<TableProfile, RunError> {
    let tables = [("part".to_owned(), TableInput::Files(files))].into();
    let session = services.engine.session(SessionInput { tables, as_of })?;
    let mut stream = session.query_stream("select * from part").await?;
    let mut profiler = Profiler::new(&stream.schema());
    while let Some(batch) = stream.try_next().await? {
        profiler.update(&batch)?;
    }
    Ok(profiler.finish())
}
