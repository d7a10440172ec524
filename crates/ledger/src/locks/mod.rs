//! Locks across processes, free again however the process ends.
//!
//! One lock an environment keeps two commands from working on it. One lock for the stored files is shared by all who
//! read or write them, and held alone by who deletes what nobody reaches, so that nothing is deleted under a reader.
//! Beside a SQLite file they are locked files, on PostgreSQL locks of a session.

mod file;
mod session;

use std::fmt::Debug;

use baton_core::ports::LedgerError;

use crate::SqlLedger;
use crate::database::Database;

/// Something that is free again when it is dropped.
type Held = Box<dyn Debug + Send + Sync>;

/// Holds an environment's lock until it is dropped or the process ends.
#[derive(Debug)]
pub struct LockGuard {
    _held: Held,
}

/// Holds the lock of the stored files, shared or alone, until it is dropped or the process ends.
#[derive(Debug)]
pub struct StorageGuard {
    _held: Held,
}

impl SqlLedger {
    /// Takes the lock that keeps other processes from applying to `environment`; it is free again when the guard is
    /// dropped or the process ends in any way. `holder` is the command, for the message of whoever comes second.
    ///
    /// # Errors
    /// [`LedgerError::Locked`] when another process (or guard) holds it, [`LedgerError::Storage`] when the lock file
    /// beside the database cannot be written or the server cannot be reached.
    pub async fn lock(&self, environment: &str, holder: &str) -> Result<LockGuard, LedgerError> {
        let held: Held = match &self.database {
            Database::Sqlite(database) => Box::new(file::acquire(&database.path, environment, holder).await?),
            Database::Postgres(database) => Box::new(session::acquire(database, environment, holder).await?),
        };
        Ok(LockGuard { _held: held })
    }

    /// Keeps stored files from being collected until the guard is dropped; any number of processes may hold it. `None`
    /// where the lock file cannot be opened, as in a folder that is read only: nobody can delete anything there.
    ///
    /// # Errors
    /// [`LedgerError::StorageLocked`] when files are being deleted for longer than a few seconds.
    pub async fn use_storage(&self, holder: &str) -> Result<Option<StorageGuard>, LedgerError> {
        let held: Held = match &self.database {
            Database::Sqlite(database) => match file::share_storage(&database.path, holder).await {
                Ok(held) => Box::new(held),
                Err(LedgerError::Storage { .. }) => return Ok(None),
                Err(error) => return Err(error),
            },
            Database::Postgres(database) => Box::new(session::share_storage(database, holder).await?),
        };
        Ok(Some(StorageGuard { _held: held }))
    }

    /// Takes the stored files for deleting: nobody else reads or writes them until the guard is dropped.
    ///
    /// # Errors
    /// [`LedgerError::StorageLocked`] when somebody works with them for longer than a few seconds.
    pub async fn own_storage(&self, holder: &str) -> Result<StorageGuard, LedgerError> {
        let held: Held = match &self.database {
            Database::Sqlite(database) => Box::new(file::own_storage(&database.path, holder).await?),
            Database::Postgres(database) => Box::new(session::own_storage(database, holder).await?),
        };
        Ok(StorageGuard { _held: held })
    }
}
