//! Why something is refused or cannot be done, in the texts that clients of MLflow know.

use baton_core::ports::LedgerError;
use baton_ledger::database::{DatabaseError, failed};

/// The outcome of whatever is asked of the store.
pub type Result<T, E = TrackingError> = std::result::Result<T, E>;

/// Why something is refused or cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrackingError {
    /// What was asked is not valid.
    #[error("{0}")]
    Invalid(String),
    /// What was asked for does not exist.
    #[error("{0}")]
    Missing(String),
    /// What is to be made exists.
    #[error("{0}")]
    AlreadyExists(String),
    /// The state of something does not allow it.
    #[error("{0}")]
    InvalidState(String),
    /// MLflow answers so where it fails itself; clients know the text.
    #[error("{0}")]
    Internal(String),
    /// This server does not do it.
    #[error("{0}")]
    NotImplemented(String),
    /// The database failed.
    #[error("{0}")]
    Storage(String),
}

impl TrackingError {
    /// [`Self::Invalid`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// [`Self::Missing`].
    pub fn missing(message: impl Into<String>) -> Self {
        Self::Missing(message.into())
    }
}

impl From<LedgerError> for TrackingError {
    fn from(error: LedgerError) -> Self {
        Self::Storage(error.to_string())
    }
}

impl From<DatabaseError> for TrackingError {
    fn from(error: DatabaseError) -> Self {
        failed("keep or read what is tracked", &error).into()
    }
}
