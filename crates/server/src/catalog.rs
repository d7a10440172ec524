//! What the server asks of the project: which assets there are. The binary brings the answer, so that the server knows
//! neither files nor plans.

use async_trait::async_trait;
use serde::Serialize;

/// Which assets are asked for, in the grammar of selections; nothing asks for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AssetSelection {
    /// Only these, as written.
    pub select: Vec<String>,
    /// Not these, as written.
    pub exclude: Vec<String>,
}

impl AssetSelection {
    /// Whether all assets are asked for.
    pub fn is_everything(&self) -> bool {
        self.select.is_empty() && self.exclude.is_empty()
    }
}

/// An asset in a line, as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogAsset {
    /// Its name.
    pub name: String,
    /// What it is: `source`, `table`, `feature view`, …
    pub kind: String,
    /// Its version in the environment; null where it has none there.
    pub version: Option<String>,
    /// Its rows that are known.
    pub rows: Option<u64>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

/// The assets of a selection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogued {
    /// In the order of the relay, then by name.
    pub assets: Vec<CatalogAsset>,
    /// What is to be said of expressions that match nothing.
    pub unmatched: Vec<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogError {
    /// The selection cannot be understood.
    Selection {
        /// What is wrong with it, and where.
        message: String,
        /// What to write instead.
        help: String,
    },
    /// The project's files have mistakes, so that what it asks for is not known.
    Project {
        /// How many, and where to see them.
        message: String,
        /// What to do.
        help: String,
    },
    /// The ledger or the lake does not answer.
    Stores {
        /// Why.
        message: String,
    },
}

/// Says which assets there are.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// The assets of a selection, as the project's files are now.
    async fn assets(&self, selection: &AssetSelection) -> Result<Catalogued, CatalogError>;
}
