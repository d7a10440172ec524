//! Why nothing was brought in or handed on at all. Single records that cannot be read are set aside instead.

use std::path::PathBuf;

use baton_core::ports::LedgerError;
use baton_ledger::database::DatabaseError;
use baton_tracking::TrackingError;
use baton_tracking::artifact::ArtifactError;

/// The outcome of bringing in or handing on.
pub type Result<T, E = ExchangeError> = std::result::Result<T, E>;

/// Why nothing was brought in or handed on.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// A place that is not what it was said to be.
    #[error("`{}` {reason}", path.display())]
    NotThere {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// An address of a kind that is not read.
    #[error("cannot read `{address}`: {reason}")]
    Address {
        /// What was given.
        address: String,
        /// What can be given.
        reason: &'static str,
    },
    /// A file could not be read or written.
    #[error("cannot {action} `{}`: {reason}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        reason: std::io::Error,
    },
    /// Another tracker's database could not be read or written.
    #[error("cannot {action} the database: {reason}")]
    Database {
        /// What was tried.
        action: String,
        /// Why it failed.
        reason: String,
    },
    /// Baton's own store failed.
    #[error("cannot read what is tracked: {0}")]
    Tracking(#[from] TrackingError),
    /// Baton's own artifacts failed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

impl ExchangeError {
    /// A failed operation on a file.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |reason| Self::File { action, path, reason }
    }
}

impl From<LedgerError> for ExchangeError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Storage { action, reason } => Self::Database { action, reason },
            other => Self::Database { action: "use".to_owned(), reason: other.to_string() },
        }
    }
}

impl From<DatabaseError> for ExchangeError {
    fn from(error: DatabaseError) -> Self {
        Self::Database { action: "read or write".to_owned(), reason: error.to_string() }
    }
}
