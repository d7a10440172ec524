//! One file on its way in: written aside, digested, synced, renamed.
//!
//! Whoever writes goes on when nobody waits for him any more, and so must know a body that ended from one whose sender is gone.

use std::fmt::{self, Display};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use baton_core::failpoint;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::{ArtifactError, ArtifactPath, blocking};

/// Pieces of a body that wait for the disk, at most; each has at most some hundred KiB.
pub(super) const WAITING: usize = 8;

/// What comes of a body.
pub(super) enum Piece {
    /// The next bytes.
    Bytes(Bytes),
    /// There is no more: the body is whole.
    End,
    /// It broke off, for this reason.
    Broken(String),
}

/// A SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Reads 64 hex digits.
    pub fn of_hex(text: &str) -> Option<Self> {
        hex::decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

/// What was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Bytes.
    pub size: u64,
    /// Of the bytes.
    pub digest: Digest,
}

/// Writes `body` to `target` by way of a file in `staging`. Network and disk work side by side, [`WAITING`] pieces apart.
pub(super) async fn put<E: Display + Send>(
    staging: &Path,
    target: PathBuf,
    path: &ArtifactPath,
    body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
    expected: Option<Digest>,
) -> Result<Stored, ArtifactError> {
    let (pieces, incoming) = mpsc::channel(WAITING);
    let (staging, named) = (staging.to_owned(), path.clone());
    let writing = blocking(path, move || write(&staging, &target, &named, incoming, expected));
    let ((), stored) = futures::join!(feed(body, pieces), writing);
    stored
}

/// Hands on what comes of `body`. Nothing comes after the end or a break.
pub(super) async fn feed<E: Display + Send>(
    mut body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
    pieces: mpsc::Sender<Piece>,
) {
    loop {
        let piece = match body.next().await {
            Some(Ok(bytes)) => Piece::Bytes(bytes),
            Some(Err(error)) => Piece::Broken(error.to_string()),
            None => Piece::End,
        };
        let is_last = !matches!(piece, Piece::Bytes(_));
        if pieces.send(piece).await.is_err() || is_last {
            // The writer has given up, or must, or has all: it says what became.
            return;
        }
    }
}

/// The bytes of what came; `None` at the end. A sender that is gone before the end has broken off.
pub(super) fn taken(piece: Option<Piece>, path: &ArtifactPath) -> Result<Option<Bytes>, ArtifactError> {
    let reason = match piece {
        Some(Piece::Bytes(bytes)) => return Ok(Some(bytes)),
        Some(Piece::End) => return Ok(None),
        Some(Piece::Broken(reason)) => reason,
        None => "the connection is closed".to_owned(),
    };
    Err(ArtifactError::BrokenOff { path: path.to_string(), reason })
}

/// Whether the bytes are what their sender says.
pub(super) fn checked(found: Digest, expected: Option<Digest>, path: &ArtifactPath) -> Result<Digest, ArtifactError> {
    match expected {
        Some(expected) if expected != found => Err(ArtifactError::Damaged {
            path: path.to_string(),
            found: found.to_string(),
            expected: expected.to_string(),
        }),
        _ => Ok(found),
    }
}

fn write(
    staging: &Path,
    target: &Path,
    path: &ArtifactPath,
    mut incoming: mpsc::Receiver<Piece>,
    expected: Option<Digest>,
) -> Result<Stored, ArtifactError> {
    let refused = |error: io::Error| ArtifactError::disk("write", path, &error);
    let mut staged = Staged::create(staging).map_err(refused)?;
    let mut hasher = Sha256::new();
    let mut size = 0;
    while let Some(piece) = taken(incoming.blocking_recv(), path)? {
        hasher.update(&piece);
        staged.file.write_all(&piece).map_err(refused)?;
        size += piece.len() as u64;
    }
    let digest = checked(Digest(hasher.finalize().into()), expected, path)?;
    staged.publish(target).map_err(|error| occupied(path, error))?;
    Ok(Stored { size, digest })
}

fn occupied(path: &ArtifactPath, error: io::Error) -> ArtifactError {
    let reason = match error.kind() {
        io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty => "a folder has its name",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "a file has the name of one of its folders",
        _ => return ArtifactError::disk("write", path, &error),
    };
    ArtifactError::Occupied { path: path.to_string(), reason }
}

/// A file that is removed again unless it is published.
pub(super) struct Staged {
    pub(super) file: File,
    place: PathBuf,
}

impl Staged {
    pub(super) fn create(staging: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(staging)?;
        let place = staging.join(uuid::Uuid::new_v4().simple().to_string());
        Ok(Self { file: File::create_new(&place)?, place })
    }

    /// Moves the file to `target`, durably.
    pub(super) fn publish(self, target: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        let folder = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
        create_folder(folder)?;
        failpoint::reach("tracking.artifact_staged");
        std::fs::rename(&self.place, target)?;
        sync_folder(folder)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After publishing there is nothing; what cannot be removed goes at the next start.
        let _removed = std::fs::remove_file(&self.place);
    }
}

/// Creates a folder and its parents, each durably in its own parent.
fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().ok_or(io::ErrorKind::InvalidInput)?;
    create_folder(parent)?;
    match std::fs::create_dir(folder) {
        // Another upload was faster; if that is a file, what follows says so.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        outcome => outcome?,
    }
    sync_folder(parent)
}

/// Removes what nobody has touched for longer than `age`: leftovers, which are only in the way of the disk.
pub(super) fn remove_older(folder: &Path, age: Duration) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|found| found.modified());
        if !modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|elapsed| elapsed > age)) {
            continue;
        }
        // If it cannot be removed now, the next start tries again.
        let _removed = match entry.path() {
            path if path.is_dir() => std::fs::remove_dir_all(path),
            path => std::fs::remove_file(path),
        };
    }
}

/// Makes the names in `folder` durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
