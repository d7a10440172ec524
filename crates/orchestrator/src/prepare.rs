//! From a loaded project to what planning needs: graph, schemas, lineage, fingerprints; every mistake a diagnostic.
//!
//! Reads deliveries only to learn the columns of sources that were never landed. Runs no query.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use baton_connectors::ConnectorError;
use baton_core::asset::{Materialize, Source, Table};
use baton_core::{Asset, AssetName, Commit, Definition, Fingerprint, Graph, Kind, Timestamp};
use baton_diagnostics::{Diagnostic, Label, codes, has_errors, nearest};
use baton_engine::fingerprint::Upstream;
use baton_engine::{Analysis, SqlProblem, TableFingerprints, analyze, fingerprints, table_references};
use baton_lake::delta_schema;
use baton_plan::{Desired, DesiredAsset};
use baton_project::Project;

use crate::error::RunError;
use crate::features::feature_columns;
use crate::services::Services;
use crate::steps::{LandingCache, arrived_units, contract_of};

mod identity;

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
    /// Loaded model versions, remembered over the ticks of a replay.
    pub(crate) models: crate::registry::ModelCache,
}

/// Resolves `project` against what `environment` holds. `None` when there is an error among the diagnostics.
pub async fn prepare(
    services: &Services,
    project: Project,
    environment: &str,
    as_of: Timestamp,
) -> Result<(Option<Prepared>, Vec<Diagnostic>), RunError> {
    let mut diagnostics = Vec::new();
    let reads = sql_reads(&project, &mut diagnostics);
    let (graph, found) = project.graph(&reads);
    diagnostics.extend(found);
    let Ok(order) = graph.topological_order() else { return Ok((None, diagnostics)) };
    let head = services.ledger.head(environment).await?;
    let mut resolver = Resolver {
        services,
        project: &project,
        head: head.as_ref(),
        as_of,
        upstream: BTreeMap::new(),
        analyses: BTreeMap::new(),
        desired: Desired { assets: BTreeMap::new(), order: Vec::new() },
        broken: BTreeSet::new(),
        diagnostics,
    };
    for name in &order {
        if let Some(asset) = project.assets.get(name) {
            resolver.resolve(name, asset, &graph).await?;
        }
    }
    let Resolver { upstream, analyses, desired, diagnostics, .. } = resolver;
    if has_errors(&diagnostics) {
        return Ok((None, diagnostics));
    }
    let schemas =
        upstream.into_iter().filter_map(|(name, table)| Some((AssetName::parse(&name).ok()?, table.schema))).collect();
    let prepared = Prepared {
        project,
        graph,
        desired,
        analyses,
        schemas,
        landings: LandingCache::default(),
        references: Default::default(),
        models: Default::default(),
    };
    Ok((Some(prepared), diagnostics))
}

fn sql_reads(project: &Project, diagnostics: &mut Vec<Diagnostic>) -> BTreeMap<AssetName, BTreeSet<String>> {
    let mut reads = BTreeMap::new();
    for (name, asset) in &project.assets {
        let Definition::Table(table) = &asset.definition else { continue };
        match table_references(&table.sql) {
            Ok(found) => {
                reads.insert(name.clone(), found);
            }
            Err(problem) => diagnostics.push(sql_diagnostic(name, table, &problem)),
        }
    }
    reads
}

struct Resolver<'a> {
    services: &'a Services,
    project: &'a Project,
    head: Option<&'a Commit>,
    as_of: Timestamp,
    upstream: BTreeMap<String, Upstream>,
    analyses: BTreeMap<AssetName, Analysis>,
    desired: Desired,
    broken: BTreeSet<AssetName>,
    diagnostics: Vec<Diagnostic>,
}

