//! The online store port: the latest feature row per entity.

use std::sync::Arc;

use crate::scalar::Scalar;

/// The latest values of one entity in one feature view.
#[derive(Debug, Clone, PartialEq)]
pub struct OnlineRow {
    /// [`crate::scalar::entity_key`] of the entity's values, in the view's entity order.
    pub key: Vec<u8>,
    /// Event time in microseconds.
    pub event_at: i64,
    /// When the row became known, in microseconds.
    pub created_at: i64,
    /// One value per feature, in the view's feature order.
    pub values: Vec<Scalar>,
}

/// What an upsert did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UpsertReport {
    /// Rows that are now the latest.
    pub written: u64,
    /// Rows older than what was there, and left out.
    pub older: u64,
}

/// A namespace and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceUse {
    /// The namespace.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Bytes of keys and values, as the store keeps them.
    pub bytes: u64,
}

/// What can go wrong at the online store.
#[derive(Debug, thiserror::Error)]
pub enum OnlineError {
    /// Storage failed.
    #[error("online store cannot {action}: {reason}")]
    Storage {
        /// What was tried.
        action: String,
        /// Why it failed.
        reason: String,
    },
}

/// Latest rows by namespace (a feature view's online generation) and entity key.
///
/// Upserts are monotone: a row replaces another only when its (`event_at`, `created_at`) is not less.
/// A write is durable and visible as a whole when it returns, to every process that has the store open.
pub trait OnlineStore: Send + Sync {
    /// Writes rows in one transaction.
    fn upsert(&self, namespace: &str, rows: &[OnlineRow]) -> Result<UpsertReport, OnlineError>;

    /// Reads rows by key; the answer has the order of `keys`.
    fn read(&self, namespace: &str, keys: &[Vec<u8>]) -> Result<Vec<Option<OnlineRow>>, OnlineError> {
        self.snapshot()?.read(namespace, keys)
    }

    /// Everything as it is now. Later writes, of this process or another, do not show in it.
    fn snapshot(&self) -> Result<Arc<dyn OnlineSnapshot>, OnlineError>;

    /// Forgets a namespace; one that does not exist is fine.
    fn drop_namespace(&self, namespace: &str) -> Result<(), OnlineError>;

    /// All namespaces that hold rows, by name.
    fn namespaces(&self) -> Result<Vec<NamespaceUse>, OnlineError>;

    /// Rows in a namespace.
    fn count(&self, namespace: &str) -> Result<u64, OnlineError>;
}

/// The rows of an online store as they were at one instant.
pub trait OnlineSnapshot: Send + Sync {
    /// Reads rows by key; the answer has the order of `keys`.
    fn read(&self, namespace: &str, keys: &[Vec<u8>]) -> Result<Vec<Option<OnlineRow>>, OnlineError>;
}
