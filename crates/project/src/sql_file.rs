//! Reads a SQL file under `tables/`: a table named after the file.

use baton_core::asset::{Keep, Materialize, Table};
use baton_core::{Definition, Kind};
use baton_diagnostics::{Diagnostic, codes};

use crate::reader::parse_name;
use crate::report::{Findings, Report};
use crate::search::{span_at, without_comments};
use crate::spec::{Common, Declared, SqlConfig, assemble, read_sql_config};
use crate::template::{InvalidTemplate, Rendered, Templates};
use crate::yaml::{Entry, Node, Span, Value};

const DAY: i64 = 86_400;
const START: Span = Span { line: 1, column: 1, length: 0 };

/// The table of a file; `None` when the file's name is no name.
pub(crate) fn read(file: &str, text: &str, templates: &Templates<'_>, findings: &mut Findings) -> Option<Declared> {
    let report = Report::new(file);
    let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".sql");
    let name = parse_name(&report, stem, START);
    let asset = name.as_ref().and_then(|name| {
        let table = read_table(&report, file, text, name, templates)?;
        Some(assemble(name.clone(), Common::default(), Definition::Table(table), &report.place(START)))
    });
    let place = report.place(START);
    report.add_to(findings);
    Some(Declared { name: name?, kind: Kind::Table, place, asset })
}

fn read_table(report: &Report, file: &str, text: &str, name: &str, templates: &Templates<'_>) -> Option<Table> {
    let Rendered { sql, line_offset, config, incremental_sql } = match templates.render(name, text) {
        Ok(rendered) => rendered,
        Err(invalid) => {
            report.push(template_diagnostic(report, name, &invalid));
            return None;
        }
    };
    let at = find_word(text, "config", '(').map_or(START, |start| span_at(text, start, start + "config".len()));
    let arguments = arguments(text, config);
    let mut config = read_sql_config(report, name, at, &arguments);
    let is_keyless = config.materialize == Materialize::Incremental && config.time.is_none();
    if is_keyless && incremental_sql.is_some() {
        // The query itself says which rows are new, as in dbt.
        config.materialize = Materialize::Append;
    }
    report_incomplete(report, name, &config, text, at);
    if without_comments(&sql).trim().is_empty() {
        report.error(codes::EMPTY_SQL, format!("table `{name}` has no query"), START, "write a `select`");
        return None;
    }
    Some(Table {
        sql,
        file: file.to_owned(),
        line_offset,
        materialize: config.materialize,
        time: config.time,
        grain: config.grain,
        lookback: config.lookback.unwrap_or(0),
        batch: config.batch.unwrap_or(DAY),
        columns: Vec::new(),
        keep: Keep { incremental_sql: incremental_sql.filter(|_| config.materialize.is_stateful()), ..config.keep },
        python: None,
        command: None,
        for_each: config.for_each,
    })
}

fn template_diagnostic(report: &Report, name: &str, invalid: &InvalidTemplate) -> Diagnostic {
    let place = report.place(invalid.span);
    match &invalid.unknown_variable {
        Some((variable, near)) => {
            let message = format!("table `{name}` uses unknown variable `{variable}`");
            Diagnostic::error(codes::UNKNOWN_VARIABLE, message)
                .with_label(place.label(""))
                .with_nearest(near.as_deref())
                .with_help("set it in `baton.yml` under `vars:`, or give a default as second argument")
        }
        None => {
            Diagnostic::error(codes::INVALID_TEMPLATE, format!("the template of table `{name}` cannot be rendered"))
                .with_label(place.label(invalid.message.clone()))
                .with_help("known are ref, source, var, config, this and is_incremental")
        }
    }
}

fn report_incomplete(report: &Report, name: &str, config: &SqlConfig, text: &str, at: Span) {
    if config.materialize == Materialize::Incremental && config.time.is_none() {
        let span = key_span(text, "materialize").or(key_span(text, "materialized")).unwrap_or(at);
        let diagnostic =
            Diagnostic::error(codes::INCOMPLETE_INCREMENTAL, format!("incremental table `{name}` has no time column"));
        let help = "add the column that says when a row happened: time='scheduled_at'";
        report.push(diagnostic.with_label(report.place(span).label("")).with_help(help));
    }
}

/// The arguments of `config()` as a tree, each at the place of its name in the file.
fn arguments(text: &str, config: serde_json::Map<String, serde_json::Value>) -> Node {
    let entries = config.into_iter().map(|(key, value)| {
        let key_span = key_span(text, &key).unwrap_or(START);
        Entry { node: node_from_json(value, key_span), key, key_span }
    });
    Node { value: Value::Map(entries.collect()), span: START }
}

fn key_span(text: &str, key: &str) -> Option<Span> {
    let config = find_word(text, "config", '(')?;
    let start = config + find_word(&text[config..], key, '=')?;
    Some(span_at(text, start, start + key.len()))
}

/// Where `word` stands as a whole word with `next` behind it.
fn find_word(text: &str, word: &str, next: char) -> Option<usize> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word).map(|(start, _)| start).find(|start| {
        let (before, after) = (&text[..*start], &text[start + word.len()..]);
        !before.ends_with(is_word) && after.trim_start().starts_with(next)
    })
}

fn node_from_json(value: serde_json::Value, span: Span) -> Node {
    use serde_json::Value as Json;
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(|item| node_from_json(item, span)).collect()),
        Json::Object(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| Entry { key, key_span: span, node: node_from_json(value, span) })
                .collect(),
        ),
    };
    Node { value, span }
}
