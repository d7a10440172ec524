//! Running a test: batch by batch through the steps of a real run, and what came of it held to what was expected.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use baton_core::asset::{FeatureView, Materialize};
use baton_core::interval::MICROS_PER_SECOND;
use baton_core::time::timestamp_from_micros;
use baton_core::unit_test::{Batch, Expectation, Rows, UnitTest};
use baton_core::{AssetName, Commit, CommitId, Definition, Pin, Timestamp};
use baton_diagnostics::has_errors;
use baton_engine::Engine;
use baton_engine::table::visible_schema;
use baton_plan::Stage;
use baton_project::Project;

use super::difference::{Comparison, RowDifference, difference};
use super::report::{BatchDifference, TestReport};
use super::rows::{RowProblem, RowSource, TypedRows, typed_rows};
use super::scene::{
    Arrival, Layout, default_load, given_inputs, given_schema, land, layout, parts, project, schema_of,
};
use super::validate::told;
use crate::checks::quoted;
use crate::error::RunError;
use crate::execution::Execution;
use crate::extent::oldest_in;
use crate::features::{FeatureTable, PREDICTED_AT, feature_columns, join_features};
use crate::prepare::{Prepared, prepare};
use crate::report::StepState;
use crate::services::Services;
use crate::sessions::{inputs_of, session_of};

/// The environment that a test works on; nobody else sees it.
const ENVIRONMENT: &str = "test";

/// The clock of tests that name none: late enough for everything that is given. 2100-01-01.
const DEFAULT_CLOCK: i64 = 4_102_444_800 * MICROS_PER_SECOND;

/// The column of rows under `at` that says when a feature view is asked.
pub(super) const ASKED_AT: &str = "time";

/// What tests are run with.
pub(crate) struct TestBench<'a> {
    pub(crate) services: &'a Services,
    pub(crate) prepared: &'a Prepared,
    /// One thread: tests are small and run side by side.
    pub(crate) engine: Engine,
}

