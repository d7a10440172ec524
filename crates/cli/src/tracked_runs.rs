//! Where runs of the project are tracked: in its file beside the ledger, whether a server runs or not. A program of a step reaches it at an
//! address of its own on this machine, as long as it runs; nothing is opened before it connects.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use baton_orchestrator::{HostedRun, RunTracking};
use baton_server::Tracking;
use baton_tracking::run::PromisedRun;
use baton_tracking::{TrackingError, TrackingStore};
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, oneshot};
use tokio::task::JoinHandle;

use crate::artifact_place::ArtifactPlace;
use crate::wire::{self, Access};

/// The tracked runs of a project.
pub(crate) struct ProjectTracking {
    folder: PathBuf,
    artifacts: ArtifactPlace,
    access: Access,
    store: Arc<OnceCell<TrackingStore>>,
}

impl ProjectTracking {
    /// Of the project in `folder`; nothing is made where it is only looked at.
    pub(crate) fn of(folder: &Path, artifacts: ArtifactPlace, access: Access) -> Self {
        Self { folder: folder.to_owned(), artifacts, access, store: Arc::default() }
    }
}

#[async_trait]
impl RunTracking for ProjectTracking {
    async fn store(&self) -> Result<Option<TrackingStore>, TrackingError> {
        if self.access == Access::Read && !wire::tracking_file(&self.folder).exists() {
            return Ok(None);
        }
        opened(&self.store, &self.folder).await.map(Some)
    }

    async fn host(&self, promised: PromisedRun) -> Result<Option<Box<dyn HostedRun>>, TrackingError> {
        if self.access == Access::Read {
            return Ok(None);
        }
        let failed = |error: std::io::Error| TrackingError::Internal(format!("no port is free for it: {error}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let address = format!("http://{}", listener.local_addr().map_err(failed)?);
        let (ending, ended) = oneshot::channel();
        let (store, folder, artifacts) = (Arc::clone(&self.store), self.folder.clone(), self.artifacts.clone());
        let connected = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&connected);
        let open = async move {
            told.store(true, Ordering::Release);
            let store = opened(&store, &folder).await.map_err(|error| error.to_string())?;
            let artifacts = artifacts.open().map_err(|error| error.to_string())?;
            Ok(Tracking::new(store).with_artifacts(artifacts).with_promise(promised))
        };
        let serving = tokio::spawn(async move {
            let asked_to_end = async {
                // It ends, too, when nobody can ask it to any more.
                let _asked_or_gone = ended.await;
            };
            baton_server::serve_program(listener, open, asked_to_end).await
        });
        Ok(Some(Box::new(Hosted { address, connected, ending, serving })))
    }
}

/// The store, opened when it is first needed.
async fn opened(store: &OnceCell<TrackingStore>, folder: &Path) -> Result<TrackingStore, TrackingError> {
    let file = wire::tracking_file(folder);
    store.get_or_try_init(|| wire::tracking_store(&file)).await.cloned()
}

/// An address that is open.
struct Hosted {
    address: String,
    connected: Arc<AtomicBool>,
    ending: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

#[async_trait]
impl HostedRun for Hosted {
    fn address(&self) -> &str {
        &self.address
    }

    async fn close(self: Box<Self>) -> bool {
        let Self { ending, serving, connected, .. } = *self;
        drop(ending);
        // What it has answered is on disk, however it ends.
        let _ended = serving.await;
        connected.load(Ordering::Acquire)
    }
}
