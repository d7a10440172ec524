//! A unit test as YAML.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use baton_core::AssetName;
use baton_core::unit_test::{RowForm, UnitTest};
use serde_json::{Map, Value};

/// The text of a file with one test that expects `expected`, rows of `schema`; `given` has the columns of each input.
pub(super) fn test_text(
    test: &UnitTest,
    given: &BTreeMap<AssetName, SchemaRef>,
    schema: &SchemaRef,
    expected: &[Map<String, Value>],
) -> String {
    let mut text = format!("tests:\n  - name: {}\n", scalar(&Value::String(test.name.clone())));
    if let Some(description) = &test.description {
        text.push_str(&format!("    description: {}\n", scalar(&Value::String(description.clone()))));
    }
    text.push_str(&format!("    table: {}\n", test.target));
    if let Some(as_of) = test.as_of {
        text.push_str(&format!("    as_of: {}\n", as_of.format("%Y-%m-%dT%H:%M:%S%.fZ")));
    }
    text.push_str("    given:\n");
    for input in test.batches.iter().flat_map(|batch| &batch.given) {
        let RowForm::Objects(objects) = &input.rows.form else { continue };
        let Some(columns) = given.get(&input.input) else { continue };
        let rows: Vec<Map<String, Value>> = objects
            .iter()
            .map(|object| object.cells.iter().map(|cell| (cell.column.clone(), cell.value.clone())).collect())
            .collect();
        text.push_str(&format!("      {}:{}\n", input.input, if rows.is_empty() { " []" } else { "" }));
        rows.iter().for_each(|row| text.push_str(&format!("        - {}\n", flow(row, columns))));
    }
    text.push_str(if expected.is_empty() { "    expect: []\n" } else { "    expect:\n" });
    expected.iter().for_each(|row| text.push_str(&format!("      - {}\n", flow(row, schema))));
    text
}

/// A row in one line, its columns in the order of the table.
fn flow(row: &Map<String, Value>, schema: &SchemaRef) -> String {
    let cells = schema.fields().iter().filter_map(|field| {
        let value = row.get(field.name())?;
        Some(format!("{}: {}", scalar(&Value::String(field.name().clone())), scalar(value)))
    });
    format!("{{{}}}", cells.collect::<Vec<_>>().join(", "))
}

/// JSON is YAML; plain words need no quotes.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_plain(text: &str) -> bool {
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    let goes_on_well = text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-');
    let is_other = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"]
        .contains(&text.to_lowercase().as_str());
    starts_well && goes_on_well && !is_other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_need_no_quotes_and_everything_else_has_them() {
        for plain in ["UA", "JFK-LAX", "masked_1"] {
            assert_eq!(scalar(&Value::from(plain)), plain);
        }
        for other in ["", "null", "No", "10", "2013-07-01", "a: b", "x, y", "e\"f", "-1"] {
            assert_eq!(scalar(&Value::from(other)), serde_json::to_string(other).unwrap());
        }
    }
}
