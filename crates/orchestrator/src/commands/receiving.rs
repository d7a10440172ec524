//! Where deliveries to sources of connector `push` go, and what their senders must show.

use std::collections::BTreeMap;
use std::sync::Arc;

use baton_connectors::{Inbox, push_inbox};
use baton_core::{AssetName, Definition};
use baton_project::Project;

use crate::services::Services;
use crate::steps::pull_source;

/// The connector of sources that others send to.
const PUSH: &str = "push";

/// A source that others may send to.
#[derive(Debug)]
pub struct Receiving {
    /// Where deliveries wait for the next run.
    pub inbox: Arc<Inbox>,
    /// What senders must show; without one nobody may send.
    pub token: Option<String>,
}

/// Every source that others may send to, or why it cannot take anything now.
pub fn receiving(services: &Services, project: &Project) -> BTreeMap<AssetName, Result<Receiving, String>> {
    let mut sources = BTreeMap::new();
    for (name, asset) in &project.assets {
        let Definition::Source(source) = &asset.definition else { continue };
        let Some(pull) = source.pull.as_ref().filter(|_| source.connector == PUSH) else { continue };
        let asked = pull_source(services, name, source, pull).map_err(|error| error.to_string());
        let opened = asked.and_then(|asked| push_inbox(&asked).map_err(|error| error.to_string()));
        sources.insert(name.clone(), opened.map(|(inbox, token)| Receiving { inbox: Arc::new(inbox), token }));
    }
    sources
}
