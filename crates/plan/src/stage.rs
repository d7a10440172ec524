//! The work in order: what execute does and what explain prints.

use baton_core::{AssetName, Kind};
use serde::{Deserialize, Serialize};

use crate::plan::{Change, Plan, PlannedAsset};

/// One piece of work, named by the asset it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// Land new deliveries of a source, with its contract and checks.
    Ingest {
        /// The source.
        asset: AssetName,
    },
    /// Compute a table, whole or by missing intervals, with its checks.
    Build {
        /// The table.
        asset: AssetName,
    },
    /// Bring a feature view's latest values to the online store.
    Materialize {
        /// The feature view.
        asset: AssetName,
    },
    /// Train a model version and judge it by its gates.
    Train {
        /// The model.
        asset: AssetName,
        /// Why now.
        reason: String,
    },
    /// Let an endpoint serve what its definition and the model's aliases say.
    Deploy {
        /// The endpoint.
        asset: AssetName,
    },
    /// Score the rows of an endpoint's schedule at their prediction times.
    Score {
        /// The endpoint.
        asset: AssetName,
    },
    /// Judge drift and performance of an endpoint.
    Watch {
        /// The monitor.
        asset: AssetName,
    },
    /// Take an asset out of the environment.
    Remove {
        /// The asset.
        asset: AssetName,
    },
    /// Move the environment to what was built.
    Publish,
    /// Deliver what was published to a system outside.
    Export {
        /// The export.
        asset: AssetName,
        /// Whether all rows are delivered, whatever is there.
        full: bool,
    },
}

impl Stage {
    /// The asset it is about; `None` for [`Stage::Publish`].
    pub fn asset(&self) -> Option<&AssetName> {
        match self {
            Self::Ingest { asset }
            | Self::Build { asset }
            | Self::Materialize { asset }
            | Self::Train { asset, .. }
            | Self::Deploy { asset }
            | Self::Score { asset }
            | Self::Watch { asset }
            | Self::Remove { asset }
            | Self::Export { asset, .. } => Some(asset),
            Self::Publish => None,
        }
    }

    /// The verb that users see.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Ingest { .. } => "ingest",
            Self::Build { .. } => "build",
            Self::Materialize { .. } => "materialize",
            Self::Train { .. } => "train",
            Self::Deploy { .. } => "deploy",
            Self::Score { .. } => "score",
            Self::Watch { .. } => "watch",
            Self::Remove { .. } => "remove",
            Self::Publish => "publish",
            Self::Export { .. } => "export",
        }
    }
}

/// The stages of an apply: what changed, inputs before readers, then publishing. Empty for an empty plan.
///
/// Publishing writes down new metadata, so most assets of which only that changed need no stage of their own.
pub fn stages(plan: &Plan) -> Vec<Stage> {
    if plan.is_empty() {
        return Vec::new();
    }
    plan.assets.iter().filter_map(stage_of).chain([Stage::Publish]).collect()
}

fn stage_of(planned: &PlannedAsset) -> Option<Stage> {
    let asset = planned.name.clone();
    match (planned.change, planned.kind) {
        (Change::Unchanged, _) => None,
        (Change::Removed, _) => Some(Stage::Remove { asset }),
        // Their metadata holds the checks, which are part of their stage.
        (_, Kind::Source) => Some(Stage::Ingest { asset }),
        (_, Kind::Table) => Some(Stage::Build { asset }),
        (Change::MetadataOnly, _) | (_, Kind::Exposure) => None,
        (_, Kind::FeatureView) => Some(Stage::Materialize { asset }),
        (_, Kind::Model) => Some(Stage::Train { asset, reason: planned.reasons.join("; ") }),
        (_, Kind::Endpoint) => Some(Stage::Deploy { asset }),
        (_, Kind::Monitor) => Some(Stage::Watch { asset }),
    }
}

/// The stages of a scheduled run over assets in topological order: data forward, rows scored, endpoints watched.
/// What is up to date is skipped when executed.
pub fn run_stages(assets: &[(AssetName, Kind)]) -> Vec<Stage> {
    let of = |kind: Kind| assets.iter().filter(move |(_, found)| *found == kind).map(|(name, _)| name.clone());
    let mut work: Vec<Stage> = assets
        .iter()
        .filter_map(|(asset, kind)| match kind {
            Kind::Source => Some(Stage::Ingest { asset: asset.clone() }),
            Kind::Table => Some(Stage::Build { asset: asset.clone() }),
            Kind::FeatureView => Some(Stage::Materialize { asset: asset.clone() }),
            _ => None,
        })
        .collect();
    work.extend(of(Kind::Endpoint).map(|asset| Stage::Score { asset }));
    work.extend(of(Kind::Monitor).map(|asset| Stage::Watch { asset }));
    work.push(Stage::Publish);
    work
}
