//! The scene of a test: what it builds, what is landed for it, and the parts that only it works with.
//!
//! Given inputs stand there as sources whose rows are landed already; what lies between them and the tested asset keeps
//! its definition and is built by the ordinary steps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use baton_core::asset::{AvailableAt, Load, Materialize, OnSchemaChange, Source};
use baton_core::ports::{MemoryLedger, MemoryOnlineStore, MemoryOperations, NoSpans};
use baton_core::unit_test::UnitTest;
use baton_core::{Asset, AssetName, Definition, Graph, IntervalSet, Kind, Pin, TableVersion, Timestamp, Version};
use baton_engine::{AVAILABLE_AT, Engine, SessionInput, TableInput};
use baton_lake::{Change, CommitInfo, Lake, TableLocation};
use baton_project::Project;
use serde_json::json;

use super::rows::with_all_columns;
use crate::error::RunError;
use crate::extent::newest_in;
use crate::prepare::{Prepared, source_identity};
use crate::services::{Asked, Services, Silent};
use crate::steps::known_at;
use crate::tracked::NoTracking;
use crate::write::{Pass, Place};

/// What a test builds, and what is landed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// Tables that are built, inputs before readers.
    pub(super) built: Vec<AssetName>,
    /// Inputs whose rows are given or that stay empty.
    pub(super) landed: BTreeSet<AssetName>,
}

/// The layout of a test of `table`: everything between the given inputs and it is built.
pub(super) fn layout(graph: &Graph, order: &[AssetName], table: &AssetName, given: &BTreeSet<AssetName>) -> Layout {
    let (mut built, mut landed) = (BTreeSet::new(), BTreeSet::new());
    let mut waiting = vec![table.clone()];
    while let Some(name) = waiting.pop() {
        let has_given = graph.upstream(&name).iter().any(|input| given.contains(input));
        if given.contains(&name) || (name != *table && !has_given) {
            landed.insert(name);
        } else if built.insert(name.clone()) {
            waiting.extend(graph.inputs(&name).cloned());
        }
    }
    Layout { built: order.iter().filter(|name| built.contains(*name)).cloned().collect(), landed }
}

/// The parts of one test: those of the process with a lake and a ledger of its own.
pub(super) fn parts(services: &Services, engine: &Engine, folder: &Path) -> Result<Services, RunError> {
    Ok(Services {
        folder: folder.to_owned(),
        lake: Lake::open(&folder.join("warehouse"))?,
        ledger: Arc::new(MemoryLedger::new()),
        operations: Arc::new(MemoryOperations::new()),
        asked: Asked::default(),
        online: Arc::new(MemoryOnlineStore::new()),
        engine: engine.clone(),
        clock: Arc::clone(&services.clock),
        progress: Arc::new(Silent),
        spans: Arc::new(NoSpans),
        parent_span: None,
        python: Arc::clone(&services.python),
        models: services.models.clone(),
        registered: Arc::clone(&services.registered),
        tracking: Arc::new(NoTracking),
        load_tester: Arc::clone(&services.load_tester),
        variables: Arc::clone(&services.variables),
        author: services.author.clone(),
        git_revision: None,
    })
}

/// The project of a test: landed inputs as sources, built tables without checks.
pub(super) fn project(whole: &Project, layout: &Layout) -> Project {
    let mut project = Project::default();
    project.name.clone_from(&whole.name);
    let names = layout.built.iter().chain(&layout.landed);
    let assets = names.filter_map(|name| Some((name, whole.assets.get(name)?)));
    for (name, asset) in assets {
        let mut asset = Asset { checks: Vec::new(), ..asset.clone() };
        if layout.landed.contains(name) {
            asset.definition = Definition::Source(as_source(&asset.definition));
        }
        project.assets.insert(name.clone(), asset);
    }
    project
}

fn as_source(definition: &Definition) -> Source {
    match definition {
        Definition::Source(source) => Source { freshness: None, ..source.clone() },
        _ => Source {
            connector: "file".to_owned(),
            path: String::new(),
            load: Load::Append,
            // How far back a table changes is told by its run; see `TestRun::moved`.
            time: None,
            available_at: AvailableAt::Arrival,
            freshness: None,
            columns: Vec::new(),
            select: Vec::new(),
            on_schema_change: OnSchemaChange::Evolve,
            null_values: Vec::new(),
            options: serde_json::Map::new(),
            pull: None,
        },
    }
}

/// How the rows of an input meet those of earlier batches: as the input itself is kept.
pub(super) fn default_load(definition: &Definition) -> Load {
    match definition {
        Definition::Source(source) => match source.load {
            Load::Replace => Load::Replace,
            // What a test gives has no position and no operations: its rows come to those before.
            Load::Append | Load::Merge | Load::Cdc => Load::Append,
        },
        Definition::Table(table) if matches!(table.materialize, Materialize::Table | Materialize::View) => {
            Load::Replace
        }
        _ => Load::Append,
    }
}

