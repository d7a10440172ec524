//! Reader of unit tests: the section `tests`.
//!
//! It reads what is written and where; columns and types are looked at when the project is resolved.

use baton_core::Kind;
use baton_core::asset::{Load, Origin};
use baton_core::time::{Timestamp, parse_instant};
use baton_core::unit_test::{Batch, Cell, Expectation, Given, RowForm, RowObject, Rows, Spot, UnitTest};
use baton_diagnostics::{Diagnostic, codes};

use crate::keys;
use crate::reader::{Reader, join_words, wrong_type};
use crate::report::Report;
use crate::spec::READABLE;
use crate::yaml::{Node, Span, Value};

/// Reads an entry of `tests`; `None` when it is too broken to run.
pub(super) fn read(report: &Report, node: &Node) -> Option<UnitTest> {
    let reader = open(report, node)?;
    let name = reader.need_text("name");
    // Whatever is missing, the rest is read all the same, for its mistakes.
    let (target, batches, as_of) = (read_target(&reader), read_batches(&reader), read_instant(&reader));
    let is_view = matches!(target, Some((_, _, true)));
    let at = match &target {
        Some((_, _, true)) => read_at(&reader),
        Some(_) => report_at(&reader),
        None => None,
    };
    let (target, target_span, _) = target?;
    let (batches, origin) = (batches?, reader.at());
    if is_view && at.is_none() {
        return None;
    }
    let place = report.place(origin);
    Some(UnitTest {
        name: name?,
        description: reader.text("description"),
        tags: reader.texts("tags"),
        target,
        target_spot: spot(target_span),
        as_of,
        vars: super::settings::read_vars(&reader),
        batches,
        at,
        origin: Origin { file: place.file, line: origin.line, column: origin.column },
    })
}

fn open<'a>(report: &'a Report, node: &'a Node) -> Option<Reader<'a>> {
    let mut reader = Reader::open(report, "a test", node.span, node, keys::TEST)?;
    if let Some(name) = reader.get("name") {
        let text = name.scalar_text().unwrap_or_default();
        reader.rename(format!("test `{text}`"), name.span);
    }
    Some(reader)
}

fn spot(span: Span) -> Spot {
    Spot { line: span.line, column: span.column, length: span.length }
}

/// What is tested, where it is named, and whether it is a feature view.
fn read_target(reader: &Reader<'_>) -> Option<(baton_core::AssetName, Span, bool)> {
    let (is_view, key, kinds): (bool, &str, &'static [Kind]) = match (reader.get("table"), reader.get("feature_view")) {
        (None, Some(_)) => (true, "feature_view", &[Kind::FeatureView]),
        (Some(_), Some(second)) => {
            let message = format!("{} tests two things", reader.what());
            reader.report.error(codes::INVALID_TEST, message, second.span, "write `table` or `feature_view`");
            return None;
        }
        _ => (false, "table", &[Kind::Table]),
    };
    let span = reader.need(key)?.span;
    Some((reader.reference(key, "tests", kinds)?, span, is_view))
}

fn read_instant(reader: &Reader<'_>) -> Option<Timestamp> {
    let node = reader.get("as_of")?;
    let text = reader.as_text("as_of", node)?;
    let instant = parse_instant(&text);
    if instant.is_none() {
        let message = format!("{} is `{text}`, which is not a time", reader.of("as_of"));
        reader.report.error(codes::INVALID_VALUE, message, node.span, "expected for example 2013-07-02T06:00");
    }
    instant
}

