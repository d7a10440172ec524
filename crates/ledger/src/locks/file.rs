//! Locks beside a SQLite file: OS file locks, which the OS frees however the process ends.
//!
//! The lock file names its holder for the message of whoever comes second. It is never removed: a removed file could
//! be locked by two processes at once, each through its own inode.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use baton_core::ports::LedgerError;

use crate::error;

/// How long one who needs the stored files waits for one who deletes some, and the other way round.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// A locked file.
#[derive(Debug)]
pub(super) struct FileLock {
    file: File,
    /// Whether no other process shares it.
    is_alone: bool,
}

impl Drop for FileLock {
    fn drop(&mut self) {
        if self.is_alone {
            // The name of a past holder would only mislead; the lock itself goes when the file closes.
            let _stale_name_is_harmless = self.file.set_len(0);
        }
    }
}

/// Takes the lock of the stored files beside the database together with others who read and write them.
pub(super) async fn share_storage(database: &Path, holder: &str) -> Result<FileLock, LedgerError> {
    let file = take_storage(database, holder, File::try_lock_shared).await?;
    Ok(FileLock { file, is_alone: false })
}

/// Takes the lock of the stored files alone.
pub(super) async fn own_storage(database: &Path, holder: &str) -> Result<FileLock, LedgerError> {
    let file = take_storage(database, holder, File::try_lock).await?;
    Ok(FileLock { file, is_alone: true })
}

async fn take_storage(
    database: &Path,
    holder: &str,
    try_lock: fn(&File) -> Result<(), TryLockError>,
) -> Result<File, LedgerError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".storage.lock");
    let path = PathBuf::from(path);
    let mut file = open(&path)?;
    let mut waited = Duration::ZERO;
    loop {
        match try_lock(&file) {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if waited < PATIENCE => {
                tokio::time::sleep(PAUSE).await;
                waited += PAUSE;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(LedgerError::StorageLocked { holder: read_holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(error::file("lock", &path, &error)),
        }
    }
    write_holder(&mut file, holder).map_err(|error| error::file("write the lock file", &path, &error))?;
    Ok(file)
}

/// Locks `environment` beside the database, or says who holds it; and keeps the stored files from being collected.
pub(super) async fn acquire(database: &Path, environment: &str, holder: &str) -> Result<Vec<FileLock>, LedgerError> {
    let storage = share_storage(database, holder).await?;
    let path = lock_path(database, environment);
    let mut file = open(&path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(LedgerError::Locked { environment: environment.to_owned(), holder: read_holder(&mut file) });
        }
        Err(TryLockError::Error(error)) => return Err(error::file("lock", &path, &error)),
    }
    write_holder(&mut file, holder).map_err(|error| error::file("write the lock file", &path, &error))?;
    Ok(vec![FileLock { file, is_alone: true }, storage])
}

fn open(path: &Path) -> Result<File, LedgerError> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(|error| error::file("open the lock file", path, &error))
}

/// The name of an environment may hold any character, a file name may not.
fn lock_path(database: &Path, environment: &str) -> PathBuf {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let encode = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") };
    let encoded: String = environment.bytes().map(encode).collect();
    let mut name = database.as_os_str().to_owned();
    name.push(format!(".{encoded}.lock"));
    PathBuf::from(name)
}

fn write_holder(file: &mut File, holder: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    write!(file, "`{holder}` (process {})", std::process::id())
}

fn read_holder(file: &mut File) -> String {
    let mut holder = String::new();
    match file.read_to_string(&mut holder) {
        Ok(length) if length > 0 => holder,
        // The holder is between locking and writing its name.
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn second_comer_is_told_who_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("ledger.sqlite");
        let guard = acquire(&database, "prod", "baton apply").await.unwrap();
        let refused = acquire(&database, "prod", "baton run").await.unwrap_err().to_string();
        let expected = format!(
            "`baton apply` (process {}) is working on environment `prod`; wait for it to end, or stop it and try again",
            std::process::id()
        );
        assert_eq!(refused, expected);
        acquire(&database, "dev", "baton run").await.unwrap();
        drop(guard);
        acquire(&database, "prod", "baton run").await.unwrap();
    }

    #[tokio::test]
    async fn stored_files_are_shared_or_held_alone() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("ledger.sqlite");
        let reader = share_storage(&database, "baton query").await.unwrap();
        let writer = acquire(&database, "prod", "baton apply").await.unwrap();
        drop(reader);
        drop(writer);
        let alone = own_storage(&database, "baton gc").await.unwrap();
        let waiting = tokio::spawn({
            let database = database.clone();
            async move { acquire(&database, "prod", "baton apply").await.map(drop) }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!waiting.is_finished(), "an apply began while files were deleted");
        drop(alone);
        waiting.await.unwrap().unwrap();
    }

    #[test]
    fn environment_names_stay_in_the_folder() {
        let path = lock_path(Path::new("/w/ledger.sqlite"), "../a b");
        assert_eq!(path, Path::new("/w/ledger.sqlite.%2e%2e%2fa%20b.lock"));
    }
}
