//! Rows as a test writes them, with the types of the asset that they are rows of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::compute::{CastOptions, cast_with_options, concat_batches};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use baton_connectors::{Contract, ContractColumn, DiscoverRequest, SchemaChange, connector, type_name};
use baton_core::time::parse_instant;
use baton_core::unit_test::{Cell, RowForm, RowObject, Rows, Spot};
use baton_diagnostics::nearest;
use baton_engine::{Engine, SessionInput};
use serde_json::Value;

use crate::error::RunError;

/// Rows with types: the columns that were written, and which cells of them.
#[derive(Debug, Clone)]
pub(super) struct TypedRows {
    /// The written columns in the order of first mention.
    pub(super) batch: RecordBatch,
    /// Which columns each row mentions; `None` when every row has all of them.
    pub(super) mentioned: Option<Vec<BTreeSet<String>>>,
}

/// What is wrong with written rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowProblem {
    pub(super) message: String,
    pub(super) label: String,
    pub(super) spot: Spot,
    /// The columns there are, when an unknown one was written.
    pub(super) candidates: Vec<String>,
    pub(super) nearest: Option<String>,
}

impl RowProblem {
    fn new(spot: Spot, message: impl Into<String>) -> Self {
        Self { message: message.into(), label: String::new(), spot, candidates: Vec::new(), nearest: None }
    }

    fn unknown_column(spot: Spot, column: &str, schema: &Schema) -> Self {
        let candidates: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let nearest = nearest(column, candidates.iter().map(String::as_str)).map(str::to_owned);
        Self { candidates, nearest, ..Self::new(spot, format!("there is no column `{column}`")) }
    }
}

/// Where rows that are not in the test itself come from.
#[derive(Clone, Copy)]
pub(super) struct RowSource<'a> {
    /// The project folder.
    pub(super) folder: &'a Path,
    /// Runs the queries of `sql`.
    pub(super) engine: &'a Engine,
}

/// Reads written rows as rows of `schema`; all that is wrong with them otherwise.
pub(super) async fn typed_rows(
    source: RowSource<'_>,
    rows: &Rows,
    schema: &SchemaRef,
) -> Result<TypedRows, Vec<RowProblem>> {
    match &rows.form {
        RowForm::Objects(objects) => of_objects(objects, schema),
        RowForm::Csv(text) => of_csv(text, rows.spot, schema),
        RowForm::File(path) => of_file(source, path, rows.spot, schema),
        RowForm::Sql(query) => of_query(source, query, rows.spot, schema).await,
    }
}

/// The batch with all columns of `schema` in its order; those that were not written are null.
pub(super) fn with_all_columns(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) => column.clone(),
        None => new_null_array(field.data_type(), batch.num_rows()),
    });
    let fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect();
    batch_of(fields, columns.collect(), batch.num_rows())
}

