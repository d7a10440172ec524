//! Reader of checks: `not_null`, or an object with one rule and what stands beside it.

use baton_core::check::{Check, Literal, Rule, Severity};
use baton_diagnostics::{Diagnostic, codes, nearest};
use regex::Regex;

use crate::keys;
use crate::reader::{Reader, join_words, wrong_type};
use crate::spec::{READABLE, source};
use crate::yaml::{Node, Span, Value};

/// Reads `checks` of an asset, or of one of its columns, and adds them to those it has already.
pub(super) fn read_all(owner: &Reader<'_>, column: Option<&str>, checks: &mut Vec<Check>) {
    if !owner.knows("checks") {
        return;
    }
    for node in owner.items("checks") {
        if let Some(mut check) = read_one(owner, column, node) {
            name_check(&mut check, checks);
            checks.push(check);
        }
    }
}

fn read_one(owner: &Reader<'_>, column: Option<&str>, node: &Node) -> Option<Check> {
    if let Value::Text(word) = &node.value {
        let rule = read_word(owner, column, word, node.span)?;
        let column = column.map(str::to_owned);
        let (name, severity, filter, tolerance) = (String::new(), Severity::Error, None, 0.0);
        return Some(Check { name, column, rule, severity, filter, tolerance });
    }
    let what = format!("a check of {}", owner.what());
    let reader = Reader::open(owner.report, &what, node.span, node, keys::CHECK_KEYS)?;
    let severity = read_severity(&reader);
    let (filter, tolerance) = (reader.text("where"), reader.share("tolerance").unwrap_or(0.0));
    let name = reader.text("name").unwrap_or_default();
    let rule = read_rule(&reader, column, node)?;
    Some(Check { name, column: column.map(str::to_owned), rule, severity, filter, tolerance })
}

/// `severity: error | warn`, error when it is not there.
pub(super) fn read_severity(reader: &Reader<'_>) -> Severity {
    match reader.word("severity", keys::SEVERITIES) {
        Some("warn") => Severity::Warn,
        _ => Severity::Error,
    }
}

fn rule_words() -> Vec<&'static str> {
    keys::CHECK_KEYS[..keys::RULES].iter().map(|key| key.name).collect()
}

fn read_word(owner: &Reader<'_>, column: Option<&str>, word: &str, span: Span) -> Option<Rule> {
    match (word, column) {
        ("not_null", Some(_)) => return Some(Rule::NotNull),
        ("unique", Some(column)) => return Some(Rule::Unique { columns: vec![column.to_owned()] }),
        _ => {}
    }
    let words = rule_words();
    let mut diagnostic = Diagnostic::error(codes::INVALID_CHECK, format!("{} has check `{word}`", owner.what()));
    let label = match (word, words.contains(&word)) {
        ("not_null", _) => "needs a column: write it under the column in `columns`".to_owned(),
        ("unique", _) => "needs columns: write `unique: [column]`".to_owned(),
        (_, true) => format!("needs arguments: write `{word}: ...`"),
        (_, false) => format!("expected {}", join_words(&words)),
    };
    diagnostic = diagnostic.with_label(owner.report.place(span).label(label));
    owner.report.push(diagnostic.with_nearest(nearest(word, words)));
    None
}

fn read_rule(reader: &Reader<'_>, column: Option<&str>, node: &Node) -> Option<Rule> {
    let written: Vec<&str> = rule_words().into_iter().filter(|rule| reader.has(rule)).collect();
    let rule = match written.as_slice() {
        [rule] => *rule,
        [] if reader.has_unknown_keys() => return None, // reported, and most likely the rule
        [] => return invalid(reader, node.span, "has no rule", &format!("expected {}", join_words(&rule_words()))),
        [_, second, ..] => {
            let span = reader.entry(second).map_or(node.span, |entry| entry.key_span);
            return invalid(reader, span, "has two rules", "write one check for each");
        }
    };
    let span = reader.entry(rule).map_or(node.span, |entry| entry.key_span);
    let about_values = ["not_null", "accepted_values", "between", "matches", "relationships"].contains(&rule);
    if about_values && column.is_none() {
        return invalid(reader, span, &format!("has rule `{rule}` without a column"), "write it under the column");
    }
    if rule == "row_count" && column.is_some() {
        return invalid(reader, span, "counts rows under a column", "write it under `checks` of the table");
    }
    match rule {
        "not_null" => Some(Rule::NotNull),
        "unique" => read_unique(reader, column, span),
        "accepted_values" => read_accepted_values(reader),
        "between" => read_between(reader, span),
        "matches" => read_matches(reader),
        "relationships" => read_relationships(reader),
        "row_count" => read_row_count(reader, span),
        "freshness" => read_freshness(reader),
        _ => reader.need_text("sql").map(|query| Rule::Sql { query }),
    }
}

fn invalid<T>(reader: &Reader<'_>, span: Span, problem: &str, label: &str) -> Option<T> {
    reader.report.error(codes::INVALID_CHECK, format!("{} {problem}", reader.what()), span, label);
    None
}

fn read_unique(reader: &Reader<'_>, column: Option<&str>, span: Span) -> Option<Rule> {
    let is_list = matches!(reader.get("unique"), Some(Node { value: Value::List(_) | Value::Text(_), .. }));
    let columns = if is_list { reader.texts("unique") } else { column.map(str::to_owned).into_iter().collect() };
    if columns.is_empty() {
        return invalid(reader, span, "names no columns", "write `unique: [column]`");
    }
    Some(Rule::Unique { columns })
}

