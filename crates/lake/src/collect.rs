//! What lies in the warehouse, and deleting what the caller says nobody reaches.
//!
//! A table goes as a whole by a rename into a trash folder, so that no half of it is ever seen; files of a table that stays
//! go one by one, and its log stays whole. It knows no roots: which versions are reached is the caller's knowledge.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use baton_core::failpoint;
use serde_json::Value;

use crate::error::LakeError;
use crate::lake::Lake;
use crate::location::TableLocation;
use crate::store::{create_folder, sync_folder};
use crate::writer::{content_hash, promised_hash};

/// A file or folder in the warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredItem {
    /// Its name: of a data file within its table, of an artifact its digest.
    pub name: String,
    /// Its bytes, with all below it.
    pub bytes: u64,
    /// When it was last written.
    pub modified: SystemTime,
}

/// Who wrote an entry of a table's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The version that it made.
    pub version: u64,
    /// The engine, as it calls itself; empty when it does not say.
    pub engine: String,
    /// What it did: `WRITE`, `DELETE`, ….
    pub operation: String,
    /// When, in milliseconds since the Unix epoch, by the writer's clock.
    pub at_millis: Option<i64>,
}

impl LogEntry {
    /// Whether Baton wrote it.
    pub fn is_ours(&self) -> bool {
        self.engine.starts_with("Baton/")
    }
}

impl Lake {
    /// The tables that have a folder, by location.
    pub fn tables(&self) -> Result<Vec<TableLocation>, LakeError> {
        let mut found = Vec::new();
        for table in folders(&self.warehouse().join("tables"))? {
            for fingerprint in folders(&self.warehouse().join("tables").join(&table))? {
                // What is not named as Baton names tables is not Baton's to judge.
                found.extend(TableLocation::new(table.clone(), fingerprint).ok());
            }
        }
        Ok(found)
    }

    /// The data files in a table's folder, whether or not a version names them.
    pub fn stored_files(&self, location: &TableLocation) -> Result<Vec<StoredItem>, LakeError> {
        let folder = self.folder_of(location);
        let mut found = items(&folder)?;
        found.retain(|item| item.name.ends_with(".parquet"));
        Ok(found)
    }

    /// All bytes of a table's folder, its log included.
    pub fn stored_bytes(&self, location: &TableLocation) -> Result<u64, LakeError> {
        let folder = self.folder_of(location);
        bytes_below(&folder).map_err(|error| LakeError::read(folder.display(), &error))
    }

    /// The names of all files that any entry of the table's log ever added.
    pub fn logged_files(&self, location: &TableLocation) -> Result<BTreeSet<String>, LakeError> {
        let mut found = BTreeSet::new();
        for (_, actions) in self.log_entries(location)? {
            let added = actions.iter().filter_map(|action| action.get("add")?.get("path")?.as_str());
            found.extend(added.map(str::to_owned));
        }
        Ok(found)
    }

    /// Who wrote the entries of a table's log, oldest first.
    pub fn log_history(&self, location: &TableLocation) -> Result<Vec<LogEntry>, LakeError> {
        let text = |info: Option<&Value>, key: &str| {
            info.and_then(|info| info.get(key)?.as_str()).unwrap_or_default().to_owned()
        };
        let entry = |(version, actions): (u64, Vec<Value>)| {
            let info = actions.iter().find_map(|action| action.get("commitInfo"));
            LogEntry {
                version,
                engine: text(info, "engineInfo"),
                operation: text(info, "operation"),
                at_millis: info.and_then(|info| info.get("timestamp")?.as_i64()),
            }
        };
        Ok(self.log_entries(location)?.into_iter().map(entry).collect())
    }

    fn log_entries(&self, location: &TableLocation) -> Result<Vec<(u64, Vec<Value>)>, LakeError> {
        let folder = self.folder_of(location).join("_delta_log");
        let mut entries = Vec::new();
        for item in items(&folder)? {
            let Some(version) = item.name.strip_suffix(".json").and_then(|stem| stem.parse::<u64>().ok()) else {
                continue;
            };
            let path = folder.join(&item.name);
            let text = fs::read_to_string(&path).map_err(|error| LakeError::read(path.display(), &error))?;
            let actions: Result<Vec<Value>, _> =
                text.lines().filter(|line| !line.trim().is_empty()).map(serde_json::from_str).collect();
            entries.push((version, actions.map_err(|error| LakeError::corrupt(&path, error))?));
        }
        entries.sort_by_key(|(version, _)| *version);
        Ok(entries)
    }

