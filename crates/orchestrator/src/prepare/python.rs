//! What a Python table reads and yields, as it says itself: nothing is run.
//!
//! Nobody can tell from outside which columns a function makes of which, so each returned column comes from all that is
//! read, unless the table declares where it comes from. What is declared counts for lineage alone: the fingerprint takes
//! in everything that is read, so that a wrong declaration cannot keep old rows.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use baton_core::asset::{Materialize, Parameter, Python, Table};
use baton_core::{Asset, AssetName, Definition, Fingerprint};
use baton_diagnostics::{Diagnostic, codes};
use baton_engine::fingerprint::Upstream;
use baton_engine::{Analysis, ProblemKind, SqlProblem, TableFingerprints};
use baton_project::Project;
use serde_json::json;

use super::diagnose::at;
use crate::python::PythonError;
use crate::services::Services;
use crate::steps::arrow_type;

type TableColumn = (String, String);

/// A warning when Python tables cannot be computed here. They can be planned, so it is no error before they are.
pub(super) fn missing(services: &Services, project: &Project) -> Option<Diagnostic> {
    let is_python = |asset: &&Asset| matches!(&asset.definition, Definition::Table(table) if table.python.is_some());
    let first = project.assets.values().find(is_python)?;
    let PythonError::NoInterpreter { reason, help } = services.python.interpreter().err()? else { return None };
    Some(at(Some(first), Diagnostic::warning(codes::PYTHON_MISSING, reason)).with_help(help))
}

