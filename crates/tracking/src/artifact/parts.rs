//! Uploads in parts: each is stored by itself and may be sent again, in any order; completed, they become one file.
//!
//! `<root>/parts/<upload>/target` names the artifact, `<root>/parts/<upload>/<number>` is a part. It survives a restart of
//! the server, so an upload goes on where it stopped. Parts wait there also for a store of objects, which gets them when all are
//! there: so they may be of any size, and are looked at before anything is sent.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};

use super::upload::{self, Staged};
use super::{ArtifactError, ArtifactPath, ArtifactStore, Digest, Stored, blocking, file, is_absent};

/// More parts than any client makes of a file.
const MOST_PARTS: u32 = 10_000;
const PIECE: usize = 256 * 1024;

/// An upload in parts. Whoever knows it may send parts: it cannot be guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadId(String);

impl UploadId {
    /// Reads 32 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_id = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_id.then(|| Self(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A part that was sent, as its sender says when it completes the upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartReceipt {
    /// Counts from 1.
    pub number: u32,
    /// What storing the part answered with.
    pub digest: Digest,
}

impl ArtifactStore {
    /// Begins an upload of `path` in parts.
    ///
    /// # Errors
    /// What the disk says.
    pub async fn begin_parts(&self, path: &ArtifactPath) -> Result<UploadId, ArtifactError> {
        self.target(path)?;
        let upload = UploadId(uuid::Uuid::new_v4().simple().to_string());
        let (folder, named) = (self.parts_of(&upload), path.clone());
        let begin = move || begin(&folder, &named).map_err(|error| ArtifactError::disk("write", &named, &error));
        blocking(path, begin).await?;
        Ok(upload)
    }

    /// Stores part `number` of an upload, in place of what was sent as that before.
    ///
    /// # Errors
    /// As of [`ArtifactStore::put`], and [`ArtifactError::Parts`] when there is no such upload or part.
    pub async fn put_part<E>(
        &self,
        upload: &UploadId,
        number: u32,
        body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
    ) -> Result<Stored, ArtifactError>
    where
        E: std::fmt::Display + Send,
    {
        if !(1..=MOST_PARTS).contains(&number) {
            return Err(refused(upload, format!("part {number} is not between 1 and {MOST_PARTS}")));
        }
        let (folder, wanted) = (self.parts_of(upload), upload.clone());
        let path = blocking(&ArtifactPath::default(), move || target_of(&folder, &wanted)).await?;
        let target = self.parts_of(upload).join(number.to_string());
        upload::put(&self.staging(), target, &path, body, None).await
    }

    /// Makes one file of the parts, in the order of their numbers. Each must be what its receipt says.
    ///
    /// # Errors
    /// [`ArtifactError::Parts`] when the upload is not of `path` or a part is missing or another, or what the disk says.
    pub async fn complete_parts(
        &self,
        upload: &UploadId,
        path: &ArtifactPath,
        mut parts: Vec<PartReceipt>,
    ) -> Result<Stored, ArtifactError> {
        parts.sort_by_key(|part| part.number);
        let (folder, staging, target) = (self.parts_of(upload), self.staging(), self.target(path)?);
        let (upload, named, is_here) = (upload.clone(), path.clone(), self.objects.is_none());
        let (place, receipts) = (folder.clone(), parts.clone());
        let mut stored = blocking(path, move || {
            if target_of(&folder, &upload)? != named {
                return Err(refused(&upload, format!("it is not an upload of `{named}`")));
            }
            if is_here {
                return join(&folder, &staging, &target, &upload, &parts);
            }
            copy(&folder, &mut io::sink(), &upload, &parts)
        })
        .await?;
        if let Some(objects) = &self.objects {
            let files = receipts.into_iter().map(|part| place.join(part.number.to_string())).collect();
            stored = objects.put(path, Box::pin(content(files)), Some(stored.digest)).await?;
        }
        // The file is in place; parts that stay are only in the way of the disk.
        let removed = move || {
            let _removed = std::fs::remove_dir_all(&place);
            Ok(stored)
        };
        blocking(path, removed).await
    }

    /// Forgets an upload; nothing happens where there is none.
    ///
    /// # Errors
    /// What the disk says.
    pub async fn abort_parts(&self, upload: &UploadId) -> Result<(), ArtifactError> {
        let folder = self.parts_of(upload);
        let root = ArtifactPath::default();
        blocking(&root.clone(), move || match std::fs::remove_dir_all(&folder) {
            Err(error) if !is_absent(&error) => Err(ArtifactError::disk("delete", &root, &error)),
            _ => Ok(()),
        })
        .await
    }

    fn parts_of(&self, upload: &UploadId) -> PathBuf {
        self.root.join("parts").join(&upload.0)
    }
}

fn refused(upload: &UploadId, reason: impl Into<String>) -> ArtifactError {
    ArtifactError::Parts { upload: upload.0.clone(), reason: reason.into() }
}

fn begin(folder: &Path, path: &ArtifactPath) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("target"), path.to_string())
}

fn target_of(folder: &Path, upload: &UploadId) -> Result<ArtifactPath, ArtifactError> {
    let path = std::fs::read_to_string(folder.join("target"));
    let path = path.map_err(|error| refused(upload, format!("it is not known ({error})")))?;
    ArtifactPath::parse(&path)
}

fn join(
    folder: &Path,
    staging: &Path,
    target: &Path,
    upload: &UploadId,
    parts: &[PartReceipt],
) -> Result<Stored, ArtifactError> {
    let failed = |error: io::Error| refused(upload, error.to_string());
    let mut staged = Staged::create(staging).map_err(failed)?;
    let stored = copy(folder, &mut staged.file, upload, parts)?;
    staged.publish(target).map_err(failed)?;
    Ok(stored)
}

/// Writes the parts to `target` one after the other, each of which must be what its receipt says.
fn copy(
    folder: &Path,
    target: &mut impl io::Write,
    upload: &UploadId,
    parts: &[PartReceipt],
) -> Result<Stored, ArtifactError> {
    let (mut whole, mut size) = (Sha256::new(), 0);
    for part in parts {
        let opened = File::open(folder.join(part.number.to_string()));
        let opened = opened.map_err(|error| refused(upload, format!("part {} is missing ({error})", part.number)))?;
        let found = append(opened, target, &mut whole).map_err(|error| refused(upload, error.to_string()))?;
        if found.digest != part.digest {
            return Err(refused(upload, format!("part {} is not the one that its receipt is for", part.number)));
        }
        size += found.size;
    }
    Ok(Stored { size, digest: Digest(whole.finalize().into()) })
}

/// What is in the files, one after the other.
fn content(files: Vec<PathBuf>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let opened = move |place: PathBuf| file::open(&place, &place.to_string_lossy()).map_err(io::Error::other);
    futures::stream::iter(files).map(opened).map_ok(|file| file.bytes(None)).try_flatten()
}

/// Adds a part to the whole, in pieces; what the part alone is.
fn append(mut part: File, target: &mut impl io::Write, whole: &mut Sha256) -> io::Result<Stored> {
    let (mut hasher, mut size, mut piece) = (Sha256::new(), 0, vec![0; PIECE]);
    loop {
        let length = part.read(&mut piece)?;
        if length == 0 {
            return Ok(Stored { size, digest: Digest(hasher.finalize().into()) });
        }
        hasher.update(&piece[..length]);
        whole.update(&piece[..length]);
        target.write_all(&piece[..length])?;
        size += length as u64;
    }
}
