//! Reader of `params`: values that a run may be given.

use std::collections::BTreeMap;

use baton_core::Parameter;
use baton_core::asset::ColumnType;
use baton_core::parameter::shown;
use baton_diagnostics::codes;

use super::column::column_type;
use crate::keys;
use crate::reader::{Reader, wrong_type};
use crate::yaml::{Node, Value};

/// Reads the parameters by name.
pub(super) fn read_all(root: &Reader<'_>) -> BTreeMap<String, Parameter> {
    let Some(node) = root.get("params") else { return BTreeMap::new() };
    let Value::Map(entries) = &node.value else {
        wrong_type(root.report, &root.of("params"), node, "an object");
        return BTreeMap::new();
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let what = format!("parameter `{}`", entry.key);
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if !entry.key.chars().all(is_word) || entry.key.starts_with(|first: char| first.is_ascii_digit()) {
            let message = format!("`{}` is not a name of a parameter", entry.key);
            root.report.error(codes::INVALID_NAME, message, entry.key_span, "letters, digits, underscores");
        }
        let Some(reader) = Reader::open(root.report, &what, entry.key_span, &entry.node, keys::PARAMETER) else {
            continue;
        };
        found.extend(read(&reader).map(|parameter| (entry.key.clone(), parameter)));
    }
    report_variables(root, &found);
    found
}

fn read(reader: &Reader<'_>) -> Option<Parameter> {
    let kind = reader.word("type", keys::COLUMN_TYPES).map_or(ColumnType::String, column_type);
    let mut parameter = Parameter {
        kind,
        default: serde_json::Value::Null,
        values: Vec::new(),
        description: reader.text("description"),
    };
    let values = reader.items("values").iter().filter_map(|node| checked(reader, &parameter, "values", node)).collect();
    parameter.values = values;
    parameter.default = checked(reader, &parameter, "default", reader.need("default")?)?;
    Some(parameter)
}

/// A value that keeps to the parameter's type; a text where YAML sees something else is a text.
fn checked(reader: &Reader<'_>, parameter: &Parameter, key: &str, node: &Node) -> Option<serde_json::Value> {
    let written = match parameter.kind {
        ColumnType::String | ColumnType::Date | ColumnType::Timestamp => {
            node.scalar_text().map_or(serde_json::Value::Null, serde_json::Value::String)
        }
        _ => node.to_json(),
    };
    let text = shown(&written);
    match parameter.check(written) {
        Ok(value) => Some(value),
        Err(expected) => {
            let message = format!("{} is `{text}`", reader.of(key));
            reader.report.error(codes::INVALID_VALUE, message, node.span, format!("expected {expected}"));
            None
        }
    }
}

/// A name stands for one value: what is a parameter cannot be a variable too.
fn report_variables(root: &Reader<'_>, found: &BTreeMap<String, Parameter>) {
    let Some(Node { value: Value::Map(entries), .. }) = root.get("vars") else { return };
    for entry in entries.iter().filter(|entry| found.contains_key(&entry.key)) {
        let message = format!("`{}` is under `vars` and under `params`", entry.key);
        root.report.error(codes::INVALID_VALUE, message, entry.key_span, "leave it out here");
    }
}
