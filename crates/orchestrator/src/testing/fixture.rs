//! A unit test made from live data: rows of a table, followed back to rows of its inputs.
//!
//! Rows of inputs are found by equal values: a column that the query hands on under its own name, and columns of the
//! same name that the query joins by. What is expected is what the steps make of the rows that were found, so the test
//! passes as it is written, whether or not a few rows are all that a row of the table was made from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use baton_core::asset::Origin;
use baton_core::unit_test::{Batch, Cell, Given, RowForm, RowObject, Rows, Spot, UnitTest};
use baton_core::{AssetName, Commit, Definition, Pin};
use baton_engine::{Analysis, SessionInput, TableInput, is_system_column};
use serde_json::Value;

use super::difference::{Comparison, difference};
use super::masking::Masks;
use super::rows::TypedRows;
use super::run::{TestBench, keys_of_table, rows_of_test};
use super::yaml::test_text;
use crate::checks::{quoted, rows_as_json};
use crate::commands::{head, known_asset};
use crate::error::RunError;
use crate::sessions::inputs_of;

/// How many rows of an input are taken for each row of the table.
const ROWS_EACH: usize = 4;

/// The name under which rows are joined with an input.
const FOUND: &str = "found rows";

/// Which rows to make a test of.
#[derive(Debug, Clone)]
pub struct FixtureOptions {
    /// The table.
    pub table: String,
    /// A SQL predicate over its rows.
    pub filter: Option<String>,
    /// At most so many of its rows.
    pub limit: usize,
    /// Whether values of tagged columns are written as they are.
    pub unmasked: bool,
}

/// A test that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixture {
    /// The file's text.
    pub text: String,
    /// What to know about it, a line each.
    pub notes: Vec<String>,
}

/// Makes a test of rows that `environment` has; `folder` is empty and thrown away after.
pub(crate) async fn fixture(
    bench: &TestBench<'_>,
    environment: &str,
    options: &FixtureOptions,
    folder: &Path,
) -> Result<Fixture, RunError> {
    let asset = known_asset(bench.prepared, environment, &options.table)?;
    let (Definition::Table(table), Some(analysis)) = (&asset.definition, bench.prepared.analyses.get(&asset.name))
    else {
        let message = format!("`{}` is a {}; a test can be made of tables", asset.name, asset.kind());
        return Err(RunError::Project(message));
    };
    let commit = head(bench.services, environment).await?;
    let finder = Finder { bench, commit: &commit, table: &asset.name, analysis, options };
    let sample = finder.sample().await?;
    let found = finder.inputs(&sample).await?;
    let mut masks = Masks::new(bench.prepared, options.unmasked);
    let mut given = Vec::new();
    for (input, rows) in &found {
        let rows = masks.rows(input, &rows.schema(), objects(rows)?);
        given.push(Given { input: input.clone(), spot: Spot::default(), load: None, rows: written(rows) });
    }
    let test = UnitTest {
        name: format!("{}_as_in_{environment}", asset.name).replace(['-', '.'], "_"),
        description: Some(describe(&sample, environment, options)),
        tags: Vec::new(),
        target: asset.name.clone(),
        target_spot: Spot::default(),
        as_of: Some(commit.as_of),
        vars: BTreeMap::new(),
        batches: vec![Batch { as_of: None, given, expect: None, spot: Spot::default() }],
        at: None,
        origin: Origin::default(),
    };
    let built = visible(&rows_of_test(bench, &test, folder).await?, &asset.name)?;
    let mut notes = masks.notes();
    notes.extend(reproduced(&sample, &built, &masks.masked_of(&asset.name), keys_of_table(table), environment)?);
    let mut cells = objects(&built)?;
    for row in &mut cells {
        for field in built.schema_ref().fields() {
            row.entry(field.name().clone()).or_insert(Value::Null);
        }
    }
    Ok(Fixture { text: test_text(&test, &schemas(&found), &built.schema(), &cells), notes })
}

fn describe(sample: &RecordBatch, environment: &str, options: &FixtureOptions) -> String {
    let rows = if sample.num_rows() == 1 { "1 row".to_owned() } else { format!("{} rows", sample.num_rows()) };
    match &options.filter {
        Some(filter) => format!("Made from {rows} of {environment} where {filter}"),
        None => format!("Made from {rows} of {environment}"),
    }
}

fn schemas(found: &BTreeMap<AssetName, RecordBatch>) -> BTreeMap<AssetName, SchemaRef> {
    found.iter().map(|(name, rows)| (name.clone(), rows.schema())).collect()
}

