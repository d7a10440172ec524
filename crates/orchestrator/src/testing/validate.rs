//! Unit tests held to the resolved project, without running them: inputs, columns, values.

use arrow::datatypes::SchemaRef;
use baton_core::asset::Origin;
use baton_core::unit_test::{Expectation, Rows, Spot, UnitTest};
use baton_core::{AssetName, Definition};
use baton_diagnostics::{Diagnostic, Label, codes, nearest};

use super::rows::{RowProblem, RowSource, typed_rows};
use super::run::{answer_schema, asked_schema};
use super::scene::{given_inputs, given_schema, layout, schema_of};
use crate::prepare::Prepared;
use crate::services::Services;

/// Everything that keeps unit tests of the project from being run, without running one.
pub async fn check_tests(services: &Services, prepared: &Prepared) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for test in &prepared.project.tests {
        found.extend(check_test(services, prepared, test).await);
    }
    found
}

async fn check_test(services: &Services, prepared: &Prepared, test: &UnitTest) -> Vec<Diagnostic> {
    let checker = Checker { services, prepared, test };
    let Some(asset) = prepared.project.assets.get(&test.target) else { return Vec::new() };
    let mut found = Vec::new();
    let expected = match &asset.definition {
        Definition::Table(_) => {
            found.extend(checker.inputs(&test.target));
            given_schema(&schema_of(prepared, &test.target))
        }
        Definition::FeatureView(view) => {
            found.extend(checker.inputs(&view.from));
            let table = schema_of(prepared, &view.from);
            if let Some(at) = &test.at {
                found.extend(checker.rows(at, &asked_schema(view, &table), "at").await);
            }
            answer_schema(view, &table)
        }
        _ => return found,
    };
    for batch in &test.batches {
        for given in batch.given.iter().filter(|given| prepared.schemas.contains_key(&given.input)) {
            let schema = given_schema(&schema_of(prepared, &given.input));
            found.extend(checker.rows(&given.rows, &schema, &given.input).await);
        }
        if let Some(Expectation { rows, .. }) = &batch.expect {
            found.extend(checker.rows(rows, &expected, "expect").await);
        }
    }
    found
}

struct Checker<'a> {
    services: &'a Services,
    prepared: &'a Prepared,
    test: &'a UnitTest,
}

impl Checker<'_> {
    /// Inputs that are not upstream of what is tested, and a clock that is read and not given.
    fn inputs(&self, table: &AssetName) -> Vec<Diagnostic> {
        let graph = &self.prepared.graph;
        let given = given_inputs(self.test);
        let layout = layout(graph, &self.prepared.desired.order, table, &given);
        let upstream = graph.upstream(table);
        let mut found = Vec::new();
        for written in self.test.batches.iter().flat_map(|batch| &batch.given) {
            let input = &written.input;
            if layout.landed.contains(input) || !self.prepared.project.assets.contains_key(input) {
                continue;
            }
            let names = upstream.iter().map(AssetName::as_str);
            let message = format!("test `{}` gives rows to `{input}`, which `{table}` does not read", self.test.name);
            let label = match upstream.contains(input) {
                true => "it is hidden behind another input that is given".to_owned(),
                false => format!("not upstream of `{table}`"),
            };
            let mut problem = self.error(written.spot, message, label);
            if !upstream.is_empty() {
                let list: Vec<&str> = upstream.iter().map(AssetName::as_str).collect();
                problem = problem.with_detail(format!("Upstream of `{table}`: {}.", list.join(", ")));
            }
            found.push(problem.with_nearest(nearest(input, names)));
        }
        found.extend(layout.built.iter().filter_map(|name| self.clock(name)));
        found
    }

    fn clock(&self, name: &AssetName) -> Option<Diagnostic> {
        let reads_clock = self.prepared.analyses.get(name).is_some_and(|analysis| analysis.reads_clock);
        let test = self.test;
        let has_clock = test.as_of.is_some() || test.batches.iter().all(|batch| batch.as_of.is_some());
        if !reads_clock || has_clock {
            return None;
        }
        let message = format!("test `{}` has no `as_of`, and `{name}` asks for the time", test.name);
        Some(self.error(test.target_spot, message, String::new()).with_help("add `as_of: 2013-07-02`"))
    }

    async fn rows(&self, rows: &Rows, schema: &SchemaRef, role: &str) -> Vec<Diagnostic> {
        let source = RowSource { folder: &self.services.folder, engine: &self.services.engine };
        let Err(problems) = typed_rows(source, rows, schema).await else { return Vec::new() };
        problems.iter().map(|problem| self.problem(problem, role)).collect()
    }

    fn problem(&self, problem: &RowProblem, role: &str) -> Diagnostic {
        let is_column = !problem.candidates.is_empty();
        let code = if is_column { codes::UNKNOWN_COLUMN } else { codes::INVALID_TEST };
        let message = format!("`{role}` of test `{}`: {}", self.test.name, problem.message);
        let found = Diagnostic::error(code, message).with_label(label(&self.test.origin, problem.spot, &problem.label));
        let found = match is_column {
            true => found.with_detail(format!("Columns: {}.", problem.candidates.join(", "))),
            false => found,
        };
        found.with_nearest(problem.nearest.as_deref())
    }

    fn error(&self, spot: Spot, message: String, text: String) -> Diagnostic {
        Diagnostic::error(codes::INVALID_TEST, message).with_label(label(&self.test.origin, spot, &text))
    }
}

fn label(origin: &Origin, spot: Spot, text: &str) -> Label {
    Label {
        file: origin.file.clone(),
        line: spot.line,
        column: spot.column,
        length: spot.length,
        text: text.to_owned(),
    }
}

/// Problems in one line each.
pub(super) fn told(file: &str, problems: &[RowProblem]) -> String {
    let line =
        |problem: &RowProblem| format!("{file}:{}:{}: {}", problem.spot.line, problem.spot.column, problem.message);
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}