fn read_batches(reader: &Reader<'_>) -> Option<Vec<Batch>> {
    if let (Some(_), Some(batches)) = (reader.get("given"), reader.entry("batches")) {
        let message = format!("{} has both `given` and `batches`", reader.what());
        let label = "write what is given under the batches";
        reader.report.error(codes::INVALID_TEST, message, batches.key_span, label);
        return None;
    }
    let written = reader.has("expect").then(|| read_expectation(reader));
    let mut batches: Vec<Batch> = match reader.get("batches") {
        None => vec![Batch { as_of: None, given: read_given(reader), expect: None, spot: spot(reader.at()) }],
        Some(_) => reader.need_items("batches").iter().filter_map(|node| read_batch(reader, node)).collect(),
    };
    let last = match written {
        Some(None) => return None, // reported
        Some(last) => last,
        None => None,
    };
    let end = batches.last_mut()?;
    if let (Some(own), Some(_)) = (&end.expect, &last) {
        let message = format!("{} expects twice after its last batch", reader.what());
        let span = Span { line: own.spot.line, column: own.spot.column, length: own.spot.length };
        reader.report.error(codes::INVALID_TEST, message, span, "write `expect` here, or for the whole test");
        return None;
    }
    end.expect = end.expect.take().or(last);
    report_clocks(reader, &batches);
    if batches.iter().all(|batch| batch.expect.is_none()) {
        reader.need("expect");
        return None;
    }
    Some(batches)
}

/// Time does not go back, and a batch without a clock in the middle would leave it open which.
fn report_clocks(reader: &Reader<'_>, batches: &[Batch]) {
    for pair in batches.windows(2) {
        if let [Batch { as_of: Some(before), .. }, Batch { as_of: Some(after), spot, .. }] = pair
            && after < before
        {
            let span = Span { line: spot.line, column: spot.column, length: spot.length };
            let message = format!("a batch of {} goes back in time", reader.what());
            reader.report.error(codes::INVALID_TEST, message, span, "its `as_of` is before that of the batch above");
        }
    }
}

fn read_batch(owner: &Reader<'_>, node: &Node) -> Option<Batch> {
    let what = format!("a batch of {}", owner.what());
    let reader = Reader::open(owner.report, &what, node.span, node, keys::BATCH)?;
    let (as_of, given) = (read_instant(&reader), read_given(&reader));
    let expect = match reader.has("expect") {
        true => Some(read_expectation(&reader)?),
        false => None,
    };
    Some(Batch { as_of, given, expect, spot: spot(node.span) })
}

fn read_given(reader: &Reader<'_>) -> Vec<Given> {
    let Some(node) = reader.get("given") else { return Vec::new() };
    let Value::Map(entries) = &node.value else {
        wrong_type(reader.report, &reader.of("given"), node, "an object: input to rows");
        return Vec::new();
    };
    let one = |entry: &crate::yaml::Entry| {
        let input = reader.refer(&entry.key, entry.key_span, "is given", READABLE)?;
        let what = format!("`{}` given to {}", entry.key, reader.what());
        let (rows, object) = read_rows(reader, &what, entry.key_span, &entry.node, keys::ROW_KEYS)?;
        let load = object.and_then(|object| object.word("load", keys::LOADS)).map(|word| match word {
            "replace" => Load::Replace,
            _ => Load::Append,
        });
        Some(Given { input, spot: spot(entry.key_span), load, rows })
    };
    entries.iter().filter_map(one).collect()
}

fn read_expectation(reader: &Reader<'_>) -> Option<Expectation> {
    let entry = reader.entry("expect")?;
    let what = reader.of("expect");
    let (rows, object) = read_rows(reader, &what, entry.key_span, &entry.node, keys::EXPECT_KEYS)?;
    let object = object.as_ref();
    let tolerance = object.and_then(|object| object.number("tolerance"));
    let ordered = object.and_then(|object| object.flag("ordered")).unwrap_or(false);
    Some(Expectation { rows, ordered, tolerance, spot: spot(entry.key_span) })
}

fn read_at(reader: &Reader<'_>) -> Option<Rows> {
    reader.need("at")?;
    let entry = reader.entry("at")?;
    let (rows, _) = read_rows(reader, &reader.of("at"), entry.key_span, &entry.node, keys::ROW_KEYS)?;
    Some(rows)
}

