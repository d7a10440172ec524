//! The file system as an object store that keeps its promises: what was put is on the disk, whole or not at all.
//!
//! `object_store`'s own local store does not sync. Here a put writes a temporary file, syncs it, and moves it into place
//! (as a hard link when the object must not exist yet, which is atomic). Everything else is delegated. A store for S3
//! takes this one's place without the rest of the crate noticing.
//!
//! A data file is nothing until an entry of its table's log names it, so its name becomes durable with the entry: just before
//! the entry is there, the table's folder is synced, and with a table's first entry the folders above it, too. One sync of a
//! folder makes several names durable, and where file systems keep a journal the next ones find nothing left to do.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::mem;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

const NAME: &str = "lake";

/// A durable object store over the whole local file system. Temporary files live in `staging`.
#[derive(Debug)]
pub(crate) struct DurableStore {
    inner: LocalFileSystem,
    staging: PathBuf,
}

/// The folder of a table's log in that of the table.
const LOG: &str = "_delta_log";
/// The first entry of a log.
const FIRST: &str = "00000000000000000000.json";

impl DurableStore {
    /// `staging` must be on the file system of everything that is put, in the folder that all tables are below.
    pub(crate) fn new(staging: PathBuf) -> Self {
        Self { inner: LocalFileSystem::new(), staging }
    }
}

impl fmt::Display for DurableStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(NAME)
    }
}

#[async_trait]
impl ObjectStore for DurableStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let create = match options.mode {
            PutMode::Overwrite => false,
            PutMode::Create => true,
            PutMode::Update(_) => return self.inner.put_opts(location, payload, options).await,
        };
        let target = self.inner.path_to_filesystem(location)?;
        let temporary = self.staging.join(uuid::Uuid::new_v4().simple().to_string());
        let written = tokio::task::spawn_blocking(move || put(&temporary, &target, &payload, create)).await?;
        written.map_err(|error| store_error(location, error))?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let store = Self::new(self.staging.clone());
        Ok(Box::new(Upload { store, location: location.clone(), parts: Vec::new() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// An object that comes in parts. They are kept in memory and put whole: only checkpoints of the Delta log come so.
#[derive(Debug)]
struct Upload {
    store: DurableStore,
    location: Path,
    parts: Vec<Bytes>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.extend(data);
        Box::pin(future::ready(Ok(())))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let payload = mem::take(&mut self.parts).into_iter().collect();
        self.store.put_opts(&self.location, payload, PutOptions::default()).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.clear();
        Ok(())
    }
}

/// Removes what killed writers left in `staging` more than a day ago; younger files may still be in use.
pub(crate) fn sweep(staging: &FilePath) {
    const IN_USE: Duration = Duration::from_secs(24 * 60 * 60);
    for entry in fs::read_dir(staging).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|metadata| metadata.modified()).map(|modified| modified.elapsed());
        if matches!(age, Ok(Ok(age)) if age > IN_USE) {
            let path = entry.path();
            // A leftover costs space only, so a failure to remove it is nobody's concern.
            let _removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

/// Creates `folder` and those above it that are missing, so that they outlive a power cut.
pub(crate) fn create_folder(folder: &FilePath) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let missing: Vec<&FilePath> = folder.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    make_folder(folder)?;
    missing.into_iter().filter_map(FilePath::parent).try_for_each(sync_folder)
}

/// Makes the names in `folder` durable.
pub(crate) fn sync_folder(folder: &FilePath) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn put(temporary: &FilePath, target: &FilePath, payload: &PutPayload, create: bool) -> io::Result<()> {
    let parent = target.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let is_of_log = parent.file_name().is_some_and(|name| name == LOG);
    // Folders first: the sync of the file then finds their names in the journal.
    let moved = make_folder(parent)
        .and_then(|()| write_synced(temporary, payload))
        .and_then(|()| if is_of_log { sync_before_entry(temporary, target) } else { Ok(()) })
        .and_then(|()| if create { fs::hard_link(temporary, target) } else { fs::rename(temporary, target) });
    if create || moved.is_err() {
        // The first error is the one to tell; a leftover temporary file is harmless.
        let _removed = fs::remove_file(temporary);
    }
    if is_of_log { moved.and_then(|()| sync_folder(parent)) } else { moved }
}

/// Makes durable what an entry of a log names, and where the table lies: whoever wrote it may have been killed since.
fn sync_before_entry(temporary: &FilePath, entry: &FilePath) -> io::Result<()> {
    let warehouse = temporary.parent().and_then(FilePath::parent);
    let is_first = entry.file_name().is_some_and(|name| name == FIRST);
    let table = entry.ancestors().skip(2).take(1);
    let above = entry.ancestors().skip(3).take_while(|folder| warehouse.is_some_and(|root| folder.starts_with(root)));
    table.chain(above.take(if is_first { usize::MAX } else { 0 })).try_for_each(sync_folder)
}

/// Creates `folder` and those above it that are missing; their names are not durable yet.
fn make_folder(folder: &FilePath) -> io::Result<()> {
    // A file in the way must not look like an object that exists.
    fs::create_dir_all(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::Error::from(io::ErrorKind::NotADirectory),
        _ => error,
    })
}

fn write_synced(path: &FilePath, payload: &PutPayload) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        create_folder(parent)?;
    }
    let mut file = File::create(path)?;
    for part in payload {
        file.write_all(part)?;
    }
    file.sync_all()
}

fn store_error(location: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path: location.to_string(), source: Box::new(error) },
        _ => Error::Generic { store: NAME, source: Box::new(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::ObjectStoreExt as _;

    #[test]
    fn only_old_leftovers_are_swept() {
        let staging = tempfile::tempdir().unwrap();
        let age = |name: &str, hours: u64| {
            let path = staging.path().join(name);
            let file = File::create(&path).unwrap();
            let now = file.metadata().unwrap().modified().unwrap();
            file.set_modified(now - Duration::from_secs(hours * 3600)).unwrap();
            path
        };
        let (old, young) = (age("old", 25), age("young", 23));
        sweep(staging.path());
        assert_eq!((old.exists(), young.exists()), (false, true));
    }

    #[tokio::test]
    async fn an_object_is_created_once_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let staging = folder.path().join("staging");
        let store = DurableStore::new(staging.clone());
        let target = folder.path().join("deep/er/object");
        let path = Path::from_absolute_path(&target).unwrap();
        let create = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        store.put_opts(&path, "first".into(), create.clone()).await.unwrap();
        let again = store.put_opts(&path, "second".into(), create).await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })));
        assert_eq!(fs::read_to_string(&target).unwrap(), "first");
        store.put(&path, "third".into()).await.unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "third");
        assert_eq!(fs::read_dir(&staging).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn an_object_in_parts_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let staging = folder.path().join("staging");
        let store = DurableStore::new(staging.clone());
        let target = folder.path().join("deep/er/checkpoint");
        let path = Path::from_absolute_path(&target).unwrap();
        let mut dropped = store.put_multipart(&path).await.unwrap();
        dropped.put_part("lost".into()).await.unwrap();
        dropped.abort().await.unwrap();
        let mut upload = store.put_multipart(&path).await.unwrap();
        // The order is that of the calls, not that in which the parts are waited for.
        let (first, second) = (upload.put_part("first ".into()), upload.put_part("second".into()));
        second.await.unwrap();
        first.await.unwrap();
        assert!(!target.exists() && !target.parent().unwrap().exists());
        upload.complete().await.unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "first second");
        // It went through staging, where what is put is synced before it is moved.
        assert!(staging.is_dir());
        assert_eq!(fs::read_dir(&staging).unwrap().count(), 0);
    }
}
