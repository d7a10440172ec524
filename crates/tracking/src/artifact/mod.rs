//! Files that clients log to runs, models and traces, in a folder or a store of objects: streamed in and out, whole or not at all.
//!
//! `<root>/files/<path>` holds what was put, `<root>/staging` what is on its way, and `<root>/parts` uploads that come in
//! parts. A file is written aside, synced, and renamed to its place, so that a reader sees the old one or the new one; a
//! process that dies leaves at most a file in staging, which a later start removes. In a store of objects (`objects/`) an object
//! is a file, under the path's own name, and of the folder only `parts` is of use. It does not know who owns a path.

mod error;
mod file;
mod objects;
mod parts;
mod path;
#[cfg(test)]
mod tests;
mod upload;
mod whole;

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use object_store::ObjectStore;

pub use error::ArtifactError;
pub use file::{ArtifactFile, ByteRange};
use objects::Objects;
pub use parts::{PartReceipt, UploadId};
pub use path::ArtifactPath;
pub use upload::{Digest, Stored};

/// How long an upload may take, and one in parts, before its leftovers are nobody's.
const STAGED_FOR: Duration = Duration::from_secs(24 * 3600);
const PARTS_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// The artifacts below one folder, or in a store of objects.
#[derive(Debug, Clone)]
pub struct ArtifactStore {
    root: PathBuf,
    /// Where files are when they are whole, if that is not the folder.
    objects: Option<Objects>,
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArtifactEntry {
    /// The name, without its folder.
    pub name: String,
    /// Bytes of a file; `None` of a folder.
    pub size: Option<u64>,
}

impl ArtifactStore {
    /// The artifacts below `root`, which need not be there yet. What an earlier process left unfinished is removed.
    pub fn open(root: impl Into<PathBuf>) -> Self {
        let artifacts = Self { root: root.into(), objects: None };
        // What is younger may be another server's that shares the folder.
        upload::remove_older(&artifacts.staging(), STAGED_FOR);
        upload::remove_older(&artifacts.root.join("parts"), PARTS_FOR);
        artifacts
    }

    /// The artifacts below the key `prefix` of a store of objects. Uploads in parts wait in the folder `root`, as in [`Self::open`].
    ///
    /// # Errors
    /// [`ArtifactError::InvalidPath`] for a prefix that no key has.
    pub fn in_objects(
        root: impl Into<PathBuf>,
        store: Arc<dyn ObjectStore>,
        prefix: &str,
    ) -> Result<Self, ArtifactError> {
        Ok(Self { objects: Some(Objects::new(store, prefix)?), ..Self::open(root) })
    }

    /// Stores what `body` brings at `path`, in place of what was there. `expected` is what the sender says its SHA-256 is.
    ///
    /// # Errors
    /// When the path is a folder's, the body breaks off, the digest differs, or the disk or the store refuses; nothing is changed then.
    pub async fn put<E>(
        &self,
        path: &ArtifactPath,
        body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
        expected: Option<Digest>,
    ) -> Result<Stored, ArtifactError>
    where
        E: std::fmt::Display + Send,
    {
        let target = self.target(path)?;
        if let Some(objects) = &self.objects {
            return objects.put(path, body, expected).await;
        }
        upload::put(&self.staging(), target, path, body, expected).await
    }

    /// Stores `content` at `path`, as [`Self::put`] does.
    ///
    /// # Errors
    /// As of [`Self::put`].
    pub async fn put_whole(&self, path: &ArtifactPath, content: Bytes) -> Result<Stored, ArtifactError> {
        self.put(path, futures::stream::iter([Ok::<_, Infallible>(content)]), None).await
    }

    /// The file at `path`, ready to be read.
    ///
    /// # Errors
    /// [`ArtifactError::Missing`] and [`ArtifactError::Folder`], or what the disk or the store says.
    pub async fn get(&self, path: &ArtifactPath) -> Result<ArtifactFile, ArtifactError> {
        if let Some(objects) = &self.objects {
            return objects.get(path).await;
        }
        let (place, named) = (self.place(path), path.to_string());
        blocking(path, move || file::open(&place, &named)).await
    }

    /// What is in the folder `path`, by name; nothing where there is no folder.
    ///
    /// # Errors
    /// What the disk or the store says.
    pub async fn list(&self, path: &ArtifactPath) -> Result<Vec<ArtifactEntry>, ArtifactError> {
        if let Some(objects) = &self.objects {
            return objects.list(path).await;
        }
        let (place, named) = (self.place(path), path.clone());
        blocking(path, move || list(&place).map_err(|error| ArtifactError::disk("list", &named, &error))).await
    }

    /// Removes the file or folder `path`; nothing happens where there is none.
    ///
    /// # Errors
    /// What the disk or the store says, and [`ArtifactError::InvalidPath`] for the root.
    pub async fn delete(&self, path: &ArtifactPath) -> Result<(), ArtifactError> {
        let (place, named) = (self.target(path)?, path.clone());
        if let Some(objects) = &self.objects {
            return objects.delete(path).await;
        }
        blocking(path, move || delete(&place).map_err(|error| ArtifactError::disk("delete", &named, &error))).await
    }

    fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    fn place(&self, path: &ArtifactPath) -> PathBuf {
        path.names().iter().fold(self.root.join("files"), |place, name| place.join(name))
    }

    /// Where a file is put, which the root is not.
    fn target(&self, path: &ArtifactPath) -> Result<PathBuf, ArtifactError> {
        if path.is_root() {
            return Err(ArtifactError::InvalidPath { path: String::new() });
        }
        Ok(self.place(path))
    }
}

/// Runs `work` where it may wait for the disk.
async fn blocking<T: Send + 'static>(
    path: &ArtifactPath,
    work: impl FnOnce() -> Result<T, ArtifactError> + Send + 'static,
) -> Result<T, ArtifactError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ArtifactError::disk("work on", path, &io::Error::other(error))))
}

fn list(folder: &Path) -> io::Result<Vec<ArtifactEntry>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        // Nothing that the store wrote is a link; one that somebody placed there could lead anywhere.
        if kind.is_symlink() {
            continue;
        }
        let size = if kind.is_dir() { None } else { Some(entry.metadata()?.len()) };
        found.push(ArtifactEntry { name: entry.file_name().to_string_lossy().into_owned(), size });
    }
    found.sort();
    Ok(found)
}

fn delete(place: &Path) -> io::Result<()> {
    let removed = match std::fs::symlink_metadata(place) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(place),
        Ok(_) => std::fs::remove_file(place),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => place.parent().map_or(Ok(()), upload::sync_folder),
    }
}

/// Whether there is nothing there, or a file where a folder would be.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
