//! Artifacts as objects: the key is the path, below a prefix. Objects are there whole or not at all, which the store sees to.
//!
//! What stores of objects do not know is kept all the same: a name is that of a file or of a folder, not of both. Of two uploads
//! at the same moment neither sees the other's, so that this holds for what was there before.

mod sending;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use tokio::sync::mpsc;

use super::upload::{WAITING, feed};
use super::{ArtifactEntry, ArtifactError, ArtifactFile, ArtifactPath, Digest, Stored};

/// Bytes that are asked for at once. A request that fails is asked again by itself, not the whole file.
const PIECE: u64 = 4 << 20;
/// Requests of one download that are under way.
const AHEAD: usize = 2;

/// The artifacts below a prefix.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: String,
}

/// An object as it was when it was asked for.
#[derive(Debug)]
pub(super) struct OpenObject {
    store: Arc<dyn ObjectStore>,
    key: Path,
    tag: Option<String>,
}

impl Objects {
    pub(super) fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self, ArtifactError> {
        let parsed = Path::parse(prefix.trim_matches('/'));
        let prefix = parsed.map_err(|_| ArtifactError::InvalidPath { path: prefix.to_owned() })?.to_string();
        Ok(Self { store, prefix })
    }

    /// Stores a body. It goes on to the store while it comes in; where it breaks off, or nobody waits any more, what was sent is
    /// taken back.
    pub(super) async fn put<E: std::fmt::Display + Send>(
        &self,
        path: &ArtifactPath,
        body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
        expected: Option<Digest>,
    ) -> Result<Stored, ArtifactError> {
        self.need_free(path).await?;
        let (pieces, incoming) = mpsc::channel(WAITING);
        let sending = sending::send(Arc::clone(&self.store), self.key(path)?, path.clone(), incoming, expected);
        let sending = tokio::spawn(sending);
        let ((), stored) = futures::join!(feed(body, pieces), sending);
        stored.unwrap_or_else(|error| Err(ArtifactError::disk("write", path, &io::Error::other(error))))
    }

    pub(super) async fn get(&self, path: &ArtifactPath) -> Result<ArtifactFile, ArtifactError> {
        if path.is_root() {
            return Err(ArtifactError::Folder { path: String::new() });
        }
        let key = self.key(path)?;
        let found = match self.store.head(&key).await {
            Ok(found) => found,
            Err(error) if !is_absent(&error) => return Err(ArtifactError::store("read", path, &error)),
            Err(_) if self.has_below(path).await? => return Err(ArtifactError::Folder { path: path.to_string() }),
            Err(_) => return Err(ArtifactError::Missing { path: path.to_string() }),
        };
        let (size, modified) = (found.size, found.last_modified.into());
        let object = OpenObject { store: Arc::clone(&self.store), key, tag: found.e_tag };
        Ok(ArtifactFile::of_object(object, size, modified))
    }

    pub(super) async fn list(&self, folder: &ArtifactPath) -> Result<Vec<ArtifactEntry>, ArtifactError> {
        let key = self.key(folder)?;
        // The whole bucket has no prefix.
        let listed = self.store.list_with_delimiter(Some(&key).filter(|key| !key.is_root())).await;
        let listed = listed.map_err(|error| ArtifactError::store("list", folder, &error))?;
        let entry = |key: &Path, size| Some(ArtifactEntry { name: key.filename()?.to_owned(), size });
        let files = listed.objects.iter().filter_map(|object| entry(&object.location, Some(object.size)));
        let folders = listed.common_prefixes.iter().filter_map(|key| entry(key, None));
        let mut entries: Vec<_> = files.chain(folders).collect();
        entries.sort();
        Ok(entries)
    }

    pub(super) async fn delete(&self, path: &ArtifactPath) -> Result<(), ArtifactError> {
        let key = self.key(path)?;
        let below = self.store.list(Some(&key)).map_ok(|object: ObjectMeta| object.location);
        let keys = futures::stream::iter([Ok(key)]).chain(below).boxed();
        let removed = self.store.delete_stream(keys).try_for_each(|_key| futures::future::ready(Ok(()))).await;
        match removed {
            Err(error) if !is_absent(&error) => Err(ArtifactError::store("delete", path, &error)),
            _ => Ok(()),
        }
    }

    /// Refuses a path that is a folder, or that lies below a file.
    async fn need_free(&self, path: &ArtifactPath) -> Result<(), ArtifactError> {
        let occupied = |reason| ArtifactError::Occupied { path: path.to_string(), reason };
        let is_file = async |folder: ArtifactPath| match self.store.head(&self.key(&folder)?).await {
            Ok(_) => Err(occupied("a file has the name of one of its folders")),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(ArtifactError::store("write", path, &error)),
        };
        let folders = futures::future::try_join_all(path.folders().map(is_file));
        let (has_below, _) = futures::try_join!(self.has_below(path), folders)?;
        if has_below { Err(occupied("a folder has its name")) } else { Ok(()) }
    }

    /// Whether there is a file below `path`.
    async fn has_below(&self, path: &ArtifactPath) -> Result<bool, ArtifactError> {
        let first = self.store.list(Some(&self.key(path)?)).try_next().await;
        Ok(first.map_err(|error| ArtifactError::store("list", path, &error))?.is_some())
    }

    fn key(&self, path: &ArtifactPath) -> Result<Path, ArtifactError> {
        let key = Path::parse(format!("{}/{path}", self.prefix).trim_matches('/'));
        key.map_err(|_| ArtifactError::InvalidPath { path: path.to_string() })
    }
}

impl OpenObject {
    /// What tells its content from another one, without quotes.
    pub(super) fn tag(&self) -> Option<&str> {
        Some(self.tag.as_deref()?.trim_matches('"'))
    }

    /// `length` of its bytes from `start` on. They end with an error when it is replaced meanwhile.
    pub(super) fn pieces(self, start: u64, length: u64) -> BoxStream<'static, io::Result<Bytes>> {
        let end = start + length;
        let ranges = std::iter::successors(Some(start), |at| Some(at + PIECE)).take_while(move |at| *at < end);
        let object = Arc::new(self);
        let pieces = futures::stream::iter(ranges).map(move |at| Arc::clone(&object).piece(at..end.min(at + PIECE)));
        pieces.buffered(AHEAD).boxed()
    }

    async fn piece(self: Arc<Self>, range: Range<u64>) -> io::Result<Bytes> {
        let wanted = range.end - range.start;
        let options =
            GetOptions { range: Some(GetRange::Bounded(range)), if_match: self.tag.clone(), ..GetOptions::default() };
        let answer = self.store.get_opts(&self.key, options).await.map_err(io::Error::other)?;
        let piece = answer.bytes().await.map_err(io::Error::other)?;
        // The connection must break, so that the client does not take it for the whole file.
        if piece.len() as u64 == wanted { Ok(piece) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

fn is_absent(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
}
