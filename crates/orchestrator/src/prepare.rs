//! From a loaded project to what planning needs: graph, schemas, lineage, fingerprints; every mistake a diagnostic.
//!
//! Reads deliveries only to learn the columns of sources that were never landed. Runs no query.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use baton_connectors::ConnectorError;
use baton_core::asset::{Materialize, Source, Table};
use baton_core::{Asset, AssetName, Commit, Definition, Fingerprint, Graph, Timestamp};
use baton_diagnostics::{Diagnostic, codes, has_errors};
use baton_engine::fingerprint::Upstream;
use baton_engine::{Analysis, SqlProblem, TableFingerprints};
use baton_lake::delta_schema;
use baton_plan::{Desired, DesiredAsset};
use baton_project::Project;

use crate::error::RunError;
use crate::services::Services;
use crate::steps::{LandingCache, arrived_units, contract_of, described_schema, examine};

mod about;
mod checks;
mod diagnose;
mod identity;
mod inspect;
mod kept;
mod levels;
mod python;
mod remembered;

use diagnose::{at, in_query};
pub(crate) use identity::{retyped, source as source_identity};
pub use inspect::{InspectOptions, inspect_project, place_of_output};
use remembered::{Remembered, seen, table_key};

/// A project that can be planned and run.
pub struct Prepared {
    /// What was loaded.
    pub project: Project,
    /// Which asset reads which.
    pub graph: Graph,
    /// What it asks for, as fingerprints.
    pub desired: Desired,
    /// Types and lineage of every SQL table.
    pub analyses: BTreeMap<AssetName, Analysis>,
    /// Columns that users see, of sources and tables.
    pub schemas: BTreeMap<AssetName, SchemaRef>,
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
    /// As much of a project as recorded definitions say: nothing is resolved, so it cannot be planned.
    pub(crate) fn recorded(project: Project, graph: Graph, schemas: BTreeMap<AssetName, SchemaRef>) -> Self {
        Self {
            project,
            graph,
            desired: Desired::default(),
            analyses: BTreeMap::new(),
            schemas,
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
    project: Project,
    environment: &str,
    as_of: Timestamp,
) -> Result<(Option<Prepared>, Vec<Diagnostic>), RunError> {
    let mut diagnostics = Vec::new();
    let mut remembered = Remembered::of(&services.folder);
    let reads = sql_reads(&project, &mut remembered, &mut diagnostics);
    let (graph, found) = project.graph(&reads);
    diagnostics.extend(found);
    let Ok(order) = graph.topological_order() else { return Ok((None, diagnostics)) };
    let head = services.ledger.head(environment).await?;
    let mut resolver = Resolver {
        services,
        project: &project,
        reads: &reads,
        head: head.as_ref(),
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
    let prepared = Prepared { desired, analyses, ..Prepared::recorded(project, graph, schemas) };
    Ok((Some(prepared), diagnostics))
}

/// What each table's query reads; mistakes in the order of names.
fn sql_reads(
    project: &Project,
    remembered: &mut Remembered,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<AssetName, BTreeSet<String>> {
    let mut reads = BTreeMap::new();
    let mut unknown: Vec<(&AssetName, &Table)> = Vec::new();
    for (name, asset) in &project.assets {
        let Definition::Table(table) = &asset.definition else { continue };
        match remembered.references(name, table) {
            Some(found) => {
                reads.insert(name.clone(), found);
            }
            None => unknown.push((name, table)),
        }
    }
    let found = levels::side_by_side(&unknown, |(name, table)| kept::references(name, table));
    for ((name, table), found) in unknown.into_iter().zip(found) {
        match found {
            Ok(found) => {
                remembered.keep_references(name, table, &found);
                reads.insert(name.clone(), found);
            }
            Err(problem) => diagnostics.push(in_query(name, table, &problem)),
        }
    }
    reads
}

struct Resolver<'a> {
    services: &'a Services,
    project: &'a Project,
    /// What each table's query reads, by name.
    reads: &'a BTreeMap<AssetName, BTreeSet<String>>,
    head: Option<&'a Commit>,
    as_of: Timestamp,
    upstream: BTreeMap<String, Upstream>,
    analyses: BTreeMap<AssetName, Analysis>,
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
type Resolution = Result<(TableFingerprints, Analysis), Vec<SqlProblem>>;

impl Resolver<'_> {
    /// Resolves the queries of a level: those that are not remembered side by side.
    fn resolve_queries(&mut self, level: &[&AssetName], graph: &Graph) {
        let mut unknown = Vec::new();
        for name in level {
            let Some(Definition::Table(table)) = self.project.assets.get(*name).map(|asset| &asset.definition) else {
                continue;
            };
            let inputs = graph.inputs(name).filter_map(|input| self.seen.get_key_value(input.as_str()));
            let key = table_key(name, table, inputs);
            match self.remembered.table(&key) {
                Some(found) => {
                    self.resolved.insert((*name).clone(), Ok(found));
                }
                None => unknown.push((*name, table, key, self.upstream_of(name, graph))),
            }
        }
        let found = levels::side_by_side(&unknown, |(name, table, _, upstream)| kept::resolved(name, table, upstream));
        for ((name, _, key, _), found) in unknown.into_iter().zip(found) {
            if let Ok(found) = &found {
                self.remembered.keep_table(&key, found);
            }
            self.resolved.insert(name.clone(), found);
        }
    }

    fn upstream_of(&self, name: &AssetName, graph: &Graph) -> BTreeMap<String, Upstream> {
        let known = graph.inputs(name).filter_map(|input| self.upstream.get_key_value(input.as_str()));
        known.map(|(input, table)| (input.clone(), table.clone())).collect()
    }

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
                Some(identity::model(model, &self.project.assets, &self.desired, &self.upstream))
            }
            Definition::Endpoint(endpoint) => {
                self.check_endpoint(asset, endpoint);
                Some(identity::bare(endpoint))
            }
            Definition::Monitor(monitor) => Some(identity::bare(monitor)),
            Definition::Exposure(exposure) => Some(identity::bare(exposure)),
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

    async fn source(&mut self, name: &AssetName, source: &Source) -> Result<TableFingerprints, RunError> {
        let rows = identity::source(source);
        let schema = match self.landed_schema(name, &rows).await? {
            Some(schema) => schema,
            None => match self.schema_to_land(name, source).await {
                Ok(schema) => schema,
                Err(error) => {
                    let asset = self.project.assets.get(name);
                    self.diagnostics.push(at(asset, Diagnostic::error(codes::UNREADABLE_DELIVERY, error.to_string())));
                    contract_schema(source)
                }
            },
        };
        let read = identity::source_rows(source);
        let columns = identity::source_columns(&read, source, &schema);
        let fingerprints = TableFingerprints { columns, rows: read };
        self.insert_upstream(name, Upstream { schema, fingerprints: fingerprints.clone() });
        self.check_source(name, source);
        Ok(TableFingerprints { columns: identity::declared_columns(&fingerprints, source), rows })
    }

    /// The columns of what is landed, when it was landed under this contract.
    async fn landed_schema(&self, name: &AssetName, contract: &Fingerprint) -> Result<Option<SchemaRef>, RunError> {
        let Some(table) = self.head.and_then(|commit| commit.assets.get(name)).and_then(|pin| pin.version.table())
        else {
            return Ok(None);
        };
        if !table.location.ends_with(contract.as_str()) {
            return Ok(None);
        }
        Ok(Some(visible(self.services.lake.snapshot(table).await?.schema())))
    }

    /// The columns that a first landing would make.
    async fn schema_to_land(&mut self, name: &AssetName, source: &Source) -> Result<SchemaRef, RunError> {
        let Some(pull) = &source.pull else { return self.delivered_schema(source) };
        if let Err(error) = examine(self.services, name, source, pull) {
            let asset = self.project.assets.get(name);
            self.diagnostics.push(at(asset, Diagnostic::error(codes::INVALID_VALUE, error.to_string())));
            return Ok(contract_schema(source));
        }
        match described_schema(self.services, name, source, pull).await {
            // What is declared can be planned with while the origin cannot be reached.
            Err(_) if !source.columns.is_empty() => Ok(contract_schema(source)),
            outcome => outcome,
        }
    }

    /// The columns of the first delivery, read no further than its first rows; the contract's when nothing arrived.
    fn delivered_schema(&self, source: &Source) -> Result<SchemaRef, RunError> {
        let (connector, units) = arrived_units(self.services, source, self.as_of)?;
        let Some(unit) = units.first() else { return Ok(contract_schema(source)) };
        let mut first: Option<SchemaRef> = None;
        let outcome = connector.read(unit, &contract_of(source), &mut |batch| {
            first = Some(batch.schema());
            Err(ConnectorError::sink("the first rows are enough".to_owned()))
        });
        match (first, outcome) {
            (Some(schema), _) => Ok(Arc::new(delta_schema(&schema)?.as_ref().clone())),
            (None, Ok(report)) => Ok(Arc::new(delta_schema(&report.schema)?.as_ref().clone())),
            // A broken delivery is set aside when it is landed; the contract says the columns.
            (None, Err(_)) => Ok(contract_schema(source)),
        }
    }

    fn table(&mut self, name: &AssetName, table: &Table) -> Option<TableFingerprints> {
        match self.resolved.remove(name)? {
            Ok((computed, analysis)) => {
                // Readers see the same rows whether they are stored or not.
                let seen = match table.materialize {
                    Materialize::Table | Materialize::View => computed.clone(),
                    _ => identity::table(table, computed.clone()),
                };
                let computed = identity::table(table, computed);
                let fields = analysis.schema.iter().map(|(column, data_type, nullable)| {
                    arrow::datatypes::Field::new(column, data_type.clone(), *nullable)
                });
                let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
                self.insert_upstream(name, Upstream { schema, fingerprints: seen });
                self.check_table(name, table);
                self.analyses.insert(name.clone(), analysis);
                Some(computed)
            }
            Err(problems) => {
                self.diagnostics.extend(problems.iter().map(|problem| in_query(name, table, problem)));
                None
            }
        }
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

fn visible(schema: &SchemaRef) -> SchemaRef {
    baton_engine::table::visible_schema(schema)
}

fn contract_schema(source: &Source) -> SchemaRef {
    let contract = contract_of(source);
    let landed = contract.columns.iter().filter(|column| contract.selects(&column.name));
    let fields = landed.map(|column| arrow::datatypes::Field::new(&column.name, column.data_type.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
