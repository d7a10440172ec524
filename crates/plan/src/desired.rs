//! What a project asks for, reduced to fingerprints.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use baton_core::commit::content_of;
use baton_core::{AssetName, Fingerprint, Kind};
use serde::{Deserialize, Serialize};

/// The one output of models and endpoints, as a column.
pub const PREDICTION: &str = "prediction";

/// A column of an asset, written `asset.column`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AssetColumn {
    /// The asset.
    pub asset: AssetName,
    /// Its column.
    pub column: String,
}

impl fmt::Display for AssetColumn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.asset, self.column)
    }
}

/// What a plan tells of an asset beside its fingerprints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Who answers for it.
    pub owner: Option<String>,
    /// Names of its checks; of a model, its gates.
    pub checks: Vec<String>,
    /// For each output column, the columns that its values are computed from.
    pub lineage: BTreeMap<String, BTreeSet<AssetColumn>>,
    /// Columns that decide which rows there are, or when a value counts.
    pub reads: BTreeSet<AssetColumn>,
    /// For each output column, the tagged columns that reach it, by lineage or its own declaration.
    pub tagged: BTreeMap<String, BTreeSet<TaggedColumn>>,
    /// Whether it asks for the clock itself, so that the same inputs give other rows later.
    pub reads_clock: bool,
    /// Whether its rows hold what its inputs no longer say, so that it cannot be computed again.
    pub is_stateful: bool,
}

/// A column that was declared with a tag such as `identifier`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaggedColumn {
    /// The tag.
    pub tag: String,
    /// The column that bears it.
    pub column: AssetColumn,
}

impl fmt::Display for TaggedColumn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.tag, self.column)
    }
}

/// One asset as the project defines it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredAsset {
    /// What it is.
    pub kind: Kind,
    /// What decides which rows exist; for assets without rows, all that decides their content.
    pub rows: Fingerprint,
    /// What decides each output column.
    pub columns: BTreeMap<String, Fingerprint>,
    /// What does not touch content: owner, description, tags, checks.
    pub metadata: Fingerprint,
    /// What it reads.
    pub inputs: BTreeSet<AssetName>,
    /// For incremental tables: seconds of one interval.
    pub batch: Option<i64>,
    /// What does not decide content and is told.
    pub about: About,
}

impl DesiredAsset {
    /// Rows and all columns in one: names the folder of a table, and decides whether a model is trained again.
    pub fn content(&self) -> Fingerprint {
        content_of(&self.rows, &self.columns)
    }
}

impl DesiredAsset {
    /// The tagged columns that reach each of its columns, as a commit keeps them.
    pub fn tagged(&self) -> BTreeMap<String, BTreeSet<String>> {
        let texts = |tagged: &BTreeSet<TaggedColumn>| tagged.iter().map(ToString::to_string).collect();
        self.about.tagged.iter().map(|(column, tagged)| (column.clone(), texts(tagged))).collect()
    }
}

/// The whole project, inputs before readers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// Assets by name.
    pub assets: BTreeMap<AssetName, DesiredAsset>,
    /// The same names in topological order.
    pub order: Vec<AssetName>,
}

impl Desired {
    /// One hash over all that the project asks for: a saved plan holds for this and no other.
    pub fn fingerprint(&self) -> Fingerprint {
        let parts = self.assets.iter().flat_map(|(name, asset)| {
            [name.as_str().to_owned(), asset.content().as_str().to_owned(), asset.metadata.as_str().to_owned()]
        });
        Fingerprint::of(parts)
    }

    /// Every asset that `asset` reads, directly or not.
    pub(crate) fn upstream(&self, asset: &AssetName) -> BTreeSet<&AssetName> {
        let mut found = BTreeSet::new();
        let mut waiting: Vec<&AssetName> = self.assets.get(asset).iter().flat_map(|asset| &asset.inputs).collect();
        while let Some(name) = waiting.pop() {
            if found.insert(name) {
                waiting.extend(self.assets.get(name).iter().flat_map(|asset| &asset.inputs));
            }
        }
        found
    }

    /// The tagged columns that reach each output column of an asset with this lineage, whose inputs are here already.
    /// `declared` are the tags of its own columns.
    pub fn tagged_columns(
        &self,
        name: &AssetName,
        lineage: &BTreeMap<String, BTreeSet<AssetColumn>>,
        declared: &BTreeMap<String, BTreeSet<String>>,
    ) -> BTreeMap<String, BTreeSet<TaggedColumn>> {
        let mut found: BTreeMap<String, BTreeSet<TaggedColumn>> = BTreeMap::new();
        for (column, tags) in declared {
            let own = |tag: &String| TaggedColumn {
                tag: tag.clone(),
                column: AssetColumn { asset: name.clone(), column: column.clone() },
            };
            found.entry(column.clone()).or_default().extend(tags.iter().map(own));
        }
        for (column, origins) in lineage {
            let reaching = origins.iter().filter_map(|origin| {
                self.assets.get(&origin.asset).and_then(|asset| asset.about.tagged.get(&origin.column))
            });
            found.entry(column.clone()).or_default().extend(reaching.flatten().cloned());
        }
        found.retain(|_, tagged| !tagged.is_empty());
        found
    }
}