fn read_accepted_values(reader: &Reader<'_>) -> Option<Rule> {
    let node = reader.need("accepted_values")?;
    let inner;
    let items = match &node.value {
        Value::Map(_) => {
            inner = reader.object("accepted_values", keys::VALUES)?;
            inner.need_items("values")
        }
        _ => reader.need_items("accepted_values"),
    };
    let values: Vec<Literal> = items.iter().filter_map(|item| read_literal(reader, item)).collect();
    (!values.is_empty()).then_some(Rule::AcceptedValues { values })
}

fn read_between(reader: &Reader<'_>, span: Span) -> Option<Rule> {
    let node = reader.need("between")?;
    let (min, max) = match &node.value {
        Value::List(ends) => match ends.as_slice() {
            [min, max] => (Some(min), Some(max)),
            _ => return invalid(reader, node.span, "has not two ends", "expected `[min, max]`"),
        },
        Value::Map(_) => {
            let range = reader.object("between", keys::RANGE)?;
            (range.get("min"), range.get("max"))
        }
        _ => {
            wrong_type(reader.report, &reader.of("between"), node, "`[min, max]`");
            return None;
        }
    };
    let is_end = |node: &&Node| node.value != Value::Null;
    let (min, max) = (min.filter(is_end), max.filter(is_end));
    if min.is_none() && max.is_none() {
        return invalid(reader, span, "is open at both ends", "expected `[min, max]`");
    }
    let end = |node: Option<&Node>| node.and_then(|node| read_literal(reader, node));
    Some(Rule::Between { min: end(min), max: end(max) })
}

fn read_literal(reader: &Reader<'_>, node: &Node) -> Option<Literal> {
    Some(match &node.value {
        Value::Bool(value) => Literal::Bool(*value),
        Value::Int(value) => Literal::Int(*value),
        Value::Float(value) => Literal::Float(*value),
        Value::Text(value) => Literal::Text(value.clone()),
        _ => {
            wrong_type(reader.report, &format!("a value of {}", reader.what()), node, "a text or a number");
            return None;
        }
    })
}

fn read_matches(reader: &Reader<'_>) -> Option<Rule> {
    let pattern = reader.need_text("matches")?;
    let span = reader.get("matches").map_or(reader.at(), |node| node.span);
    match Regex::new(&pattern) {
        Ok(_) => Some(Rule::Matches { pattern }),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            invalid(reader, span, "has a pattern that is not a regular expression", &reason)
        }
    }
}

fn read_relationships(reader: &Reader<'_>) -> Option<Rule> {
    let relation = reader.object("relationships", keys::RELATIONSHIPS)?;
    let to = relation.reference("to", "refers to", READABLE);
    let field = relation.need_text("field");
    Some(Rule::Relationships { to: to?.to_string(), field: field? })
}

fn read_row_count(reader: &Reader<'_>, span: Span) -> Option<Rule> {
    let range = reader.object("row_count", keys::ROW_COUNT);
    if range.as_ref().is_none_or(|range| range.get("min").or(range.get("max")).is_none()) {
        return invalid(reader, span, "is open at both ends", "expected `{min: .., max: ..}`");
    }
    let end = |key| range.as_ref()?.whole(key, 0, i64::MAX).and_then(|count| u64::try_from(count).ok());
    Some(Rule::RowCount { min: end("min"), max: end("max") })
}

fn read_freshness(reader: &Reader<'_>) -> Option<Rule> {
    reader.need("freshness")?;
    let freshness = source::read_freshness(reader)?;
    let seconds = |end: Option<i64>| end.and_then(|seconds| u64::try_from(seconds).ok());
    Some(Rule::Freshness { warn_after: seconds(freshness.warn_after), error_after: seconds(freshness.error_after) })
}

/// Names a check after its rule and columns when the user gave no name, and numbers it when that is taken.
fn name_check(check: &mut Check, others: &[Check]) {
    let base = if check.name.is_empty() { default_name(check) } else { check.name.clone() };
    let is_taken = |name: &str| others.iter().any(|other| other.name == name);
    let numbered = (2..).map(|number| format!("{base}_{number}"));
    let free = std::iter::once(base.clone()).chain(numbered).find(|name| !is_taken(name));
    check.name = free.unwrap_or(base);
}

fn default_name(check: &Check) -> String {
    let (rule, columns) = match &check.rule {
        Rule::Unique { columns } => ("unique", columns.join("_")),
        Rule::NotNull => ("not_null", String::new()),
        Rule::AcceptedValues { .. } => ("accepted_values", String::new()),
        Rule::Relationships { .. } => ("relationships", String::new()),
        Rule::Between { .. } => ("between", String::new()),
        Rule::Matches { .. } => ("matches", String::new()),
        Rule::RowCount { .. } => ("row_count", String::new()),
        Rule::Freshness { .. } => ("freshness", String::new()),
        Rule::Sql { .. } => ("sql", String::new()),
    };
    let about = if columns.is_empty() { check.column.clone().unwrap_or_default() } else { columns };
    if about.is_empty() { rule.to_owned() } else { format!("{rule}_{about}") }
}
