//! From a loaded project to what planning needs: graph, schemas, lineage, fingerprints; every mistake a diagnostic.
//!
//! Reads deliveries only to learn the columns of sources that were never landed. Runs no query.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use baton_core::asset::Materialize;
use baton_core::{Asset, AssetName, Commit, Definition, Fingerprint, Graph, Timestamp};
use baton_diagnostics::{Diagnostic, has_errors};
use baton_engine::fingerprint::Upstream;
use baton_engine::{Analysis, SqlProblem};
use baton_plan::{Desired, DesiredAsset};
use baton_project::Project;

use crate::error::RunError;
use crate::services::Services;
use crate::steps::LandingCache;

mod about;
mod checks;
mod diagnose;
mod exports;
mod for_each;
mod identity;
mod inspect;
mod kept;
mod levels;
mod program;
mod python;
mod queries;
mod remembered;
mod sources;

pub(crate) use identity::{retyped, source as source_identity};
pub use inspect::{InspectOptions, inspect_project, place_of_output};
pub(crate) use kept::handed;
use queries::{Resolved, sql_reads};
use remembered::{Remembered, seen};

/// A project that can be planned and run.
pub struct Prepared {
    /// What was loaded.
    pub project: Arc<Project>,
    /// What the environment pointed at when the project was resolved against it.
    pub(crate) head: Option<Arc<Commit>>,
    /// Which asset reads which.
    pub graph: Graph,
    /// What it asks for, as fingerprints.
    pub desired: Desired,
    /// Types and lineage of every SQL table.
    pub analyses: BTreeMap<AssetName, Arc<Analysis>>,
    /// Columns that users see, of sources and tables.
    pub schemas: BTreeMap<AssetName, SchemaRef>,
    /// What assets would be with the defaults of the project's parameters, where it is given other values.
    pub(crate) declared: BTreeMap<AssetName, Fingerprint>,
    /// Deliveries by version, remembered over the ticks of a replay.
    pub(crate) landings: LandingCache,
    /// Reference samples of models, remembered over the ticks of a replay.
    pub(crate) references: crate::watch::ReferenceCache,
    /// Estimators of performance without labels, by model version.
    pub(crate) estimators: crate::watch::EstimatorCache,
    /// Rows by day, as they were counted at the last tick.
    pub(crate) volumes: crate::watch::VolumeCache,
    /// Loaded model versions, remembered over the ticks of a replay.
    pub(crate) models: crate::registry::ModelCache,
}

impl Prepared {
    /// The same, knowing what the project asks for with the defaults of its parameters: a run brings the values that it is
    /// given along, and no other change.
    #[must_use]
    pub fn varying(mut self, with_defaults: &Self) -> Self {
        let contents = with_defaults.desired.assets.iter().map(|(name, desired)| (name.clone(), desired.content()));
        let differs = |(name, content): &(AssetName, Fingerprint)| {
            self.desired.assets.get(name).is_some_and(|desired| desired.content() != *content)
        };
        self.declared = contents.filter(differs).collect();
        self
    }

    /// As much of a project as recorded definitions say: nothing is resolved, so it cannot be planned.
    pub(crate) fn recorded(
        project: impl Into<Arc<Project>>,
        graph: Graph,
        schemas: BTreeMap<AssetName, SchemaRef>,
    ) -> Self {
        Self {
            project: project.into(),
            head: None,
            graph,
            desired: Desired::default(),
            analyses: BTreeMap::new(),
            schemas,
            declared: BTreeMap::new(),
            landings: LandingCache::default(),
            references: Default::default(),
            estimators: Default::default(),
            volumes: Default::default(),
            models: Default::default(),
        }
    }
}

/// Resolves `project` against what `environment` holds. `None` when there is an error among the diagnostics.
pub async fn prepare(
    services: &Services,
    project: impl Into<Arc<Project>>,
    environment: &str,
    as_of: Timestamp,
) -> Result<(Option<Prepared>, Vec<Diagnostic>), RunError> {
    let mut project: Arc<Project> = project.into();
    let mut diagnostics = program::hash_files(&services.folder, &mut project);
    let mut remembered = Remembered::of(&services.folder);
    let reads = sql_reads(&project, &mut remembered, &mut diagnostics);
    let (graph, found) = project.graph(&reads);
    diagnostics.extend(found);
    let Ok(order) = graph.topological_order() else { return Ok((None, diagnostics)) };
    let head = services.ledger.head(environment).await?.map(Arc::new);
    let mut resolver = Resolver {
        services,
        project: &project,
        reads: &reads,
        head: head.as_deref(),
        as_of,
        upstream: BTreeMap::new(),
        analyses: BTreeMap::new(),
        desired: Desired { assets: BTreeMap::new(), order: Vec::new() },
        broken: BTreeSet::new(),
        seen: BTreeMap::new(),
        resolved: BTreeMap::new(),
        remembered,
        diagnostics,
    };
    for level in levels::levels(&order, &graph) {
        resolver.resolve_queries(&level, &graph);
        for name in level {
            if let Some(asset) = project.assets.get(name) {
                resolver.resolve(name, asset, &graph).await?;
            }
        }
    }
    resolver.check_expressions();
    resolver.diagnostics.extend(python::missing(services, &project));
    let Resolver { upstream, analyses, mut desired, remembered, diagnostics, .. } = resolver;
    remembered.write();
    desired.order = order.into_iter().filter(|name| desired.assets.contains_key(name)).collect();
    if has_errors(&diagnostics) {
        return Ok((None, diagnostics));
    }
    let schemas =
        upstream.into_iter().filter_map(|(name, table)| Some((AssetName::parse(&name).ok()?, table.schema))).collect();
    let prepared = Prepared { desired, analyses, head, ..Prepared::recorded(project, graph, schemas) };
    Ok((Some(prepared), diagnostics))
}

