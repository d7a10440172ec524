//! Pins of a run: what an asset's version was made from, and the pin of what has no rows.

use std::collections::BTreeMap;

use baton_core::{AssetName, Fingerprint, IntervalSet, Kind, Pin, Version};

use baton_plan::DesiredAsset;

use super::Execution;
use crate::definitions::definition_key;

impl Execution<'_> {
    /// The exact inputs of an asset, as text: versions, and the clock where it decides what is seen of them.
    pub(crate) fn input_versions(&self, asset: &str) -> BTreeMap<AssetName, String> {
        let inputs = self.prepared.graph.inputs(asset);
        inputs.filter_map(|input| Some((input.clone(), self.version_as_seen(self.working.get(input)?)))).collect()
    }

    fn version_as_seen(&self, pin: &Pin) -> String {
        let version = pin.version_text();
        let clock = self.as_of.timestamp_micros();
        match pin.known_through {
            Some(known) if known > clock => format!("{version} as of {clock}"),
            _ => version,
        }
    }

    /// The pin of an asset without rows.
    pub(crate) fn bare_pin(&self, asset: &AssetName, kind: Kind, version: Version) -> Pin {
        let desired = self.prepared.desired.assets.get(asset);
        Pin {
            kind,
            fingerprint: desired.map_or_else(|| Fingerprint::of([asset.as_str()]), |found| found.rows.clone()),
            metadata: desired.map(|found| found.metadata.clone()),
            definition: self.prepared.project.assets.get(asset).map(definition_key),
            columns: desired.map(|found| found.columns.clone()).unwrap_or_default(),
            tagged: desired.map(DesiredAsset::tagged).unwrap_or_default(),
            version,
            intervals: IntervalSet::default(),
            rows: None,
            digest: None,
            known_through: None,
            declared: self.prepared.declared.get(asset).cloned(),
            inputs: BTreeMap::new(),
        }
    }
}
