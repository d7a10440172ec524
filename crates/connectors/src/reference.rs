//! The reference page of connectors that are asked for rows, made from their config structs. Only the test that holds the
//! page fresh needs it; `UPDATE_EXPECT=1` writes it.

use std::fmt::Write as _;

use expect_test::expect_file;
use serde_json::Value;

use crate::pullers;

/// Every connector with its options, as Markdown.
fn reference() -> String {
    let mut page = String::from(
        "# Connectors that are asked for rows\n\n\
         Keys that all of them share (`mode`, `cursor`, `lag`, `key`, `deletes`, `load`) are described in the\n\
         [guide](../guide/from-your-database.md). What follows stands beside them, or under `options`. Any text may hold\n\
         `${env:NAME}` or `${file:PATH}`. This page is made from the connectors' config structs.\n",
    );
    for puller in pullers() {
        let schema = puller.options().to_value();
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let _infallible = write!(page, "\n## {}\n\n{}\n\n", puller.kind(), text(&schema, "description"));
        page.push_str("| option | what it is |\n|---|---|\n");
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, option) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let needed = if required.contains(&name.as_str()) { " (needed)" } else { "" };
            let description = text(option, "description").replace('\n', " ").replace('|', "\\|");
            let _infallible = writeln!(page, "| `{name}`{needed} | {description} |");
        }
    }
    page
}

#[test]
fn the_page_says_what_the_config_structs_say() {
    expect_file!["../../../docs/reference/connectors.md"].assert_eq(&reference());
}
