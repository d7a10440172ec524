//! Events of other tools in a server: what is news in them is recorded in the environment that it serves.

use std::sync::Arc;

use async_trait::async_trait;
use baton_orchestrator::{ExternalLineage, Reported, record_external};
use baton_server::{LineageDesk, NotTaken};
use tokio::sync::Mutex;

use crate::project::Workspace;

/// Takes events of OpenLineage.
pub(crate) struct EventDesk {
    workspace: Arc<Workspace>,
    /// What was told so far; read when the first event comes.
    told: Mutex<Option<ExternalLineage>>,
}

impl EventDesk {
    /// Of an open project.
    pub(crate) fn of(workspace: Arc<Workspace>) -> Self {
        Self { workspace, told: Mutex::new(None) }
    }
}

#[async_trait]
impl LineageDesk for EventDesk {
    async fn take(&self, event: &serde_json::Value) -> Result<(), NotTaken> {
        let reported = Reported::parse(event).map_err(NotTaken::Invalid)?;
        let (services, environment) = (self.workspace.services(), self.workspace.environment.as_str());
        let mut told = self.told.lock().await;
        let known = match told.take() {
            Some(known) => known,
            None => ExternalLineage::read(services, environment).await.map_err(|error| failed(&error))?,
        };
        let mut with_it = known.clone();
        if !with_it.absorb(&reported) {
            *told = Some(known);
            return Ok(());
        }
        // Where it cannot be recorded, all is read anew with the next one.
        record_external(services, environment, &reported).await.map_err(|error| failed(&error))?;
        *told = Some(with_it);
        Ok(())
    }
}

fn failed(error: &dyn std::error::Error) -> NotTaken {
    NotTaken::Failed(error.to_string())
}