fn report_at(reader: &Reader<'_>) -> Option<Rows> {
    let entry = reader.entry("at")?;
    let message = format!("{} has `at`, and is about a table", reader.what());
    reader.report.error(codes::INVALID_TEST, message, entry.key_span, "only feature views are asked at a time");
    None
}

/// Rows in one of their forms: a list of objects, or an object that says which form; that object is handed over for what
/// else stands in it.
fn read_rows<'a>(
    reader: &Reader<'a>,
    what: &str,
    at: Span,
    node: &'a Node,
    shape: crate::shape::Shape,
) -> Option<(Rows, Option<Reader<'a>>)> {
    let is_list = matches!(node.value, Value::List(_) | Value::Null);
    if is_list {
        let form = RowForm::Objects(read_objects(reader.report, what, node)?);
        return Some((Rows { spot: spot(at), form }, None));
    }
    if !matches!(node.value, Value::Map(_)) {
        wrong_type(reader.report, what, node, "a list of rows");
        return None;
    }
    let object = Reader::open(reader.report, what, at, node, shape)?;
    let written: Vec<&str> =
        shape[..keys::ROW_FORMS].iter().map(|key| key.name).filter(|key| object.has(key)).collect();
    let form = match written.as_slice() {
        ["rows"] => match object.entry("rows") {
            Some(entry) => RowForm::Objects(read_objects(reader.report, what, &entry.node)?),
            None => return None,
        },
        ["csv"] => RowForm::Csv(object.need_text("csv")?),
        ["file"] => RowForm::File(object.need_text("file")?),
        ["sql"] => RowForm::Sql(object.need_text("sql")?),
        [] if object.has_unknown_keys() => return None, // reported, and most likely the form
        _ => {
            let forms: Vec<&str> = shape[..keys::ROW_FORMS].iter().map(|key| key.name).collect();
            let message = format!("{what} must have its rows in exactly one form");
            let label = format!("expected a list of rows, or one of {}", join_words(&forms));
            reader.report.error(codes::INVALID_TEST, message, at, label);
            return None;
        }
    };
    let span = written.first().and_then(|key| object.get(key)).map_or(at, |node| node.span);
    Some((Rows { spot: spot(span), form }, Some(object)))
}

fn read_objects(report: &Report, what: &str, node: &Node) -> Option<Vec<RowObject>> {
    let items = match &node.value {
        Value::Null => return Some(Vec::new()),
        Value::List(items) => items,
        _ => {
            wrong_type(report, what, node, "a list of rows");
            return None;
        }
    };
    let rows: Vec<Option<RowObject>> = items.iter().map(|item| read_object(report, what, item)).collect();
    rows.into_iter().collect()
}

fn read_object(report: &Report, what: &str, node: &Node) -> Option<RowObject> {
    let Value::Map(entries) = &node.value else {
        wrong_type(report, &format!("a row of {what}"), node, "an object: column to value");
        return None;
    };
    let cell = |entry: &crate::yaml::Entry| Cell {
        column: entry.key.clone(),
        column_spot: spot(entry.key_span),
        value: entry.node.to_json(),
        spot: spot(entry.node.span),
    };
    Some(RowObject { spot: spot(node.span), cells: entries.iter().map(cell).collect() })
}

/// The second test of a name, which could not be asked for.
pub(crate) fn report_doubles(tests: &[UnitTest], diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: std::collections::BTreeMap<&str, &UnitTest> = Default::default();
    for test in tests {
        if let Some(first) = seen.get(test.name.as_str()) {
            let label = |test: &UnitTest, text: &str| baton_diagnostics::Label {
                file: test.origin.file.clone(),
                line: test.origin.line,
                column: test.origin.column,
                length: test.name.chars().count() as u32,
                text: text.to_owned(),
            };
            let message = format!("test `{}` has a name that is taken", test.name);
            let found = Diagnostic::error(codes::INVALID_TEST, message).with_label(label(test, "the second"));
            diagnostics.push(found.with_label(label(first, "the first")).with_help("rename one of them"));
        } else {
            seen.insert(&test.name, test);
        }
    }
}