fn written(rows: Vec<serde_json::Map<String, Value>>) -> Rows {
    let cell =
        |(column, value): (String, Value)| Cell { column, column_spot: Spot::default(), value, spot: Spot::default() };
    let object = |row: serde_json::Map<String, Value>| RowObject {
        spot: Spot::default(),
        cells: row.into_iter().filter(|(_, value)| !value.is_null()).map(cell).collect(),
    };
    Rows { spot: Spot::default(), form: RowForm::Objects(rows.into_iter().map(object).collect()) }
}

fn objects(batch: &RecordBatch) -> Result<Vec<serde_json::Map<String, Value>>, RunError> {
    let rows = rows_as_json(std::slice::from_ref(batch)).map_err(RunError::rows("fixture"))?;
    Ok(rows
        .into_iter()
        .map(|row| match row {
            Value::Object(row) => row,
            _ => serde_json::Map::new(),
        })
        .collect())
}

fn visible(batch: &RecordBatch, name: &AssetName) -> Result<RecordBatch, RunError> {
    let schema = batch.schema();
    let columns: Vec<usize> =
        (0..schema.fields().len()).filter(|index| !is_system_column(schema.field(*index).name())).collect();
    batch.project(&columns).map_err(RunError::rows(name))
}

/// How many of the sampled rows come out of the fixture as they are in the environment.
fn reproduced(
    sample: &RecordBatch,
    built: &RecordBatch,
    masked: &BTreeSet<String>,
    keys: Vec<String>,
    environment: &str,
) -> Result<Option<String>, RunError> {
    let schema = sample.schema();
    let plain: Vec<usize> =
        (0..schema.fields().len()).filter(|index| !masked.contains(schema.field(*index).name())).collect();
    let batch = sample.project(&plain).map_err(RunError::rows("fixture"))?;
    let expected = TypedRows { batch, mentioned: None };
    let comparison = Comparison { keys, ..Comparison::default() };
    let found = difference(&expected, built, &comparison).map_err(RunError::rows("fixture"))?;
    let other = found.missing.len() + found.changed.len();
    Ok((other > 0).then(|| {
        format!(
            "{other} of {} rows come out otherwise than in {environment}: they are made from more rows than were taken",
            sample.num_rows()
        )
    }))
}

/// Rows of the input and found rows that have the same values in `columns`.
fn equal(columns: &[String]) -> String {
    let one = |column: &String| format!("(input.{name} is not distinct from rows.{name})", name = quoted(column));
    columns.iter().map(one).collect::<Vec<_>>().join(" and ")
}

/// Finds rows of inputs.
struct Finder<'a> {
    bench: &'a TestBench<'a>,
    commit: &'a Commit,
    table: &'a AssetName,
    analysis: &'a Analysis,
    options: &'a FixtureOptions,
}