fn batch_of(
    fields: Vec<Field>,
    columns: Vec<ArrayRef>,
    n_rows: usize,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

fn of_objects(objects: &[RowObject], schema: &SchemaRef) -> Result<TypedRows, Vec<RowProblem>> {
    let mut problems = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for cell in objects.iter().flat_map(|object| &object.cells) {
        if schema.field_with_name(&cell.column).is_err() {
            problems.push(RowProblem::unknown_column(cell.column_spot, &cell.column, schema));
        } else if !names.contains(&cell.column.as_str()) {
            names.push(&cell.column);
        }
    }
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for name in names {
        let Ok(field) = schema.field_with_name(name) else { continue };
        let cells: Vec<Option<&Cell>> =
            objects.iter().map(|object| object.cells.iter().find(|cell| cell.column == *name)).collect();
        match column_of_cells(&cells, field) {
            Ok(column) => {
                fields.push(field.clone().with_nullable(true));
                columns.push(column);
            }
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mentioned = objects.iter().map(|object| object.cells.iter().map(|cell| cell.column.clone()).collect());
    let mentioned: Vec<BTreeSet<String>> = mentioned.collect();
    let is_full = mentioned.iter().all(|columns| columns.len() == fields.len());
    let batch = batch_of(fields, columns, objects.len())
        .map_err(|error| vec![RowProblem::new(Spot::default(), error.to_string())])?;
    Ok(TypedRows { batch, mentioned: (!is_full).then_some(mentioned) })
}

fn column_of_cells(cells: &[Option<&Cell>], field: &Field) -> Result<ArrayRef, Vec<RowProblem>> {
    let is_nested = cells.iter().flatten().any(|cell| matches!(cell.value, Value::Array(_) | Value::Object(_)));
    if is_nested || field.data_type().is_nested() {
        return nested_column(cells, field);
    }
    let texts: Vec<Option<String>> = cells.iter().map(|cell| cell.and_then(|cell| text_of(&cell.value))).collect();
    let (column, faults) = column_of_texts(&texts, field.data_type());
    if faults.is_empty() {
        return Ok(column);
    }
    let problem = |row: usize| {
        let spot = cells[row].map_or_else(Spot::default, |cell| cell.spot);
        does_not_fit(spot, texts[row].as_deref().unwrap_or_default(), field)
    };
    Err(faults.into_iter().map(problem).collect())
}

fn does_not_fit(spot: Spot, text: &str, field: &Field) -> RowProblem {
    let kind = type_name(field.data_type());
    let label = format!("expected {kind}");
    RowProblem { label, ..RowProblem::new(spot, format!("`{text}` is no value of column `{}` ({kind})", field.name())) }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Texts as values of a type, and the rows whose text is none.
fn column_of_texts(texts: &[Option<String>], data_type: &DataType) -> (ArrayRef, Vec<usize>) {
    let written: ArrayRef = match data_type {
        DataType::Timestamp(_, zone) => {
            Arc::new(texts.iter().map(|text| instant(text.as_ref()?, zone.is_some())).collect::<StringArray>())
        }
        _ => Arc::new(StringArray::from_iter(texts.iter().map(Option::as_deref))),
    };
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let column =
        cast_with_options(&written, data_type, &options).unwrap_or_else(|_| new_null_array(data_type, texts.len()));
    let faults = (0..texts.len()).filter(|row| texts[*row].is_some() && column.is_null(*row)).collect();
    (column, faults)
}

/// An instant in any of the forms that people write, in the one that casts know.
fn instant(text: &str, has_zone: bool) -> Option<String> {
    let instant = parse_instant(text)?;
    Some(instant.format(if has_zone { "%Y-%m-%dT%H:%M:%S%.fZ" } else { "%Y-%m-%dT%H:%M:%S%.f" }).to_string())
}

/// Lists and structs go through JSON, which has a form for them.
fn nested_column(cells: &[Option<&Cell>], field: &Field) -> Result<ArrayRef, Vec<RowProblem>> {
    let first = cells.iter().flatten().next().map_or_else(Spot::default, |cell| cell.spot);
    let problem = |reason: String| {
        vec![RowProblem::new(first, format!("the values of column `{}` cannot be read: {reason}", field.name()))]
    };
    let lines: Vec<BTreeMap<&str, &Value>> =
        cells.iter().map(|cell| cell.iter().map(|cell| (cell.column.as_str(), &cell.value)).collect()).collect();
    let schema = Arc::new(Schema::new(vec![field.clone().with_nullable(true)]));
    let mut decoder = arrow::json::ReaderBuilder::new(schema)
        .with_batch_size(lines.len().max(1))
        .build_decoder()
        .map_err(|error| problem(error.to_string()))?;
    decoder.serialize(&lines).map_err(|error| problem(error.to_string()))?;
    let batch = decoder.flush().map_err(|error| problem(error.to_string()))?;
    Ok(batch.map_or_else(|| new_null_array(field.data_type(), 0), |batch| batch.column(0).clone()))
}

fn of_csv(text: &str, spot: Spot, schema: &SchemaRef) -> Result<TypedRows, Vec<RowProblem>> {
    let broken =
        |error: arrow::error::ArrowError| vec![RowProblem::new(spot, format!("the CSV cannot be read: {error}"))];
    let format = arrow::csv::reader::Format::default().with_header(true);
    let (header, _) = format.infer_schema(text.as_bytes(), Some(0)).map_err(broken)?;
    let texts = header.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true));
    let texts = Arc::new(Schema::new(texts.collect::<Vec<_>>()));
    let reader =
        arrow::csv::ReaderBuilder::new(texts.clone()).with_header(true).build(text.as_bytes()).map_err(broken)?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(broken)?;
    let written = concat_batches(&texts, &batches).map_err(broken)?;
    converted(&written, spot, schema)
}

/// A batch whose columns are cast to those of the same names in `schema`.
fn converted(written: &RecordBatch, spot: Spot, schema: &SchemaRef) -> Result<TypedRows, Vec<RowProblem>> {
    let (mut fields, mut columns, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for (field, column) in written.schema().fields().iter().zip(written.columns()) {
        let Ok(wanted) = schema.field_with_name(field.name()) else {
            problems.push(RowProblem::unknown_column(spot, field.name(), schema));
            continue;
        };
        let (cast, fault) = cast_column(column, wanted.data_type());
        if let Some(row) = fault {
            let text = arrow::util::display::array_value_to_string(column, row).unwrap_or_default();
            let found = does_not_fit(spot, &text, wanted);
            problems.push(RowProblem { message: format!("row {}: {}", row + 1, found.message), ..found });
        }
        fields.push(wanted.clone().with_nullable(true));
        columns.push(cast);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let batch = batch_of(fields, columns, written.num_rows());
    let batch = batch.map_err(|error| vec![RowProblem::new(spot, error.to_string())])?;
    Ok(TypedRows { batch, mentioned: None })
}

/// A column in another type, and the first row whose value has none.
fn cast_column(column: &ArrayRef, data_type: &DataType) -> (ArrayRef, Option<usize>) {
    if let Some(texts) = column.as_string_opt::<i32>() {
        let texts: Vec<Option<String>> = texts.iter().map(|text| text.map(str::to_owned)).collect();
        let (cast, faults) = column_of_texts(&texts, data_type);
        return (cast, faults.first().copied());
    }
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let cast = cast_with_options(column, data_type, &options);
    let cast = cast.unwrap_or_else(|_| new_null_array(data_type, column.len()));
    let fault = (0..column.len()).find(|row| !column.is_null(*row) && cast.is_null(*row));
    (cast, fault)
}

/// The rows of a file, by the connector that lands files.
fn of_file(source: RowSource<'_>, path: &str, spot: Spot, schema: &SchemaRef) -> Result<TypedRows, Vec<RowProblem>> {
    let problem = |message: String| vec![RowProblem::new(spot, message)];
    let contract = Contract {
        columns: schema
            .fields()
            .iter()
            .map(|field| ContractColumn {
                name: field.name().clone(),
                data_type: field.data_type().clone(),
                nullable: true,
            })
            .collect(),
        ..Contract::default()
    };
    let files = connector("file").ok_or_else(|| problem("there is no connector `file`".to_owned()))?;
    let request =
        DiscoverRequest { root: source.folder.to_owned(), location: path.to_owned(), options: BTreeMap::new() };
    let units = files.discover(&request).map_err(|error| problem(error.to_string()))?;
    if units.is_empty() {
        return Err(problem(format!("there is no file `{path}` in the project")));
    }
    let (mut batches, mut absent) = (Vec::new(), BTreeSet::new());
    for unit in &units {
        let report = files.read(unit, &contract, &mut |batch| {
            batches.push(batch);
            Ok(())
        });
        let report = report.map_err(|error| problem(error.to_string()))?;
        let faults: Vec<RowProblem> =
            report.rejected.iter().map(|row| RowProblem::new(spot, format!("{path}: {row}"))).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        for change in report.schema_changes {
            match change {
                SchemaChange::Added { column, .. } => {
                    return Err(vec![RowProblem::unknown_column(spot, &column, schema)]);
                }
                SchemaChange::Removed { column, .. } => {
                    absent.insert(column);
                }
                SchemaChange::TypeChanged { .. } => {}
            }
        }
    }
    let written = batches.first().map_or_else(|| schema.clone(), RecordBatch::schema);
    let whole = concat_batches(&written, &batches).map_err(|error| problem(error.to_string()))?;
    let present: Vec<usize> =
        (0..written.fields().len()).filter(|index| !absent.contains(written.field(*index).name())).collect();
    let batch = whole.project(&present).map_err(|error| problem(error.to_string()))?;
    Ok(TypedRows { batch, mentioned: None })
}

async fn of_query(
    source: RowSource<'_>,
    query: &str,
    spot: Spot,
    schema: &SchemaRef,
) -> Result<TypedRows, Vec<RowProblem>> {
    let rows = async {
        let session = source.engine.session(SessionInput::default())?;
        let (found, batches) = session.query(query).await?;
        concat_batches(&found, &batches).map_err(RunError::rows("sql"))
    };
    let rows =
        rows.await.map_err(|error: RunError| vec![RowProblem::new(spot, format!("the query fails: {error}"))])?;
    converted(&rows, spot, schema)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::TimeUnit;
    use serde_json::json;

    use super::*;

    fn schema() -> SchemaRef {
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("at", instant, true),
            Field::new("day", DataType::Date32, true),
            Field::new("share", DataType::Float64, true),
            Field::new("is_late", DataType::Boolean, true),
            Field::new("tags", DataType::new_list(DataType::Utf8, true), true),
        ]))
    }

    fn row(line: u32, cells: &[(&str, Value)]) -> RowObject {
        let spot = Spot { line, column: 1, length: 1 };
        let cells = cells.iter().map(|(column, value)| Cell {
            column: (*column).to_owned(),
            column_spot: spot,
            value: value.clone(),
            spot,
        });
        RowObject { spot, cells: cells.collect() }
    }

    #[test]
    fn values_take_the_types_of_their_columns() {
        let rows = [
            row(1, &[("id", json!(1)), ("at", json!("2013-07-01 10:05")), ("tags", json!(["a", "b"]))]),
            row(2, &[("id", json!("2")), ("at", json!("2013-07-01T10:05:00+02:00")), ("share", json!(1))]),
            row(3, &[("day", json!("2013-07-01")), ("is_late", json!(true)), ("at", json!("2013-07-01"))]),
        ];
        let typed = of_objects(&rows, &schema()).unwrap();
        let text = arrow::util::pretty::pretty_format_batches(&[typed.batch]).unwrap().to_string();
        expect_test::expect![[r#"
            +----+----------------------+--------+-------+------------+---------+
            | id | at                   | tags   | share | day        | is_late |
            +----+----------------------+--------+-------+------------+---------+
            | 1  | 2013-07-01T10:05:00Z | [a, b] |       |            |         |
            | 2  | 2013-07-01T08:05:00Z |        | 1.0   |            |         |
            |    | 2013-07-01T00:00:00Z |        |       | 2013-07-01 | true    |
            +----+----------------------+--------+-------+------------+---------+"#]]
        .assert_eq(&text);
        assert!(typed.mentioned.is_some());
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let rows = [row(4, &[("id", json!("one")), ("shaer", json!(1))]), row(5, &[("id", json!(1.5))])];
        let problems = of_objects(&rows, &schema()).unwrap_err();
        let told: Vec<(u32, &str)> =
            problems.iter().map(|problem| (problem.spot.line, problem.message.as_str())).collect();
        let expected = [
            (4, "there is no column `shaer`"),
            (4, "`one` is no value of column `id` (int64)"),
            (5, "`1.5` is no value of column `id` (int64)"),
        ];
        assert_eq!(told, expected);
        assert_eq!(problems[0].nearest.as_deref(), Some("share"));
    }

    #[test]
    fn csv_has_a_header_and_empty_is_null() {
        let typed = of_csv("id,at,is_late\n1,2013-07-01T10:00,true\n2,,\n", Spot::default(), &schema()).unwrap();
        assert_eq!((typed.batch.num_rows(), typed.batch.num_columns()), (2, 3));
        assert_eq!((typed.batch.column(1).null_count(), typed.batch.column(2).null_count()), (1, 1));
        let problem = of_csv("id\nx\n", Spot::default(), &schema()).unwrap_err();
        assert_eq!(problem[0].message, "row 1: `x` is no value of column `id` (int64)");
    }
}
