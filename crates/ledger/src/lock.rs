//! The lock of an environment across processes: an OS file lock, which the OS frees however the process ends.
//!
//! The lock file names its holder for the message of whoever comes second. It is never removed: a removed file could
//! be locked by two processes at once, each through its own inode.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use baton_core::ports::LedgerError;

use crate::error;

/// Holds an environment's lock until it is dropped or the process ends.
#[derive(Debug)]
pub struct LockGuard {
    file: File,
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        // The name of a past holder would only mislead; the lock itself goes when the file closes.
        let _stale_name_is_harmless = self.file.set_len(0);
    }
}

/// Locks `environment` beside the database, or says who holds it.
pub(crate) fn acquire(database: &Path, environment: &str, holder: &str) -> Result<LockGuard, LedgerError> {
    let path = lock_path(database, environment);
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = open.map_err(|error| error::file("open the lock file", &path, &error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(LedgerError::Locked { environment: environment.to_owned(), holder: read_holder(&mut file) });
        }
        Err(TryLockError::Error(error)) => return Err(error::file("lock", &path, &error)),
    }
    write_holder(&mut file, holder).map_err(|error| error::file("write the lock file", &path, &error))?;
    Ok(LockGuard { file })
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

    #[test]
    fn second_comer_is_told_who_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("ledger.sqlite");
        let guard = acquire(&database, "prod", "baton apply").unwrap();
        let refused = acquire(&database, "prod", "baton run").unwrap_err().to_string();
        let expected = format!(
            "`baton apply` (process {}) is working on environment `prod`; wait for it to end, or stop it and try again",
            std::process::id()
        );
        assert_eq!(refused, expected);
        acquire(&database, "dev", "baton run").unwrap();
        drop(guard);
        acquire(&database, "prod", "baton run").unwrap();
    }

    #[test]
    fn environment_names_stay_in_the_folder() {
        let path = lock_path(Path::new("/w/ledger.sqlite"), "../a b");
        assert_eq!(path, Path::new("/w/ledger.sqlite.%2e%2e%2fa%20b.lock"));
    }
}
