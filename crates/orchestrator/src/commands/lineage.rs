//! Lineage: which assets, and which columns, an asset comes from or goes to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use baton_core::{AssetName, Definition};
use serde::{Deserialize, Serialize};

use super::look::known_asset;
use crate::error::RunError;
use crate::external::{ExternalLineage, add_external};
use crate::features::{feature_columns, referenced_views};
use crate::prepare::Prepared;
use crate::services::Services;

/// Which way to walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To what it comes from.
    Up,
    /// To what is made of it.
    Down,
}

/// A column that is computed from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ColumnEdge {
    /// The asset read.
    pub from_asset: String,
    /// Its column.
    pub from_column: String,
    /// The asset that reads.
    pub to_asset: String,
    /// The column computed; for a model and an endpoint `prediction`.
    pub to_column: String,
}

/// What an asset comes from, or goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineageReport {
    /// The asset asked about.
    pub asset: String,
    /// Pairs (read, reader) among the assets reached.
    pub edges: Vec<(String, String)>,
    /// Column edges, when asked for.
    pub columns: Vec<ColumnEdge>,
    /// Of the names in `edges`, those of other tools: `external job` or `external dataset`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub external: BTreeMap<String, String>,
}

/// As [`lineage`], with what other tools told of the jobs and datasets before or behind it.
///
/// # Errors
/// Those of [`lineage`] and of the ledger.
pub async fn lineage_with_external(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    (asset, columns): (&str, bool),
    direction: Direction,
) -> Result<LineageReport, RunError> {
    let mut report = lineage(prepared, environment, asset, columns, direction)?;
    let told = ExternalLineage::read(services, environment).await?;
    add_external(&mut report, &told, (prepared, environment, &services.folder), direction);
    Ok(report)
}

/// The one output of models and endpoints.
const PREDICTION: &str = "prediction";

/// Walks the graph from `asset`; with `columns`, column by column.
pub fn lineage(
    prepared: &Prepared,
    environment: &str,
    asset: &str,
    columns: bool,
    direction: Direction,
) -> Result<LineageReport, RunError> {
    known_asset(prepared, environment, asset)?;
    let mut reached = match direction {
        Direction::Up => prepared.graph.upstream(asset),
        Direction::Down => prepared.graph.downstream(asset),
    };
    if let Ok(name) = AssetName::parse(asset) {
        reached.insert(name);
    }
    let edges = reached.iter().flat_map(|reader| {
        let inputs = prepared.graph.inputs(reader).filter(|input| reached.contains(*input));
        inputs.map(|input| (input.to_string(), reader.to_string()))
    });
    let edges: Vec<(String, String)> = edges.collect();
    let columns = if columns { walk_columns(prepared, asset, &reached, direction) } else { Vec::new() };
    Ok(LineageReport { asset: asset.to_owned(), edges, columns, external: BTreeMap::new() })
}

/// Everything that is computed, directly or not, from one column.
pub(super) fn column_effects(prepared: &Prepared, asset: &AssetName, column: &str) -> Vec<ColumnEdge> {
    let readers = prepared.graph.downstream(asset);
    walk(prepared, (asset, Some(column)), &readers, Direction::Down)
}

fn walk_columns(
    prepared: &Prepared,
    asset: &str,
    reached: &BTreeSet<AssetName>,
    direction: Direction,
) -> Vec<ColumnEdge> {
    walk(prepared, (asset, None), reached, direction)
}

fn walk(
    prepared: &Prepared,
    (asset, column): (&str, Option<&str>),
    reached: &BTreeSet<AssetName>,
    direction: Direction,
) -> Vec<ColumnEdge> {
    let all: Vec<ColumnEdge> = reached.iter().flat_map(|name| column_edges(prepared, name)).collect();
    let mut found: BTreeSet<ColumnEdge> = BTreeSet::new();
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    let mut queue: VecDeque<(String, Option<String>)> = VecDeque::from([(asset.to_owned(), column.map(str::to_owned))]);
    while let Some((at, column)) = queue.pop_front() {
        for edge in &all {
            let (here, here_column, next, next_column) = match direction {
                Direction::Up => (&edge.to_asset, &edge.to_column, &edge.from_asset, &edge.from_column),
                Direction::Down => (&edge.from_asset, &edge.from_column, &edge.to_asset, &edge.to_column),
            };
            if *here != at || column.as_ref().is_some_and(|column| column != here_column) {
                continue;
            }
            found.insert(edge.clone());
            if seen.insert((next.clone(), next_column.clone())) {
                queue.push_back((next.clone(), Some(next_column.clone())));
            }
        }
    }
    found.into_iter().collect()
}

/// Columns that `reader` computes from its inputs' columns.
fn column_edges(prepared: &Prepared, reader: &AssetName) -> Vec<ColumnEdge> {
    let edge = |from_asset: &str, from_column: &str, to_column: &str| ColumnEdge {
        from_asset: from_asset.to_owned(),
        from_column: from_column.to_owned(),
        to_asset: reader.to_string(),
        to_column: to_column.to_owned(),
    };
    match prepared.project.assets.get(reader).map(|asset| &asset.definition) {
        Some(Definition::Table(_)) => {
            let lineage = prepared.analyses.get(reader).map(|analysis| &analysis.column_lineage).into_iter().flatten();
            lineage
                .flat_map(|(to, sources)| sources.iter().map(move |(table, column)| edge(table, column, to)))
                .collect()
        }
        Some(Definition::FeatureView(view)) => {
            let Some(schema) = prepared.schemas.get(&view.from) else { return Vec::new() };
            feature_columns(view, schema).iter().map(|column| edge(&view.from, column, column)).collect()
        }
        Some(Definition::Model(model)) => {
            let views = referenced_views(model, &prepared.project.assets, |from| prepared.schemas.get(from).cloned());
            let features = views
                .iter()
                .flat_map(|(view, _, features)| features.iter().map(move |name| edge(view, name, PREDICTION)));
            let label = edge(&model.labels.from, &model.labels.target, PREDICTION);
            features.chain([label]).collect()
        }
        Some(Definition::Endpoint(endpoint)) => vec![edge(&endpoint.model.model, PREDICTION, PREDICTION)],
        _ => Vec::new(),
    }
}