/// Runs one test in `folder`, which is empty and its own.
pub(crate) async fn run_test(bench: &TestBench<'_>, test: &UnitTest, folder: &Path) -> TestReport {
    let began = Instant::now();
    let outcome = run_batches(bench, test, folder).await;
    let (differences, error) = match outcome {
        Ok(differences) => (differences, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    TestReport {
        name: test.name.clone(),
        target: test.target.clone(),
        origin: test.origin.clone(),
        passed: differences.is_empty() && error.is_none(),
        seconds: began.elapsed().as_secs_f64(),
        error,
        differences,
    }
}

async fn run_batches(bench: &TestBench<'_>, test: &UnitTest, folder: &Path) -> Result<Vec<BatchDifference>, RunError> {
    let mut run = TestRun::begin(bench, test, folder)?;
    let mut differences = Vec::new();
    for (index, batch) in test.batches.iter().enumerate() {
        let pins = run.step(batch).await?;
        let Some(expectation) = &batch.expect else { continue };
        let rows = run.judge(expectation, &pins).await?;
        if !rows.is_empty() {
            differences.push(BatchDifference { batch: index + 1, of: test.batches.len(), rows });
        }
    }
    Ok(differences)
}

/// The rows of a test's table after its last batch, with system columns.
pub(super) async fn rows_of_test(
    bench: &TestBench<'_>,
    test: &UnitTest,
    folder: &Path,
) -> Result<RecordBatch, RunError> {
    let mut run = TestRun::begin(bench, test, folder)?;
    let mut pins = BTreeMap::new();
    for batch in &test.batches {
        pins = run.step(batch).await?;
    }
    run.table_rows(&pins).await
}

/// A test in progress.
struct TestRun<'a> {
    bench: &'a TestBench<'a>,
    test: &'a UnitTest,
    services: Services,
    layout: Layout,
    /// The table that is built last: the tested one, or that behind the tested feature view.
    table: AssetName,
    project: Project,
    /// Known once the first rows are landed.
    prepared: Option<Prepared>,
    inputs: BTreeMap<AssetName, Pin>,
    as_of: Timestamp,
}

impl<'a> TestRun<'a> {
    fn begin(bench: &'a TestBench<'a>, test: &'a UnitTest, folder: &Path) -> Result<Self, RunError> {
        let whole = with_vars(&bench.prepared.project, test)?;
        let definition = whole.assets.get(&test.target).map(|asset| &asset.definition);
        let table = match definition {
            Some(Definition::FeatureView(view)) => view.from.clone(),
            _ => test.target.clone(),
        };
        let layout = layout(&bench.prepared.graph, &bench.prepared.desired.order, &table, &given_inputs(test));
        Ok(Self {
            bench,
            test,
            services: parts(bench.services, &bench.engine, folder)?,
            project: project(&whole, &layout),
            layout,
            table,
            prepared: None,
            inputs: BTreeMap::new(),
            as_of: test.as_of.unwrap_or_else(|| timestamp_from_micros(DEFAULT_CLOCK)),
        })
    }

    /// Lands what a batch gives and runs; what the environment holds then.
    async fn step(&mut self, batch: &Batch) -> Result<BTreeMap<AssetName, Pin>, RunError> {
        let before = self.as_of;
        self.as_of = batch.as_of.or(self.test.as_of).unwrap_or(self.as_of);
        let is_first = self.inputs.is_empty();
        let mut moved = BTreeMap::new();
        for name in self.layout.landed.clone() {
            let found = self.arrive(&name, batch, is_first, before).await?;
            moved.extend(found.map(|instant| (name, instant)));
        }
        let prepared = match self.prepared.take() {
            Some(prepared) => prepared,
            None => self.prepare().await?,
        };
        let mut execution = Execution::begin(&self.services, &prepared, ENVIRONMENT, self.as_of, "test").await?;
        execution.working.extend(self.inputs.clone());
        execution.moved_from.extend(moved);
        let stages = self.layout.built.iter().map(|asset| Stage::Build { asset: asset.clone() });
        let stages: Vec<Stage> = stages.chain([Stage::Publish]).collect();
        let report = execution.execute(&stages).await?;
        if let Some(failed) = report.steps.iter().find(|step| step.state == StepState::Failed) {
            return Err(RunError::Project(format!("`{}` cannot be built: {}", failed.asset, failed.detail)));
        }
        self.prepared = Some(prepared);
        let head = self.services.ledger.head(ENVIRONMENT).await?;
        Ok(head.map(|commit| commit.assets).unwrap_or_default())
    }

    /// Lands what a batch gives to one input. Answers with the oldest instant that changed, where the run of a table
    /// would have told its readers.
    async fn arrive(
        &mut self,
        name: &AssetName,
        batch: &Batch,
        is_first: bool,
        before: Timestamp,
    ) -> Result<Option<i64>, RunError> {
        let given = batch.given.iter().find(|given| given.input == *name);
        let Some(declared) = self.bench.prepared.project.assets.get(name).map(|asset| &asset.definition) else {
            return Ok(None);
        };
        if given.is_none() && !is_first {
            return Ok(None);
        }
        let schema = schema_of(self.bench.prepared, name);
        let rows = match given {
            Some(given) => self.typed(&given.rows, &given_schema(&schema)).await?.batch,
            None => RecordBatch::new_empty(given_schema(&schema)),
        };
        let load = given.and_then(|given| given.load).unwrap_or_else(|| default_load(declared));
        let at = batch.as_of.or(self.test.as_of);
        let previous = self.inputs.get(name).and_then(|pin| pin.version.table()).cloned();
        let arrival = Arrival { asset: name, declared, rows, load, at };
        let pin = land(&self.services, &arrival, &schema, previous.as_ref(), self.as_of).await?;
        let moved = match previous {
            Some(previous) => self.moved(declared, &previous, &pin, before).await?,
            None => None,
        };
        self.inputs.insert(name.clone(), pin);
        Ok(moved)
    }

    /// The oldest instant at which a given table changed, if its own run would not have reached back so far.
    async fn moved(
        &self,
        declared: &Definition,
        previous: &baton_core::TableVersion,
        now: &Pin,
        before: Timestamp,
    ) -> Result<Option<i64>, RunError> {
        let (Definition::Table(table), Some(version)) = (declared, now.version.table()) else { return Ok(None) };
        let Some(time) = &table.time else { return Ok(None) };
        let (old, new) = (self.services.lake.snapshot(previous).await?, self.services.lake.snapshot(version).await?);
        let came = new.files().iter().filter(|file| !old.files().iter().any(|known| known.name == file.name));
        let oldest = oldest_in(came, time);
        let batch = table.batch.max(1) * MICROS_PER_SECOND;
        let done = before.timestamp_micros().div_euclid(batch) * batch - table.lookback * MICROS_PER_SECOND;
        let reach = if table.materialize == Materialize::Incremental { done } else { i64::MAX };
        Ok(oldest.filter(|oldest| *oldest < reach))
    }

    /// Commits the landed inputs, so that they can be resolved, and resolves the tables over them.
    async fn prepare(&self) -> Result<Prepared, RunError> {
        let commit = Commit {
            id: CommitId(String::new()),
            parent: None,
            merged: None,
            environment: ENVIRONMENT.to_owned(),
            created_at: self.services.clock.now(),
            as_of: self.as_of,
            author: self.services.author.clone(),
            reason: "given".to_owned(),
            git_revision: None,
            assets: self.inputs.clone(),
        };
        self.services.ledger.commit(&commit.sealed(), Vec::new()).await?;
        let (prepared, found) = prepare(&self.services, self.project.clone(), ENVIRONMENT, self.as_of).await?;
        let messages = || found.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; ");
        prepared.ok_or_else(|| RunError::Project(messages()))
    }

    async fn typed(&self, rows: &Rows, schema: &SchemaRef) -> Result<TypedRows, RunError> {
        let source = RowSource { folder: &self.bench.services.folder, engine: &self.bench.engine };
        let problem = |problems: Vec<RowProblem>| RunError::Project(told(&self.test.origin.file, &problems));
        typed_rows(source, rows, schema).await.map_err(problem)
    }

    async fn judge(
        &self,
        expectation: &Expectation,
        pins: &BTreeMap<AssetName, Pin>,
    ) -> Result<RowDifference, RunError> {
        let definition = self.bench.prepared.project.assets.get(&self.test.target).map(|asset| &asset.definition);
        let (actual, keys) = match (definition, &self.test.at) {
            (Some(Definition::FeatureView(view)), Some(at)) => {
                (self.features(view, at, pins).await?, keys_of_view(view))
            }
            (Some(Definition::Table(table)), _) => (self.table_rows(pins).await?, keys_of_table(table)),
            _ => {
                return Err(RunError::Project(format!("`{}` is neither a table nor a feature view", self.test.target)));
            }
        };
        let mut expected = self.typed(&expectation.rows, &actual.schema()).await?;
        if expected.batch.num_rows() == 0 && expected.batch.num_columns() == 0 {
            // No rows name no columns: what is there all the same is shown whole.
            expected.batch = RecordBatch::new_empty(visible_schema(&actual.schema()));
        }
        let comparison = Comparison { keys, ordered: expectation.ordered, tolerance: expectation.tolerance };
        difference(&expected, &actual, &comparison).map_err(RunError::rows(&self.test.target))
    }

    /// The tested table as readers see it at the clock, with when each row became known.
    async fn table_rows(&self, pins: &BTreeMap<AssetName, Pin>) -> Result<RecordBatch, RunError> {
        let session = session_of(&self.services, pins, [&self.table], Some(self.as_of)).await?;
        let (schema, batches) = session.query(&format!("select * from system.{}", quoted(&self.table))).await?;
        concat_batches(&schema, &batches).map_err(RunError::rows(&self.table))
    }

    /// The features as known at each asked instant, under their own names.
    async fn features(
        &self,
        view: &FeatureView,
        at: &Rows,
        pins: &BTreeMap<AssetName, Pin>,
    ) -> Result<RecordBatch, RunError> {
        let schema = schema_of(self.bench.prepared, &view.from);
        let asked = self.typed(at, &asked_schema(view, &schema)).await?.batch;
        let asked = super::rows::with_all_columns(&asked, &asked_schema(view, &schema));
        let asked = asked.map_err(RunError::rows(&self.test.target))?;
        let renamed = rename(&asked, |name| if name == ASKED_AT { PREDICTED_AT.to_owned() } else { name.to_owned() });
        let features = FeatureTable {
            view: self.test.target.clone(),
            from: view.from.clone(),
            tables: inputs_of(&self.services, pins, [&view.from]).await?,
            entity: view.entity.clone(),
            time: view.time.clone(),
            ttl: view.ttl,
            features: feature_columns(view, &schema),
        };
        let names: BTreeMap<String, String> =
            features.feature_names().into_iter().zip(features.features.iter().cloned()).collect();
        let rows = (renamed.schema(), vec![renamed]);
        let joined = join_features(&self.services, rows, &[features], self.as_of).await?;
        let plain = |name: &str| match names.get(name) {
            Some(feature) => feature.clone(),
            None if name == PREDICTED_AT => ASKED_AT.to_owned(),
            None => name.to_owned(),
        };
        Ok(rename(&joined, plain))
    }
}

/// The columns of the rows that a feature view is asked with: entity and time.
pub(super) fn asked_schema(view: &FeatureView, table: &SchemaRef) -> SchemaRef {
    let keys = view.entity.iter().filter_map(|key| table.field_with_name(key).ok().cloned());
    let time = Field::new(ASKED_AT, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false);
    std::sync::Arc::new(Schema::new(keys.chain([time]).collect::<Vec<_>>()))
}

/// The columns that an expectation of a feature view can name: entity, time and features.
pub(super) fn answer_schema(view: &FeatureView, table: &SchemaRef) -> SchemaRef {
    let features = feature_columns(view, table);
    let features = features.iter().filter_map(|name| table.field_with_name(name).ok().cloned());
    let asked = asked_schema(view, table);
    let fields = asked.fields().iter().map(|field| field.as_ref().clone()).chain(features);
    std::sync::Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn keys_of_view(view: &FeatureView) -> Vec<String> {
    view.entity.iter().cloned().chain([ASKED_AT.to_owned()]).collect()
}

/// What identifies a row: the grain, and for tables that keep states of a key since when a state is there.
pub(super) fn keys_of_table(table: &baton_core::asset::Table) -> Vec<String> {
    if table.grain.is_empty() {
        return Vec::new();
    }
    let added = table.materialize.added_columns().first();
    table.grain.iter().cloned().chain(added.map(|column| (*column).to_owned())).collect()
}

fn rename(batch: &RecordBatch, name: impl Fn(&str) -> String) -> RecordBatch {
    let schema = batch.schema();
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_name(name(field.name())));
    let renamed = std::sync::Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(renamed.clone(), batch.columns().to_vec()).unwrap_or_else(|_| RecordBatch::new_empty(renamed))
}

/// The project as it is under the test's variables.
fn with_vars<'p>(project: &'p Project, test: &UnitTest) -> Result<Cow<'p, Project>, RunError> {
    if test.vars.is_empty() {
        return Ok(Cow::Borrowed(project));
    }
    let (project, found) = project.with_vars(&test.vars);
    if has_errors(&found) {
        return Err(RunError::Project(project.render(&found, false)));
    }
    Ok(Cow::Owned(project))
}