/// The columns of an input that rows can be given for: its own, and when a row became known.
pub(super) fn given_schema(visible: &SchemaRef) -> SchemaRef {
    let known = Field::new(AVAILABLE_AT, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true);
    let fields = visible.fields().iter().cloned().chain([Arc::new(known)]);
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Rows that arrive at an input.
pub(super) struct Arrival<'a> {
    pub(super) asset: &'a AssetName,
    /// The input as declared in the project.
    pub(super) declared: &'a Definition,
    /// Rows of [`given_schema`], as far as they were written.
    pub(super) rows: RecordBatch,
    pub(super) load: Load,
    /// When they arrive; `None` when that does not matter.
    pub(super) at: Option<Timestamp>,
}

/// Lands rows: a version of the input that holds them, after `previous` or in its place.
pub(super) async fn land(
    services: &Services,
    arrival: &Arrival<'_>,
    schema: &SchemaRef,
    previous: Option<&TableVersion>,
    now: Timestamp,
) -> Result<Pin, RunError> {
    let asset = arrival.asset;
    let identity = source_identity(&as_source(arrival.declared));
    let location = TableLocation::new(asset.as_str(), identity.as_str())?;
    let rows = stamped(&services.engine, arrival, schema).await?;
    let base = previous.filter(|_| arrival.load == Load::Append).map(|table| table.version);
    let place = Place { location: &location, base, checks: &[] };
    let mut pass = Pass::new(services, place, &rows.schema())?;
    pass.write(&rows).await?;
    let files = pass.finish(now).await?.files;
    let change = if base.is_some() { Change::Append(files) } else { Change::Replace(files) };
    let info = CommitInfo { operation: "WRITE".to_owned(), at: now, metadata: json!({}) };
    let version = services.lake.commit(&location, &rows.schema(), base, change, &info).await?;
    let snapshot = services.lake.snapshot(&version).await?;
    Ok(Pin {
        kind: Kind::Source,
        fingerprint: identity,
        metadata: None,
        definition: None,
        columns: BTreeMap::new(),
        tagged: BTreeMap::new(),
        version: Version::Table(version),
        intervals: IntervalSet::default(),
        rows: Some(snapshot.rows()),
        digest: Some(snapshot.digest().to_string()),
        known_through: newest_in(snapshot.files(), AVAILABLE_AT),
        declared: None,
        inputs: BTreeMap::new(),
    })
}

/// The rows with all columns, and since when each is known: as written, else as the source says, else since its arrival.
async fn stamped(engine: &Engine, arrival: &Arrival<'_>, schema: &SchemaRef) -> Result<RecordBatch, RunError> {
    let failed = || RunError::rows(arrival.asset);
    let written = with_all_columns(&arrival.rows, &given_schema(schema)).map_err(failed())?;
    let Definition::Source(source) = arrival.declared else { return Ok(written) };
    if arrival.rows.column_by_name(AVAILABLE_AT).is_some() || written.num_rows() == 0 {
        return Ok(written);
    }
    let visible = with_all_columns(&arrival.rows, schema).map_err(failed())?;
    let known = known_at(source, arrival.at.map(|at| at.timestamp_micros()));
    let query = format!("select *, {known} as {AVAILABLE_AT} from delivery");
    let batches = TableInput::Batches { schema: visible.schema(), batches: vec![visible] };
    let session = engine.session(SessionInput { tables: [("delivery".to_owned(), batches)].into(), as_of: None })?;
    let (found, rows) = session.query(&query).await?;
    arrow::compute::concat_batches(&found, &rows).map_err(failed())
}

/// The inputs that a test gives rows to.
pub(super) fn given_inputs(test: &UnitTest) -> BTreeSet<AssetName> {
    test.batches.iter().flat_map(|batch| &batch.given).map(|given| given.input.clone()).collect()
}

/// The schema of an input in the project.
pub(super) fn schema_of(prepared: &Prepared, name: &AssetName) -> SchemaRef {
    prepared.schemas.get(name).cloned().unwrap_or_else(|| Arc::new(Schema::empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<AssetName> {
        names.iter().map(|name| AssetName::parse(name).unwrap()).collect()
    }

    fn graph(edges: &[(&str, &[&str])]) -> (Graph, Vec<AssetName>) {
        let mut graph = Graph::new();
        for (asset, reads) in edges {
            graph.insert(AssetName::parse(asset).unwrap(), names(reads));
        }
        let order = graph.topological_order().unwrap();
        (graph, order)
    }

    #[test]
    fn what_lies_between_given_and_tested_is_built() {
        let edges: [(&str, &[&str]); 6] = [
            ("schedule", &[]),
            ("planes", &[]),
            ("scheduled", &["schedule", "planes"]),
            ("departures", &[]),
            ("flights", &["scheduled", "departures"]),
            ("outcomes", &["flights"]),
        ];
        let (graph, order) = graph(&edges);
        let table = &names(&["outcomes"])[0];
        let of = |given: &[&str]| layout(&graph, &order, table, &names(given).into_iter().collect());
        let far = of(&["schedule", "departures"]);
        assert_eq!(far.built, names(&["scheduled", "flights", "outcomes"]));
        assert_eq!(far.landed, names(&["departures", "planes", "schedule"]).into_iter().collect());
        let near = of(&["flights"]);
        assert_eq!((near.built, near.landed), (names(&["outcomes"]), names(&["flights"]).into_iter().collect()));
        let mixed = of(&["scheduled"]);
        assert_eq!(mixed.landed, names(&["departures", "scheduled"]).into_iter().collect());
    }
}