/// A table's fingerprints and columns, from what is known of its inputs.
pub(super) fn resolved(
    name: &AssetName,
    table: &Table,
    python: &Python,
    upstream: &BTreeMap<String, Upstream>,
) -> Result<(TableFingerprints, Analysis), Vec<SqlProblem>> {
    let mut problems = Vec::new();
    if python.parameters.iter().any(|parameter| parameter.input == *name) {
        let message = format!("`{name}` reads itself: a table cannot be its own input");
        return Err(vec![SqlProblem::somewhere(message)]);
    }
    let mut read: BTreeSet<TableColumn> = BTreeSet::new();
    for parameter in &python.parameters {
        read.extend(columns_read(parameter, upstream, &mut problems));
    }
    let column_lineage = lineage(table, python, upstream, &read, &mut problems);
    check_known(table, python, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let fields =
        table.columns.iter().filter_map(|column| Some((column.name.clone(), arrow_type(column.data_type?), true)));
    let schema: Vec<(String, DataType, bool)> = fields.collect();
    let rows = rows_fingerprint(table, python, &read, upstream);
    let column = |(name, kind, _): &(String, DataType, bool)| {
        let print = Fingerprint::of([rows.as_str(), name, &kind.to_string()]);
        (name.clone(), print)
    };
    let fingerprints = TableFingerprints { columns: schema.iter().map(column).collect(), rows };
    let reads = python.parameters.iter().map(|parameter| parameter.input.to_string()).collect();
    let analysis = Analysis { schema, column_lineage, row_lineage: read, reads, reads_clock: python.reads_clock };
    Ok((fingerprints, analysis))
}

/// The columns of an input that are handed over or decide which rows are.
fn columns_read(
    parameter: &Parameter,
    upstream: &BTreeMap<String, Upstream>,
    problems: &mut Vec<SqlProblem>,
) -> Vec<TableColumn> {
    let input = parameter.input.to_string();
    let Some(known) = upstream.get(&input) else { return Vec::new() };
    let names: Vec<String> = known.schema.fields().iter().map(|field| field.name().clone()).collect();
    for column in parameter.columns.iter().filter(|column| !names.contains(column)) {
        let message = format!("`reads` names column `{column}`, which `{input}` does not have");
        problems.push(unknown_column(parameter, message, column, &names));
    }
    let columns = if parameter.columns.is_empty() { names } else { parameter.columns.clone() };
    let time = parameter.time.iter().filter(|_| !parameter.whole).cloned();
    columns.into_iter().chain(time).map(|column| (input.clone(), column)).collect()
}

fn unknown_column(parameter: &Parameter, message: String, column: &str, names: &[String]) -> SqlProblem {
    let spot = parameter.spot;
    SqlProblem {
        kind: ProblemKind::UnknownColumn,
        line: spot.line as usize,
        column: spot.column as usize,
        length: spot.length as usize,
        unknown_name: Some(column.to_owned()),
        candidates: names.to_vec(),
        ..SqlProblem::somewhere(message)
    }
}

/// By returned column, what it comes from: as declared, else all that is read.
fn lineage(
    table: &Table,
    python: &Python,
    upstream: &BTreeMap<String, Upstream>,
    read: &BTreeSet<TableColumn>,
    problems: &mut Vec<SqlProblem>,
) -> BTreeMap<String, BTreeSet<TableColumn>> {
    for (column, from) in &python.lineage {
        if !table.columns.iter().any(|known| known.name == *column) {
            problems
                .push(SqlProblem::somewhere(format!("`lineage` names `{column}`, which is no column of the table")));
        }
        for text in from {
            let (input, field) = text.split_once('.').unwrap_or((text, ""));
            let Some(parameter) = python.parameters.iter().find(|known| known.input.as_str() == input) else {
                continue;
            };
            let names: Vec<String> = upstream
                .get(input)
                .map(|known| known.schema.fields().iter().map(|field| field.name().clone()).collect())
                .unwrap_or_default();
            if !names.iter().any(|name| name == field) {
                let message = format!("`lineage` of `{column}` names `{text}`, which is no column of `{input}`");
                problems.push(unknown_column(parameter, message, field, &names));
            }
        }
    }
    let pair = |text: &String| text.split_once('.').map(|(input, column)| (input.to_owned(), column.to_owned()));
    let of = |column: &String| match python.lineage.get(column) {
        Some(from) => from.iter().filter_map(pair).collect(),
        None => read.clone(),
    };
    table.columns.iter().map(|column| (column.name.clone(), of(&column.name))).collect()
}

/// The column that says since when rows are known holds instants.
fn check_known(table: &Table, python: &Python, problems: &mut Vec<SqlProblem>) {
    let Some(known) = &python.available_at else { return };
    let declared = table.columns.iter().find(|column| column.name == *known).map(|column| column.data_type);
    let message = match declared {
        None => format!("`available_at` names `{known}`, which is no column of the table"),
        Some(kind) if kind.map(arrow_type).is_some_and(|kind| !matches!(kind, DataType::Timestamp(..))) => {
            format!("`available_at` names `{known}`, which is no timestamp")
        }
        Some(_) => return,
    };
    problems.push(SqlProblem::somewhere(message));
}

/// What decides the rows: code, environment, what is handed over and what is promised, and all columns that are read.
fn rows_fingerprint(
    table: &Table,
    python: &Python,
    read: &BTreeSet<TableColumn>,
    upstream: &BTreeMap<String, Upstream>,
) -> Fingerprint {
    let returned: Vec<_> = table.columns.iter().map(|column| (&column.name, column.data_type)).collect();
    let batch = (table.materialize == Materialize::Incremental).then_some(table.batch);
    let said = json!([
        "python",
        python.content,
        python.lock,
        python.parameters,
        python.context,
        python.vars,
        python.available_at,
        returned,
        batch,
    ]);
    let rows = python.parameters.iter().filter_map(|parameter| upstream.get(parameter.input.as_str()));
    let rows = rows.map(|known| known.fingerprints.rows.as_str().to_owned());
    let columns = read.iter().map(|(input, column)| {
        let known = upstream.get(input);
        let print = known.and_then(|known| known.fingerprints.columns.get(column)).map_or("", Fingerprint::as_str);
        let kind = known.and_then(|known| known.schema.field_with_name(column).ok());
        format!("{input}.{column} {print} {}", kind.map(|field| field.data_type().to_string()).unwrap_or_default())
    });
    Fingerprint::of([said.to_string()].into_iter().chain(rows).chain(columns))
}
