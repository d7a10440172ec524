//! One body on its way to a store of objects: in one request, or in parts that become an object when the last one is there.

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload, Result as StoreResult};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::artifact::upload::{Piece, checked, taken};
use crate::artifact::{ArtifactError, ArtifactPath, Digest, Stored};

/// Bytes of a part; a smaller body is sent at once.
const PART: usize = 8 << 20;
/// Parts of one upload that are under way.
const UNDER_WAY: usize = 2;
/// After so many parts they become twice as large: stores take ten thousand at most.
const DOUBLED_AFTER: usize = 2000;

/// Sends what comes to the object `key`, which is there when this returns, or as it was before.
pub(super) async fn send(
    store: Arc<dyn ObjectStore>,
    key: Path,
    path: ArtifactPath,
    mut incoming: mpsc::Receiver<Piece>,
    expected: Option<Digest>,
) -> Result<Stored, ArtifactError> {
    let mut sending = Sending { store, key, part: Vec::new(), upload: None, count: 0, under_way: JoinSet::new() };
    let stored = match receive(&mut sending, &path, &mut incoming, expected).await {
        Ok(stored) => sending.end().await.map(|()| stored).map_err(|error| refused(&path, &error)),
        Err(error) => Err(error),
    };
    if stored.is_err() {
        sending.take_back().await;
    }
    stored
}

/// Takes all of the body and looks whether it is what its sender says.
async fn receive(
    sending: &mut Sending,
    path: &ArtifactPath,
    incoming: &mut mpsc::Receiver<Piece>,
    expected: Option<Digest>,
) -> Result<Stored, ArtifactError> {
    let (mut hasher, mut size) = (Sha256::new(), 0);
    while let Some(piece) = taken(incoming.recv().await, path)? {
        hasher.update(&piece);
        size += piece.len() as u64;
        sending.add(&piece).await.map_err(|error| refused(path, &error))?;
    }
    Ok(Stored { size, digest: checked(Digest(hasher.finalize().into()), expected, path)? })
}

fn refused(path: &ArtifactPath, error: &object_store::Error) -> ArtifactError {
    ArtifactError::store("write", path, error)
}

/// What was sent of an object, and what waits to be.
struct Sending {
    store: Arc<dyn ObjectStore>,
    key: Path,
    part: Vec<u8>,
    /// Begun when there is more than one part.
    upload: Option<Box<dyn MultipartUpload>>,
    count: usize,
    under_way: JoinSet<StoreResult<()>>,
}

impl Sending {
    /// Takes the next bytes, and sends a part where it is full.
    async fn add(&mut self, mut bytes: &[u8]) -> StoreResult<()> {
        while !bytes.is_empty() {
            let most = PART << (self.count / DOUBLED_AFTER);
            if self.part.len() == most {
                self.send_part().await?;
            }
            if self.part.is_empty() && self.count > 0 {
                self.part.reserve_exact(most);
            }
            let (now, later) = bytes.split_at(bytes.len().min(most - self.part.len()));
            self.part.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    async fn send_part(&mut self) -> StoreResult<()> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => self.upload.insert(self.store.put_multipart(&self.key).await?),
        };
        while self.under_way.len() >= UNDER_WAY {
            ended(self.under_way.join_next().await)?;
        }
        let part = Bytes::from(std::mem::take(&mut self.part));
        self.under_way.spawn(upload.put_part(PutPayload::from_bytes(part)));
        self.count += 1;
        Ok(())
    }

    /// Sends the rest, and makes the object of it all.
    async fn end(&mut self) -> StoreResult<()> {
        if self.upload.is_none() {
            let whole = Bytes::from(std::mem::take(&mut self.part));
            return self.store.put(&self.key, PutPayload::from_bytes(whole)).await.map(|_| ());
        }
        if !self.part.is_empty() {
            self.send_part().await?;
        }
        while let Some(part) = self.under_way.join_next().await {
            ended(Some(part))?;
        }
        match &mut self.upload {
            Some(upload) => upload.complete().await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Forgets what was sent. What cannot be taken back now is nobody's, and goes when the store clears unfinished uploads.
    async fn take_back(&mut self) {
        self.under_way.shutdown().await;
        if let Some(upload) = &mut self.upload {
            let _taken_back = upload.abort().await;
        }
    }
}

/// What became of a part.
fn ended(part: Option<Result<StoreResult<()>, tokio::task::JoinError>>) -> StoreResult<()> {
    match part {
        None => Ok(()),
        Some(Ok(sent)) => sent,
        Some(Err(error)) => Err(object_store::Error::JoinError { source: error }),
    }
}