impl Resolver<'_> {
    async fn resolve(&mut self, name: &AssetName, asset: &Asset, graph: &Graph) -> Result<(), RunError> {
        let inputs: BTreeSet<AssetName> = graph.inputs(name).cloned().collect();
        if inputs.iter().any(|input| self.broken.contains(input) || !self.project.assets.contains_key(input)) {
            // The cause is reported at the input; reporting its effects again would hide it.
            self.broken.insert(name.clone());
            return Ok(());
        }
        let identity = match &asset.definition {
            Definition::Source(source) => Some(self.source(name, source).await?),
            Definition::Table(table) => self.table(name, table, &inputs),
            Definition::FeatureView(view) => {
                self.check_feature_view(asset, view);
                Some(identity::feature_view(view, &self.upstream))
            }
            Definition::Model(model) => {
                self.check_model(asset, model);
                Some(identity::model(model, &self.project.assets, &self.desired, &self.upstream))
            }
            Definition::Endpoint(endpoint) => Some(identity::bare(endpoint)),
            Definition::Monitor(monitor) => Some(identity::bare(monitor)),
            Definition::Exposure(exposure) => Some(identity::bare(exposure)),
        };
        let Some(identity) = identity else {
            self.broken.insert(name.clone());
            return Ok(());
        };
        let desired = DesiredAsset {
            kind: asset.kind(),
            rows: identity.rows,
            columns: identity.columns,
            metadata: identity::metadata(asset),
            inputs,
            batch: batch_of(&asset.definition),
        };
        self.desired.assets.insert(name.clone(), desired);
        self.desired.order.push(name.clone());
        Ok(())
    }

    async fn source(&mut self, name: &AssetName, source: &Source) -> Result<TableFingerprints, RunError> {
        let rows = identity::source(source);
        let schema = match self.landed_schema(name, &rows).await? {
            Some(schema) => schema,
            None => match self.delivered_schema(source) {
                Ok(schema) => schema,
                Err(error) => {
                    let asset = self.project.assets.get(name);
                    self.diagnostics.push(at(asset, Diagnostic::error(codes::UNREADABLE_DELIVERY, error.to_string())));
                    contract_schema(source)
                }
            },
        };
        let fingerprints = TableFingerprints { columns: identity::source_columns(&rows, source, &schema), rows };
        self.upstream.insert(name.to_string(), Upstream { schema, fingerprints: fingerprints.clone() });
        self.check_source(name, source);
        Ok(TableFingerprints { columns: identity::declared_columns(&fingerprints, source), rows: fingerprints.rows })
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

    fn table(&mut self, name: &AssetName, table: &Table, inputs: &BTreeSet<AssetName>) -> Option<TableFingerprints> {
        let upstream: BTreeMap<String, Upstream> = inputs
            .iter()
            .filter_map(|input| Some((input.to_string(), self.upstream.get(input.as_str())?.clone())))
            .collect();
        let schemas = upstream.iter().map(|(input, table)| (input.clone(), table.schema.clone())).collect();
        let found =
            analyze(&schemas, name, &table.sql).and_then(|found| Ok((fingerprints(&table.sql, &upstream)?, found)));
        match found {
            Ok((computed, analysis)) => {
                let computed = identity::table(table, computed);
                let fields = analysis.schema.iter().map(|(column, data_type, nullable)| {
                    arrow::datatypes::Field::new(column, data_type.clone(), *nullable)
                });
                let schema: SchemaRef = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
                self.upstream.insert(name.to_string(), Upstream { schema, fingerprints: computed.clone() });
                self.check_table(name, table);
                self.analyses.insert(name.clone(), analysis);
                Some(computed)
            }
            Err(problems) => {
                self.diagnostics.extend(problems.iter().map(|problem| sql_diagnostic(name, table, problem)));
                None
            }
        }
    }

    /// Reports every name of `wanted` that `from` has no column for.
    fn check_columns<'n>(
        &mut self,
        asset: &Asset,
        role: &str,
        from: &str,
        wanted: impl IntoIterator<Item = &'n String>,
    ) {
        let Some(table) = self.upstream.get(from) else { return };
        let known: Vec<String> = table.schema.fields().iter().map(|field| field.name().clone()).collect();
        for column in wanted {
            if !known.contains(column) {
                let found = Diagnostic::error(
                    codes::UNKNOWN_COLUMN,
                    format!("{role} of {} `{}` names the unknown column `{column}`", asset.kind(), asset.name),
                )
                .with_detail(format!("Columns of `{from}`: {}.", known.join(", ")))
                .with_nearest(nearest(column, known.iter().map(String::as_str)));
                self.diagnostics.push(at(Some(asset), found));
            }
        }
    }

    fn check_source(&mut self, name: &AssetName, source: &Source) {
        let Some(asset) = self.project.assets.get(name) else { return };
        self.check_columns(asset, "the time", name, source.time.as_ref());
        let checked: Vec<String> = asset.checks.iter().filter_map(|check| check.column.clone()).collect();
        self.check_columns(asset, "a check", name, &checked);
    }

    fn check_table(&mut self, name: &AssetName, table: &Table) {
        let Some(asset) = self.project.assets.get(name) else { return };
        self.check_columns(asset, "the time", name, table.time.as_ref());
        self.check_columns(asset, "the grain", name, &table.grain);
        let checked: Vec<String> = asset.checks.iter().filter_map(|check| check.column.clone()).collect();
        self.check_columns(asset, "a check", name, &checked);
        if table.materialize == Materialize::View {
            let found =
                Diagnostic::error(codes::INVALID_VALUE, format!("table `{name}` is a view, which is not built yet"))
                    .with_help("use materialize='table' or materialize='incremental'");
            self.diagnostics.push(at(Some(asset), found));
        }
    }

    fn check_feature_view(&mut self, asset: &Asset, view: &baton_core::asset::FeatureView) {
        self.check_columns(asset, "the entity", &view.from, &view.entity);
        self.check_columns(asset, "the time", &view.from, [&view.time]);
        self.check_columns(asset, "the features", &view.from, &view.features);
    }

    fn check_model(&mut self, asset: &Asset, model: &baton_core::asset::Model) {
        let labels = &model.labels;
        self.check_columns(asset, "labels.keys", &labels.from, &labels.keys);
        self.check_columns(asset, "labels.time", &labels.from, [&labels.time]);
        self.check_columns(asset, "labels.target", &labels.from, [&labels.target]);
        self.check_columns(asset, "slices", &labels.from, &model.slices);
        for gate in &model.gates {
            if let Err(problem) = baton_ml::gate::Gate::parse(gate) {
                let found = Diagnostic::error(codes::INVALID_GATE, problem.to_string());
                self.diagnostics.push(at(Some(asset), found));
            }
        }
        for reference in &model.features {
            let Some(Definition::FeatureView(view)) =
                self.project.assets.get(&reference.view).map(|found| &found.definition)
            else {
                continue;
            };
            let Some(table) = self.upstream.get(view.from.as_str()) else { continue };
            let known = feature_columns(view, &table.schema);
            if reference.feature != "*" && !known.contains(&reference.feature) {
                let found = Diagnostic::error(
                    codes::UNKNOWN_FEATURE,
                    format!("feature view `{}` has no feature `{}`", reference.view, reference.feature),
                )
                .with_nearest(nearest(&reference.feature, known.iter().map(String::as_str)));
                self.diagnostics.push(at(Some(asset), found));
            }
            let missing: Vec<&String> = view.entity.iter().filter(|key| !labels.keys.contains(key)).collect();
            for key in missing {
                let found = Diagnostic::error(
                    codes::UNKNOWN_COLUMN,
                    format!(
                        "model `{}` reads feature view `{}` by `{key}`, which is not among labels.keys",
                        asset.name, reference.view
                    ),
                )
                .with_help(format!("add {key} to labels.keys"));
                self.diagnostics.push(at(Some(asset), found));
            }
        }
    }
}