    /// Deletes a data file of a table; one that is gone already is fine. The caller knows that no version that anybody
    /// reaches has it.
    pub fn delete_file(&self, location: &TableLocation, name: &str) -> Result<(), LakeError> {
        let path = self.folder_of(location).join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LakeError::write(path.display(), &error)),
            _ => Ok(()),
        }
    }

    /// Deletes a table with its log. From the first instant on it is gone as a whole.
    pub fn delete_table(&self, location: &TableLocation) -> Result<(), LakeError> {
        let folder = self.folder_of(location);
        self.discard(&folder).map_err(|error| LakeError::write(folder.display(), &error))?;
        self.forget(location);
        Ok(())
    }

    /// The artifacts, by digest.
    pub fn stored_artifacts(&self) -> Result<Vec<StoredItem>, LakeError> {
        items(&self.warehouse().join("artifacts"))
    }

    /// Deletes an artifact. From the first instant on it is gone as a whole.
    pub fn delete_artifact(&self, digest: &str) -> Result<(), LakeError> {
        let folder = self.artifacts().folder(digest)?;
        self.discard(&folder).map_err(|error| LakeError::write(folder.display(), &error))
    }

    /// What writers that were killed left behind, and what a killed deletion did not get to: name and bytes.
    pub fn leftovers(&self) -> Result<Vec<StoredItem>, LakeError> {
        let mut found = Vec::new();
        for folder in [STAGING, TRASH] {
            for item in items(&self.warehouse().join(folder))? {
                found.push(StoredItem { name: format!("{folder}/{}", item.name), ..item });
            }
        }
        Ok(found)
    }

    /// Deletes a leftover; one that is gone already is fine.
    pub fn delete_leftover(&self, name: &str) -> Result<(), LakeError> {
        let path = self.warehouse().join(name);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LakeError::write(path.display(), &error)),
            _ => Ok(()),
        }
    }

    fn folder_of(&self, location: &TableLocation) -> PathBuf {
        self.warehouse().join(location.to_string())
    }

    fn discard(&self, folder: &Path) -> io::Result<()> {
        let trash = self.warehouse().join(TRASH);
        create_folder(&trash)?;
        let resting = trash.join(uuid::Uuid::new_v4().simple().to_string());
        match fs::rename(folder, &resting) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        failpoint::reach("lake.discarded");
        if let Some(parent) = folder.parent() {
            sync_folder(parent)?;
            // The folder of a table's name goes with its last table; one that is not empty stays.
            let _not_empty = fs::remove_dir(parent);
        }
        fs::remove_dir_all(&resting)
    }
}

const STAGING: &str = ".staging";
const TRASH: &str = ".trash";

fn folders(parent: &Path) -> Result<Vec<String>, LakeError> {
    let mut names = Vec::new();
    for item in items(parent)? {
        if parent.join(&item.name).is_dir() {
            names.push(item.name);
        }
    }
    Ok(names)
}

/// Whether the bytes of a data file have the hash that its name ends in. A name without one promises nothing, so it holds.
///
/// # Errors
/// Those of reading the file.
pub fn has_promised_content(path: &Path) -> io::Result<bool> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match promised_hash(&name) {
        Some(hash) => Ok(content_hash(&fs::read(path)?) == hash),
        None => Ok(true),
    }
}

/// What a folder holds, by name; nothing when it does not exist.
fn items(folder: &Path) -> Result<Vec<StoredItem>, LakeError> {
    let failed = |error: io::Error| LakeError::read(folder.display(), &error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let metadata = entry.metadata().map_err(failed)?;
        let bytes = if metadata.is_dir() { bytes_below(&entry.path()).map_err(failed)? } else { metadata.len() };
        let modified = metadata.modified().map_err(failed)?;
        found.push(StoredItem { name: entry.file_name().to_string_lossy().into_owned(), bytes, modified });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn bytes_below(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
