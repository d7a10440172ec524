//! The graph of a project: which asset reads which. Pure; which tables a query reads comes from the engine.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::asset::{Assets, ModelReference};
use baton_core::{Asset, AssetName, Definition, Graph, Kind};
use baton_diagnostics::{Diagnostic, Label, codes, nearest};

use crate::resolve::with_article;
use crate::search::find_table;
use crate::spec::READABLE;
use crate::unread::Unread;

type Edges = BTreeMap<AssetName, BTreeSet<AssetName>>;

/// The graph, with diagnostics for unknown tables in SQL and for circles.
///
/// `sql_reads` says which tables each SQL table's query names, common table expressions left out. What YAML names and
/// does not exist was reported by loading and is passed over. Where there was a circle it is cut at one place, so
/// that the graph always has an order.
pub fn graph(assets: &Assets, sql_reads: &BTreeMap<AssetName, BTreeSet<String>>) -> (Graph, Vec<Diagnostic>) {
    let context = Context { texts: &BTreeMap::new(), unread: &Unread::default() };
    graph_with_context(assets, sql_reads, context)
}

/// What loading knows beside the assets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The files, in which places are found exactly.
    pub(crate) texts: &'a BTreeMap<String, String>,
    /// What could not be read, which is not to be called unknown.
    pub(crate) unread: &'a Unread,
}

/// The same with what loading knows.
pub(crate) fn graph_with_context(
    assets: &Assets,
    sql_reads: &BTreeMap<AssetName, BTreeSet<String>>,
    context: Context<'_>,
) -> (Graph, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut edges = Edges::new();
    for (name, asset) in assets {
        let mut reads = declared_reads(assets, asset);
        for table in sql_reads.get(name).into_iter().flatten() {
            match assets.get(table.as_str()) {
                Some(read) if READABLE.contains(&read.kind()) => {
                    reads.insert(read.name.clone());
                }
                None if context.unread.excuses(table) => {}
                other => diagnostics.push(not_readable(assets, asset, table, other, context.texts)),
            }
        }
        reads.retain(|read| assets.contains_key(read));
        edges.insert(name.clone(), reads);
    }
    let graph = cut_circles(assets, edges, context.texts, &mut diagnostics);
    (graph, diagnostics)
}

/// What an asset reads by its definition, SQL aside.
fn declared_reads(assets: &Assets, asset: &Asset) -> BTreeSet<AssetName> {
    match &asset.definition {
        Definition::Source(_) | Definition::Table(_) => BTreeSet::new(),
        Definition::FeatureView(view) => BTreeSet::from([view.from.clone()]),
        Definition::Model(model) => {
            let views = model.features.iter().map(|feature| feature.view.clone());
            views.chain([model.labels.from.clone()]).collect()
        }
        Definition::Endpoint(endpoint) => {
            let canary = endpoint.canary.iter().map(|canary| &canary.model);
            let models = canary.chain(&endpoint.shadow).chain([&endpoint.model]);
            let scored = endpoint.score.iter().map(|score| score.from.clone());
            models.map(|reference: &ModelReference| reference.model.clone()).chain(scored).collect()
        }
        Definition::Monitor(monitor) => {
            let labels = label_table(assets, &monitor.endpoint);
            labels.into_iter().chain([monitor.endpoint.clone()]).collect()
        }
        Definition::Exposure(exposure) => exposure.depends_on.iter().cloned().collect(),
    }
}

/// The table that says how an endpoint's predictions came out.
fn label_table(assets: &Assets, endpoint: &AssetName) -> Option<AssetName> {
    let Definition::Endpoint(endpoint) = &assets.get(endpoint)?.definition else { return None };
    let Definition::Model(model) = &assets.get(&endpoint.model.model)?.definition else { return None };
    Some(model.labels.from.clone())
}

fn not_readable(
    assets: &Assets,
    asset: &Asset,
    table: &str,
    other: Option<&Asset>,
    texts: &BTreeMap<String, String>,
) -> Diagnostic {
    let label = |text: String| read_label(asset, table, texts, text);
    if let Some(other) = other {
        let is = with_article(other.kind().word());
        let message = format!("table `{}` reads `{table}`, which is {is}", asset.name);
        return Diagnostic::error(codes::WRONG_KIND, message)
            .with_label(label(format!("{is}, declared in {}", other.origin.file)))
            .with_help("SQL reads sources and tables");
    }
    let readable = assets.values().filter(|known| READABLE.contains(&known.kind()));
    let names = readable.map(|known| known.name.as_str()).filter(|known| *known != asset.name.as_str());
    Diagnostic::error(codes::UNKNOWN_TABLE, format!("table `{}` reads unknown table `{table}`", asset.name))
        .with_label(label("no source or table of this name".to_owned()))
        .with_nearest(nearest(table, names))
}

/// Where an asset names `table`; where it is declared, if that cannot be found.
fn read_label(asset: &Asset, table: &str, texts: &BTreeMap<String, String>, text: String) -> Label {
    let parameter = |name: &str| match &asset.definition {
        Definition::Table(definition) => {
            let parameters = &definition.python.as_ref()?.parameters;
            parameters.iter().find(|parameter| parameter.input.as_str() == name).map(|parameter| parameter.spot)
        }
        _ => None,
    };
    if let Some(spot) = parameter(table) {
        let (line, column, length) = (spot.line, spot.column, spot.length);
        return Label { file: asset.origin.file.clone(), line, column, length, text };
    }
    let found = match &asset.definition {
        Definition::Table(definition) => {
            let sql = texts.get(&definition.file).unwrap_or(&definition.sql);
            find_table(sql, table)
        }
        _ => None,
    };
    let file = asset.origin.file.clone();
    match found {
        Some(span) => Label { file, line: span.line, column: span.column, length: span.length, text },
        None => {
            let length = if asset.kind() == Kind::Table { 0 } else { asset.name.len() as u32 };
            Label { file, line: asset.origin.line, column: asset.origin.column, length, text }
        }
    }
}

fn cut_circles(
    assets: &Assets,
    mut edges: Edges,
    texts: &BTreeMap<String, String>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Graph {
    loop {
        let mut graph = Graph::new();
        for (asset, reads) in &edges {
            graph.insert(asset.clone(), reads.iter().cloned());
        }
        let Err(circle) = graph.topological_order() else { return graph };
        let (Some(first), Some(second)) = (circle.first(), circle.iter().cycle().nth(1)) else { return graph };
        diagnostics.push(circle_diagnostic(assets, &circle, texts));
        if let Some(reads) = edges.get_mut(first) {
            reads.remove(second);
        }
    }
}

fn circle_diagnostic(assets: &Assets, circle: &[AssetName], texts: &BTreeMap<String, String>) -> Diagnostic {
    let names: Vec<&str> = circle.iter().chain(circle.first()).map(AssetName::as_str).collect();
    let message = match names.as_slice() {
        [name, _] => format!("`{name}` reads itself"),
        names => format!("assets read each other in a circle: {}", names.join(" -> ")),
    };
    let mut diagnostic = Diagnostic::error(codes::CYCLE, message);
    for (asset, next) in circle.iter().zip(circle.iter().cycle().skip(1)) {
        if let Some(asset) = assets.get(asset) {
            let text = format!("`{}` reads `{next}`", asset.name);
            diagnostic = diagnostic.with_label(read_label(asset, next, texts, text));
        }
    }
    diagnostic.with_help("take one of these reads away")
}
