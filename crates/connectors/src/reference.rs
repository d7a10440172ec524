//! The reference page of connectors that are asked for rows, made from their config structs. Only the test that holds the
//! page fresh needs it; `UPDATE_EXPECT=1` writes it.

use std::fmt::Write as _;

use expect_test::expect_file;
use serde_json::Value;

use crate::{connectors, exporters, pullers};

/// Every connector with its options, as Markdown.
fn reference() -> String {
    let mut page = String::from(
        "# Connectors that are asked for rows\n\n\
         Keys that all of them share (`mode`, `cursor`, `lag`, `key`, `deletes`, `load`) are described in the\n\
         [guide](../guide/from-your-database.md). What follows stands beside them, or under `options`. Any text may hold\n\
         `${env:NAME}` or `${file:PATH}`. This page is made from the connectors' config structs.\n",
    );
    for puller in pullers() {
        write_connector(&mut page, puller.kind(), &puller.options().to_value());
    }
    page.push_str(
        "\n# Connectors that find files\n\nTheir options stand under `options`; connector `file` has none.\n",
    );
    for connector in connectors() {
        if let Some(schema) = connector.options() {
            write_connector(&mut page, connector.kind(), &schema.to_value());
        }
    }
    page.push_str(
        "\n# Destinations of exports\n\nTheir options stand under `to`, beside `connector`. Keys that all of them share (`mode`, `key`, `deletes`, …)\n\
         are described in the [guide](../guide/deliveries.md).\n",
    );
    for exporter in exporters() {
        let name = format!("{} as destination", exporter.kind());
        write_connector(&mut page, &name, &exporter.options().to_value());
    }
    page
}

fn write_connector(page: &mut String, kind: &str, schema: &Value) {
    let _infallible = write!(page, "\n## {kind}\n\n{}\n\n", text(schema, "description"));
    write_table(page, schema);
    for (name, part) in schema.get("$defs").and_then(Value::as_object).into_iter().flatten() {
        write_part(page, kind, name, part);
    }
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The options of an object, a line each.
fn write_table(page: &mut String, schema: &Value) {
    page.push_str("| option | what it is |\n|---|---|\n");
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, option) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let needed = if required.contains(&name.as_str()) { " (needed)" } else { "" };
        let chosen = option.get("const").and_then(Value::as_str).map(|word| format!("`{word}`"));
        let description = chosen.unwrap_or_else(|| text(option, "description")).replace('\n', " ").replace('|', "\\|");
        let _infallible = writeln!(page, "| `{name}`{needed} | {description} |");
    }
}

/// What an option holds that is more than one value: its own options, or its kinds with theirs.
fn write_part(page: &mut String, kind: &str, name: &str, part: &Value) {
    let _infallible = write!(page, "\n### {kind}: `{name}`\n\n{}\n", text(part, "description"));
    if part.get("properties").is_some() {
        page.push('\n');
        write_table(page, part);
    }
    for case in part.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        if let Some(word) = case.get("const").and_then(Value::as_str) {
            let _infallible = write!(page, "\n- `{word}`: {}", text(case, "description").replace('\n', " "));
            continue;
        }
        let _infallible = write!(page, "\n{}\n\n", text(case, "description"));
        write_table(page, case);
    }
    if part
        .get("oneOf")
        .and_then(Value::as_array)
        .is_some_and(|cases| cases.iter().all(|case| case.get("const").is_some()))
    {
        page.push('\n');
    }
}

#[test]
fn the_page_says_what_the_config_structs_say() {
    expect_file!["../../../docs/reference/connectors.md"].assert_eq(&reference());
}
