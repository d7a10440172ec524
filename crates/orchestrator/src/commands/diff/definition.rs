//! What is declared differently: recorded definitions as text, and the lines that differ.

use baton_core::asset::Origin;
use baton_core::{Asset, Definition};
use serde_json::Value;
use similar::TextDiff;

/// Unchanged lines around a change.
const CONTEXT: usize = 2;

/// The lines of a unified diff between two definitions, without its file header.
pub(super) fn definition_diff(before: Option<&Asset>, after: Option<&Asset>) -> Vec<String> {
    let (before, after) = (before.map(text_of).unwrap_or_default(), after.map(text_of).unwrap_or_default());
    unified_lines(&before, &after)
}

/// The lines of a unified diff between two texts, without its file header; none when they are the same.
pub(super) fn unified_lines(before: &str, after: &str) -> Vec<String> {
    let unified = TextDiff::from_lines(before, after).unified_diff().context_radius(CONTEXT).to_string();
    unified.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// What is declared, a line for each key that has a value; a table's query or code stands last, as it is written.
fn text_of(asset: &Asset) -> String {
    let mut declared = Asset { origin: Origin::default(), ..asset.clone() };
    let query = match &mut declared.definition {
        Definition::Table(table) => {
            let query = std::mem::take(&mut table.sql);
            let code = table.python.as_mut().map(|python| std::mem::take(&mut python.code));
            let command = table.command.as_mut().map(|step| std::mem::take(&mut step.command));
            code.or(command).unwrap_or(query)
        }
        _ => String::new(),
    };
    let value = serde_json::to_value(&declared).unwrap_or_default();
    let mut lines = String::new();
    write_value(&value, 0, &mut lines);
    format!("{lines}{}\n", query.trim_end())
}

/// YAML in its plainest form: keys with values below or beside them; what is absent or empty is left out.
fn write_value(value: &Value, depth: usize, text: &mut String) {
    let Value::Object(keys) = value else { return };
    for (key, value) in keys.iter().filter(|(_, value)| !is_empty(value)) {
        let indent = "  ".repeat(depth);
        match value {
            Value::Object(_) => {
                text.push_str(&format!("{indent}{key}:\n"));
                write_value(value, depth + 1, text);
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                text.push_str(&format!("{indent}{key}:\n"));
                items.iter().for_each(|item| text.push_str(&format!("{indent}  - {item}\n")));
            }
            Value::String(string) => text.push_str(&format!("{indent}{key}: {string}\n")),
            other => text.push_str(&format!("{indent}{key}: {other}\n")),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(keys) => keys.values().all(is_empty),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}
