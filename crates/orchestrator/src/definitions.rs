//! Definitions as declared, kept in the ledger by their hash: what a version was made from can be read, compared and
//! run again long after the project's files have changed.

use std::collections::BTreeSet;

use baton_core::asset::Origin;
use baton_core::check::Check;
use baton_core::event::EventFilter;
use baton_core::{Asset, AssetName, Definition, EventKind, Fingerprint, NewEvent};
use serde::Serialize;
use serde_json::json;

use crate::error::RunError;
use crate::execution::Execution;
use crate::services::Services;

/// What a definition is known by: a hash of all that is declared, without the line it stands on.
pub(crate) fn definition_key(asset: &Asset) -> Fingerprint {
    Fingerprint::of([serde_json::to_vec(&Declared::of(asset)).unwrap_or_default()])
}

/// An [`Asset`] as it is hashed: field by field the same, without a place. Plans hash every asset, so nothing is copied.
#[derive(Serialize)]
struct Declared<'a> {
    name: &'a AssetName,
    owner: &'a Option<String>,
    description: &'a Option<String>,
    tags: &'a [String],
    checks: &'a [Check],
    origin: Origin,
    definition: &'a Definition,
}

impl<'a> Declared<'a> {
    fn of(asset: &'a Asset) -> Self {
        let Asset { name, owner, description, tags, checks, origin: _, definition } = asset;
        Self { name, owner, description, tags, checks, origin: Origin::default(), definition }
    }
}

/// The definition with this key; `None` when it was never recorded or is of a form that this version cannot read.
pub(crate) async fn recorded_definition(services: &Services, key: &Fingerprint) -> Result<Option<Asset>, RunError> {
    let found = services.ledger.events(&defined(key)).await?.pop();
    Ok(found.and_then(|found| serde_json::from_value(found.event.body).ok()))
}

fn defined(key: &Fingerprint) -> EventFilter {
    EventFilter {
        kinds: vec![EventKind::AssetDefined],
        key: Some(key.as_str().to_owned()),
        last: Some(1),
        ..EventFilter::default()
    }
}

impl Execution<'_> {
    /// Events that write down the definitions of `names`; none for those that are written down already.
    pub(crate) async fn define(&self, names: impl IntoIterator<Item = &AssetName>) -> Result<Vec<NewEvent>, RunError> {
        let mut events = Vec::new();
        for name in names {
            let Some(asset) = self.prepared.project.assets.get(name) else { continue };
            let key = definition_key(asset);
            if self.services.ledger.events(&defined(&key)).await?.is_empty() {
                events.push(self.event(EventKind::AssetDefined, name, key.as_str(), json!(asset)));
            }
        }
        Ok(events)
    }

    /// Pins the definitions of the project, as an apply brings them, and writes down those that are new.
    pub(crate) async fn pin_declared(&mut self) -> Result<(), RunError> {
        let mut moved: BTreeSet<AssetName> = BTreeSet::new();
        for (name, pin) in &mut self.working {
            let Some(asset) = self.prepared.project.assets.get(name).filter(|_| !self.failed.contains(name)) else {
                continue;
            };
            let key = definition_key(asset);
            let before = self.base.as_ref().and_then(|commit| commit.assets.get(name)?.definition.as_ref());
            if before != Some(&key) {
                moved.insert(name.clone());
            }
            pin.definition = Some(key);
        }
        let events = self.define(&moved).await?;
        self.pending.extend(events);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use baton_core::asset::Exposure;

    use super::*;

    #[test]
    fn the_key_is_that_of_the_asset_without_its_place() {
        let name = AssetName::parse("board").unwrap();
        let asset = Asset {
            name: name.clone(),
            owner: Some("boss@example.com".to_owned()),
            description: None,
            tags: vec!["weekly".to_owned()],
            checks: Vec::new(),
            origin: Origin { file: "exposures.yml".to_owned(), line: 7, column: 3 },
            definition: Definition::Exposure(Exposure { depends_on: vec![name], url: None, export: None }),
        };
        let unplaced = Asset { origin: Origin::default(), ..asset.clone() };
        assert_eq!(definition_key(&asset), Fingerprint::of([serde_json::to_vec(&unplaced).unwrap()]));
    }
}