struct Resolver<'a> {
    services: &'a Services,
    project: &'a Project,
    /// What each table's query reads, by name.
    reads: &'a BTreeMap<AssetName, BTreeSet<String>>,
    head: Option<&'a Commit>,
    as_of: Timestamp,
    upstream: BTreeMap<String, Upstream>,
    analyses: BTreeMap<AssetName, Arc<Analysis>>,
    desired: Desired,
    broken: BTreeSet<AssetName>,
    /// What readers see of each table, as a fingerprint.
    seen: BTreeMap<String, Fingerprint>,
    /// Queries of the level that is being resolved.
    resolved: BTreeMap<AssetName, Resolution>,
    remembered: Remembered,
    diagnostics: Vec<Diagnostic>,
}

/// What came of a query.
type Resolution = Result<Resolved, Vec<SqlProblem>>;

impl Resolver<'_> {
    /// Takes note of what readers of `name` see.
    fn insert_upstream(&mut self, name: &AssetName, upstream: Upstream) {
        self.seen.insert(name.to_string(), seen(&upstream));
        self.upstream.insert(name.to_string(), upstream);
    }

    async fn resolve(&mut self, name: &AssetName, asset: &Asset, graph: &Graph) -> Result<(), RunError> {
        let inputs: BTreeSet<AssetName> = graph.inputs(name).cloned().collect();
        let is_unresolved = |input: &AssetName| self.broken.contains(input) || !self.project.assets.contains_key(input);
        if inputs.iter().any(is_unresolved) || self.is_cut(name, &inputs) {
            // The cause is reported at the input; reporting its effects again would hide it.
            self.broken.insert(name.clone());
            return Ok(());
        }
        let identity = match &asset.definition {
            Definition::Source(source) => Some(self.source(name, source).await?),
            Definition::Table(table) => self.table(name, table),
            Definition::FeatureView(view) => {
                self.check_feature_view(asset, view);
                Some(identity::feature_view(view, &self.upstream))
            }
            Definition::Model(model) => {
                self.check_model(asset, model);
                let identity = identity::model(model, &self.project.assets, &self.desired, &self.upstream);
                Some(identity::of_registered(identity, model, self.services).await)
            }
            Definition::Endpoint(endpoint) => {
                self.check_endpoint(asset, endpoint);
                Some(identity::bare(endpoint))
            }
            Definition::Monitor(monitor) => Some(identity::bare(monitor)),
            Definition::Exposure(exposure) => {
                if let Some(export) = &exposure.export {
                    self.check_export(asset, export);
                }
                Some(identity::bare(exposure))
            }
        };
        let Some(identity) = identity else {
            self.broken.insert(name.clone());
            return Ok(());
        };
        let about = self.about(name, asset);
        let desired = DesiredAsset {
            kind: asset.kind(),
            rows: identity.rows,
            columns: identity.columns,
            metadata: identity::metadata(asset),
            inputs,
            batch: batch_of(&asset.definition),
            about,
        };
        self.desired.assets.insert(name.clone(), desired);
        self.desired.order.push(name.clone());
        Ok(())
    }

    /// Whether the graph left out something that a table reads, which was reported there: a circle is cut where it closes.
    fn is_cut(&self, name: &AssetName, inputs: &BTreeSet<AssetName>) -> bool {
        let mut reads = self.reads.get(name).into_iter().flatten();
        reads.any(|read| self.project.assets.contains_key(read.as_str()) && !inputs.contains(read.as_str()))
    }
}

fn batch_of(definition: &Definition) -> Option<i64> {
    match definition {
        Definition::Table(table) if matches!(table.materialize, Materialize::Incremental | Materialize::Snapshot) => {
            Some(table.batch)
        }
        _ => None,
    }
}