impl Finder<'_> {
    async fn sample(&self) -> Result<RecordBatch, RunError> {
        let filter = self.options.filter.as_ref().map(|filter| format!(" where {filter}")).unwrap_or_default();
        let limit = self.options.limit;
        let query = format!("select * from {}{filter} order by {} limit {limit}", quoted(self.table), self.order());
        let sample = self.query(self.table, None, &query).await?;
        if sample.num_rows() == 0 {
            let message = format!("`{}` has no such rows in `{}`", self.table, self.commit.environment);
            return Err(RunError::Project(message));
        }
        Ok(sample)
    }

    /// By the first columns, so that the same rows are taken every time.
    fn order(&self) -> String {
        let sortable = self.analysis.schema.iter().filter(|(_, kind, _)| !kind.is_nested());
        let names: Vec<String> = sortable.map(|(name, ..)| quoted(name)).collect();
        if names.is_empty() { "1".to_owned() } else { names.join(", ") }
    }

    /// Rows of every input: first of those that the query hands columns on from, then of those that it joins with them.
    async fn inputs(&self, sample: &RecordBatch) -> Result<BTreeMap<AssetName, RecordBatch>, RunError> {
        let inputs: Vec<&AssetName> = self.bench.prepared.graph.inputs(self.table).collect();
        let mut order: Vec<(usize, &AssetName)> =
            inputs.into_iter().map(|input| (self.handed_on(input, sample).len(), input)).collect();
        order.sort_by_key(|(links, name)| (usize::MAX - links, (*name).clone()));
        let mut found: BTreeMap<AssetName, RecordBatch> = BTreeMap::new();
        for (_, input) in order {
            let joined = found.iter().map(|(other, rows)| (self.joined_by(input, other, rows), rows));
            let by_join = joined.max_by_key(|(columns, _)| columns.len()).filter(|(columns, _)| !columns.is_empty());
            let by_value = self.handed_on(input, sample);
            let rows = match by_join {
                Some((columns, rows)) => self.alike(input, &columns, rows).await?,
                None => {
                    let columns = self.held_by_all(input, by_value, sample).await?;
                    self.alike(input, &columns, sample).await?
                }
            };
            found.insert(input.clone(), rows);
        }
        Ok(found)
    }

    /// Columns of the input that the query hands on under their own names.
    fn handed_on(&self, input: &AssetName, sample: &RecordBatch) -> Vec<String> {
        let is_alone = |column: &&String| {
            let origin = self.analysis.column_lineage.get(*column);
            origin.is_some_and(|origin| *origin == BTreeSet::from([(input.to_string(), (*column).clone())]))
        };
        let names: Vec<String> = sample.schema().fields().iter().map(|field| field.name().clone()).collect();
        let alike = names.iter().filter(is_alone).filter(|name| self.same_type(input, name, &sample.schema()));
        alike.cloned().collect()
    }

    /// Of those columns the ones whose values the input has as well, for every row: a sum goes by the name of what it sums.
    /// Where that takes rows away from each other, only what decides which rows there are counts.
    async fn held_by_all(
        &self,
        input: &AssetName,
        columns: Vec<String>,
        sample: &RecordBatch,
    ) -> Result<Vec<String>, RunError> {
        let decides = |column: &&String| self.analysis.row_lineage.contains(&(input.to_string(), (*column).clone()));
        let deciding: Vec<String> = columns.iter().filter(decides).cloned().collect();
        for attempt in [columns, deciding] {
            if !attempt.is_empty() && self.n_held(input, &attempt, sample).await? == sample.num_rows() as u64 {
                return Ok(attempt);
            }
        }
        Ok(Vec::new())
    }

    /// How many of `rows` have a row of the input with the same values in `columns`.
    async fn n_held(&self, input: &AssetName, columns: &[String], rows: &RecordBatch) -> Result<u64, RunError> {
        let query = format!(
            "select rows.{} from {} as rows left semi join {} as input on {}",
            quoted(&columns[0]),
            quoted(FOUND),
            quoted(input),
            equal(columns)
        );
        Ok(self.query(input, Some(rows), &query).await?.num_rows() as u64)
    }

    /// Columns of the same name in the input and in another one by which the query decides which rows there are.
    fn joined_by(&self, input: &AssetName, other: &AssetName, rows: &RecordBatch) -> Vec<String> {
        let decides = &self.analysis.row_lineage;
        let of_input = decides.iter().filter(|(table, _)| table == input.as_str()).map(|(_, column)| column);
        let shared = of_input.filter(|column| decides.contains(&(other.to_string(), (*column).clone())));
        shared.filter(|column| self.same_type(input, column, &rows.schema())).cloned().collect()
    }

    fn same_type(&self, input: &AssetName, column: &str, schema: &SchemaRef) -> bool {
        let here = self.bench.prepared.schemas.get(input).and_then(|schema| schema.field_with_name(column).ok());
        let there = schema.field_with_name(column).ok();
        let (Some(here), Some(there)) = (here, there) else { return false };
        here.data_type() == there.data_type() && !here.data_type().is_nested()
    }

    /// Rows of the input that have the values of `rows` in `columns`; any rows when there is no such column.
    async fn alike(&self, input: &AssetName, columns: &[String], rows: &RecordBatch) -> Result<RecordBatch, RunError> {
        let limit = self.options.limit.saturating_mul(ROWS_EACH);
        let semi_join = match columns {
            [] => String::new(),
            columns => format!(" left semi join {} as rows on {}", quoted(FOUND), equal(columns)),
        };
        let first = self.bench.prepared.schemas.get(input).map(|schema| {
            let sortable = schema.fields().iter().filter(|field| !field.data_type().is_nested());
            sortable.map(|field| format!("input.{}", quoted(field.name()))).collect::<Vec<_>>().join(", ")
        });
        let order = first.filter(|order| !order.is_empty()).map(|order| format!(" order by {order}"));
        let query = format!(
            "select input.* from {} as input{semi_join}{} limit {limit}",
            quoted(input),
            order.unwrap_or_default()
        );
        self.query(input, Some(rows), &query).await
    }

    async fn query(&self, name: &AssetName, rows: Option<&RecordBatch>, query: &str) -> Result<RecordBatch, RunError> {
        let pins: &BTreeMap<AssetName, Pin> = &self.commit.assets;
        let mut tables = inputs_of(self.bench.services, pins, [name]).await?;
        if let Some(rows) = rows {
            let batches = TableInput::Batches { schema: rows.schema(), batches: vec![rows.clone()] };
            tables.insert(FOUND.to_owned(), batches);
        }
        let session = self.bench.services.engine.session(SessionInput { tables, as_of: Some(self.commit.as_of) })?;
        let (schema, batches) = session.query(query).await?;
        concat_batches(&schema, &batches).map_err(RunError::rows(name))
    }
}
