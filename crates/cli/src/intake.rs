//! Deliveries to the server: which sources take them, as the project's files say, and the inboxes that keep them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use baton_core::{AssetName, Fingerprint};
use baton_diagnostics::nearest;
use baton_orchestrator::{DeliveryFormat, InboxError, Receiving, receiving};
use baton_server::{Intake, Posted, Refusal};
use serde_json::{Value, json};

use crate::project::Workspace;

/// How long the project's files are taken as they were read.
const KEPT: Duration = Duration::from_secs(2);

type Sources = BTreeMap<AssetName, Result<Receiving, String>>;

/// Takes deliveries for the project that the server was started in.
pub(crate) struct ProjectIntake {
    workspace: Arc<Workspace>,
    known: Mutex<Option<(Instant, Arc<Sources>)>>,
}

impl ProjectIntake {
    /// Of an open project.
    pub(crate) fn of(workspace: Arc<Workspace>) -> Self {
        Self { workspace, known: Mutex::new(None) }
    }

    /// The sources that take deliveries, as declared now: the server may have been started long ago.
    async fn sources(&self) -> Result<Arc<Sources>, Refusal> {
        if let Some((read, sources)) = &*self.known.lock().unwrap_or_else(PoisonError::into_inner)
            && read.elapsed() < KEPT
        {
            return Ok(Arc::clone(sources));
        }
        let workspace = Arc::clone(&self.workspace);
        let read = tokio::task::spawn_blocking(move || {
            let services = workspace.services();
            receiving(services, &baton_project::load(&services.folder).project)
        });
        let mut sources = read.await.map_err(|error| Refusal::Failed(error.to_string()))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, before)) = &*known {
            keep_inboxes(before, &mut sources);
        }
        let sources = Arc::new(sources);
        *known = Some((Instant::now(), Arc::clone(&sources)));
        Ok(sources)
    }
}

/// Inboxes that stay where they are know what is in them.
fn keep_inboxes(before: &Sources, now: &mut Sources) {
    for (name, receiving) in now {
        if let (Some(Ok(before)), Ok(receiving)) = (before.get(name), receiving)
            && before.inbox.folder() == receiving.inbox.folder()
        {
            receiving.inbox = Arc::clone(&before.inbox);
        }
    }
}

fn find<'s>(sources: &'s Sources, name: &str) -> Result<&'s Receiving, Refusal> {
    match sources.iter().find(|(source, _)| source.as_str() == name) {
        Some((_, Ok(receiving))) => Ok(receiving),
        Some((_, Err(reason))) => Err(Refusal::Failed(reason.clone())),
        None => Err(Refusal::Unknown(nearest(name, sources.keys().map(AssetName::as_str)).map(str::to_owned))),
    }
}

#[async_trait]
impl Intake for ProjectIntake {
    async fn admit(&self, source: &str, token: Option<&str>) -> Result<(), Refusal> {
        let sources = self.sources().await?;
        let wanted = find(&sources, source)?.token.as_deref().ok_or(Refusal::Closed)?;
        // Hashes are compared, so that the time that it takes tells nothing of the token.
        match token {
            Some(token) if Fingerprint::of([token]) == Fingerprint::of([wanted]) => Ok(()),
            _ => Err(Refusal::Unauthorized),
        }
    }

    async fn take(&self, posted: Posted) -> Result<Value, Refusal> {
        let Posted { source, media_type, key, body } = posted;
        let Some(format) = DeliveryFormat::of_media_type(media_type.as_deref()) else {
            return Err(Refusal::MediaType(media_type.unwrap_or_default()));
        };
        let sources = self.sources().await?;
        let now = self.workspace.services().clock.now().timestamp_micros();
        let name = source.clone();
        let taken = tokio::task::spawn_blocking(move || {
            let receipt = find(&sources, &name)?.inbox.receive(format, &body, key.as_deref(), now);
            receipt.map_err(|error| match error {
                InboxError::KeyReused { .. } => Refusal::KeyReused(error.to_string()),
                InboxError::Io { .. } => Refusal::Failed(error.to_string()),
                _ => Refusal::Broken(error.to_string()),
            })
        });
        let receipt = taken.await.map_err(|error| Refusal::Failed(error.to_string()))??;
        let mut answer = json!(receipt);
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("source".to_owned(), source.into());
        }
        Ok(answer)
    }
}
