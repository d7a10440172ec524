//! The store's handle: one file, one writer, several readers.

use std::path::Path;
use std::sync::Arc;

use baton_core::Clock;
use baton_ledger::database::{Database, Record, Statement, Transaction};

use crate::error::Result;
use crate::migrations::STEPS;
use crate::writer::{Work, Writer};

/// What a store needs besides its file.
pub struct StoreOptions {
    /// What the time is when something is tracked.
    pub clock: Arc<dyn Clock>,
    /// The URI under which artifacts of new experiments lie, such as `mlflow-artifacts:/`.
    pub artifact_root: String,
}

/// What is tracked, in one SQLite file. Clones share it.
#[derive(Clone)]
pub struct TrackingStore {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    writer: Writer,
    options: StoreOptions,
}

impl TrackingStore {
    /// Opens the store at `path`, which is made with the experiment `Default` where it is missing.
    ///
    /// # Errors
    /// Those of a file that can be neither opened nor made.
    pub async fn open(path: &Path, options: StoreOptions) -> Result<Self> {
        let database = Database::open_file(path, STEPS).await?;
        let writer = Writer::start(database.clone());
        let store = Self { inner: Arc::new(Inner { database, writer, options }) };
        store.make_default_experiment().await?;
        Ok(store)
    }

    /// The URI under which artifacts of new experiments lie, without a slash at its end.
    pub fn artifact_root(&self) -> &str {
        self.inner.options.artifact_root.trim_end_matches('/')
    }

    /// Now, in milliseconds since 1970.
    pub fn now(&self) -> i64 {
        self.inner.options.clock.now().timestamp_millis()
    }

    /// The rows of an answer.
    pub(crate) async fn all<T: Record>(&self, statement: Statement) -> Result<Vec<T>> {
        Ok(self.inner.database.all(statement).await?)
    }

    /// The first row of an answer.
    pub(crate) async fn one<T: Record>(&self, statement: Statement) -> Result<Option<T>> {
        Ok(self.inner.database.one(statement).await?)
    }

    /// Begins reads that all see one state.
    pub(crate) async fn snapshot(&self) -> Result<Transaction> {
        Ok(self.inner.database.snapshot("read what is tracked").await?)
    }

    /// Carries out `work` in the writer's next transaction; see [`Writer::write`].
    pub(crate) async fn write<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Transaction) -> Work<'t, T> + Send + 'static,
    {
        self.inner.writer.write(work).await
    }
}
