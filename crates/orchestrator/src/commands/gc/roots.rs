//! What is reached: from environments, tags, model versions and training sets.

use std::collections::BTreeSet;

use baton_core::event::EventFilter;
use baton_core::{Commit, EventKind, Pin, TableVersion, Timestamp, Version};

use crate::error::RunError;
use crate::registry::ModelVersion;
use crate::services::Services;
use crate::steps::chain_tips;

/// Everything that must stay.
#[derive(Debug, Default)]
pub(super) struct Roots {
    /// Table versions that commits, training sets and tags show.
    pub(super) tables: BTreeSet<TableVersion>,
    /// Table versions that those were made from: they stay where they are still there, so that what is reached can be
    /// made again.
    pub(super) inputs: BTreeSet<TableVersion>,
    /// Places of online values.
    pub(super) namespaces: BTreeSet<String>,
    /// Stored models.
    pub(super) artifacts: BTreeSet<String>,
    /// Commits that were followed.
    pub(super) commits: BTreeSet<String>,
}

impl Roots {
    /// Follows all roots: heads of environments and their commits made since `kept_since` (machine's clock), tags, and
    /// every version of every model with its training set. A saved plan is good for the head that it was made from only,
    /// so heads keep what open plans need.
    pub(super) async fn find(services: &Services, kept_since: Timestamp) -> Result<Self, RunError> {
        let mut roots = Self::default();
        for environment in services.ledger.environments().await? {
            let history = services.ledger.history(&environment.name, u32::MAX).await?;
            let kept = history.iter().enumerate().filter(|(age, commit)| *age == 0 || commit.created_at >= kept_since);
            kept.for_each(|(_, commit)| roots.add_commit(commit));
        }
        for tag in services.ledger.tags().await? {
            if let Some(commit) = services.ledger.read_commit(&tag.commit).await? {
                roots.add_commit(&commit);
            }
        }
        roots.add_models(services).await?;
        roots.add_pulled(services).await?;
        // What comes next for a destination is found by comparing with what it holds.
        roots.tables.extend(crate::exports::held_versions(services).await?);
        Ok(roots)
    }

    fn add_commit(&mut self, commit: &Commit) {
        if self.commits.insert(commit.id.0.clone()) {
            commit.assets.values().for_each(|pin| self.add_pin(pin));
        }
    }

    fn add_pin(&mut self, pin: &Pin) {
        self.tables.extend(pin.version.table().cloned());
        if let Version::FeatureView { online: Some(namespace), .. } = &pin.version {
            self.namespaces.insert(namespace.clone());
        }
        self.inputs.extend(pin.inputs.values().filter_map(|text| version_of(text)));
    }

    /// The newest landing of a source that is asked for rows may be ahead of every environment, and its origin no longer
    /// has what it holds.
    async fn add_pulled(&mut self, services: &Services) -> Result<(), RunError> {
        let tips = chain_tips(services).await?;
        let is_used = |tip: &TableVersion| self.tables.iter().any(|table| table.location == tip.location);
        let kept: Vec<TableVersion> = tips.into_iter().filter(is_used).collect();
        self.tables.extend(kept);
        Ok(())
    }

    async fn add_models(&mut self, services: &Services) -> Result<(), RunError> {
        let filter = EventFilter { kinds: vec![EventKind::ModelRegistered], ..EventFilter::default() };
        for event in services.ledger.events(&filter).await? {
            let what = event.event.key.clone();
            // A version that cannot be read might be one that needs its files: nothing may be deleted then.
            let version: ModelVersion = serde_json::from_value(event.event.body).map_err(|error| {
                RunError::Project(format!("model version `{what}` cannot be read ({error}); nothing was deleted"))
            })?;
            self.tables.insert(version.training_set);
            self.artifacts.insert(version.artifact);
        }
        Ok(())
    }
}

/// The table version in the text of a pin's input; `None` for inputs that are no tables.
fn version_of(text: &str) -> Option<TableVersion> {
    let (location, number) = text.split(" as of ").next()?.rsplit_once('@')?;
    location
        .starts_with("tables/")
        .then(|| number.parse().ok().map(|version| TableVersion { location: location.to_owned(), version }))?
}