fn batch_of(definition: &Definition) -> Option<i64> {
    match definition {
        Definition::Table(table) if table.materialize == Materialize::Incremental => Some(table.batch),
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

fn at(asset: Option<&Asset>, diagnostic: Diagnostic) -> Diagnostic {
    let Some(asset) = asset else { return diagnostic };
    diagnostic.with_label(Label {
        file: asset.origin.file.clone(),
        line: asset.origin.line,
        column: asset.origin.column,
        length: asset.name.as_str().len() as u32,
        text: "declared here".to_owned(),
    })
}

fn sql_diagnostic(name: &AssetName, table: &Table, problem: &SqlProblem) -> Diagnostic {
    let code = match (&problem.unknown_name, problem.candidates.is_empty()) {
        (Some(_), _) => codes::UNKNOWN_COLUMN,
        _ => codes::INVALID_SQL,
    };
    let kind = Kind::Table;
    let mut diagnostic = Diagnostic::error(code, format!("{kind} `{name}`: {}", problem.message)).with_label(Label {
        file: table.file.clone(),
        line: problem.line as u32 + table.line_offset,
        column: problem.column as u32,
        length: problem.length.max(1) as u32,
        text: String::new(),
    });
    if !problem.candidates.is_empty() {
        diagnostic = diagnostic.with_detail(format!("Valid names here: {}.", problem.candidates.join(", ")));
    }
    match &problem.unknown_name {
        Some(unknown) => diagnostic.with_nearest(nearest(unknown, problem.candidates.iter().map(String::as_str))),
        None => diagnostic,
    }
}
