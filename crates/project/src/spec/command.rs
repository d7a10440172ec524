//! Reader of tables that a command makes: entries of `tables` with a `command`.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::asset::{Asset, Assets, CommandStep, EachOf, ForEach, Keep, Materialize, Table};
use baton_core::{AssetName, Definition, Kind};
use baton_diagnostics::{Diagnostic, Label, codes};

use super::Common;
use super::settings::read_size;
use crate::keys;
use crate::reader::{Reader, parse_name, wrong_type};
use crate::template::Templates;
use crate::yaml::{Node, Value};

/// What only commands have.
const KEYS: [&str; 7] = ["inputs", "output", "for_each", "env", "image", "timeout", "memory_limit"];

/// Reports keys of commands at a table that is none.
pub(super) fn refuse_keys(reader: &Reader<'_>) {
    for entry in KEYS.iter().filter_map(|key| reader.entry(key)) {
        let message = format!("`{}` of {} goes with `command`, which it has not", entry.key, reader.what());
        reader.report.error(codes::INVALID_VALUE, message, entry.key_span, "leave it out, or add `command`");
    }
}

/// Reads the definition of a table that a command makes.
pub(super) fn read(reader: &Reader<'_>, common: &mut Common, file: &str) -> Option<Definition> {
    let mut inputs = Vec::new();
    let mut files = BTreeMap::new();
    for node in reader.items("inputs") {
        let Some(text) = reader.as_text("inputs", node) else { continue };
        if text.contains(['/', '.']) {
            check_path(reader, "inputs", node, &text);
            files.insert(text.strip_prefix("./").unwrap_or(&text).to_owned(), None);
        } else {
            // Whether there is one is said with what queries read.
            inputs.extend(parse_name(reader.report, &text, node.span));
        }
    }
    let of = read_of(reader);
    let step = CommandStep {
        command: if reader.has("command_of") { String::new() } else { reader.need_text("command")? },
        of,
        inputs,
        files,
        output: read_output(reader)?,
        environment: read_environment(reader),
        image: reader.text("image"),
        timeout: reader.positive_seconds("timeout"),
        memory_limit: read_size(reader, "memory_limit"),
        for_each: reader.object("for_each", keys::FOR_EACH).and_then(|each| read_for_each(&each)),
    };
    Some(Definition::Table(Table {
        sql: format!("select * from {}", CommandStep::ROWS),
        file: file.to_owned(),
        line_offset: 0,
        materialize: Materialize::Table,
        time: None,
        grain: reader.texts("grain"),
        lookback: 0,
        batch: 86_400,
        columns: std::mem::take(&mut common.columns),
        keep: Keep::default(),
        python: None,
        command: Some(Box::new(step)),
    }))
}

/// The table whose command makes this one, too: what else there is to say of the command is said there.
fn read_of(reader: &Reader<'_>) -> Option<AssetName> {
    let node = reader.get("command_of")?;
    let others = KEYS.iter().filter(|key| **key != "output").chain(["command"].iter());
    for entry in others.filter_map(|key| reader.entry(key)) {
        let message = format!("`{}` of {} is that of the table which `command_of` names", entry.key, reader.what());
        reader.report.error(codes::INVALID_VALUE, message, entry.key_span, "leave it out");
    }
    reader.refer(&reader.as_text("command_of", node)?, node.span, "is made by the command of", &[Kind::Table])
}

fn read_for_each(each: &Reader<'_>) -> Option<ForEach> {
    let name = each.text("as").unwrap_or_else(|| "each".to_owned());
    if AssetName::parse(&name).is_err() || ["inputs", "outputs", "table", "as_of"].contains(&name.as_str()) {
        let span = each.get("as").map_or(each.at(), |node| node.span);
        let message = format!("{} is `{name}`, which cannot be part of a variable", each.of("as"));
        each.report.error(codes::INVALID_NAME, message, span, "expected letters, digits and underscores");
    }
    let parallel = each.whole("parallel", 1, 64).and_then(|count| usize::try_from(count).ok()).unwrap_or(1);
    if each.has("from") == each.has("in") {
        let message = format!("{} needs one of `from` and `in`", each.what());
        each.report.error(codes::MISSING_KEY, message, each.at(), "");
        return None;
    }
    let values = match each.text("from") {
        Some(query) => EachOf::Query(query),
        None => EachOf::List(each.texts("in")),
    };
    Some(ForEach { name, values, parallel })
}

/// A folder or a glob of files with rows, or one such file.
fn read_output(reader: &Reader<'_>) -> Option<String> {
    let node = reader.need("output")?;
    let text = reader.as_text("output", node)?;
    check_path(reader, "output", node, &text);
    if !text.ends_with('/') && !CommandStep::ENDINGS.iter().any(|ending| text.ends_with(ending)) {
        let message = format!("{} is `{text}`, which cannot hold rows", reader.of("output"));
        let expected =
            format!("expected a name that ends with {}, or a folder with `/`", CommandStep::ENDINGS.join(", "));
        reader.report.error(codes::INVALID_VALUE, message, node.span, expected);
    }
    Some(text.strip_prefix("./").unwrap_or(&text).to_owned())
}

/// Paths start at the project folder and stay in it.
fn check_path(reader: &Reader<'_>, key: &str, node: &Node, path: &str) {
    if path.starts_with('/') || path.split('/').any(|part| part == "..") {
        let message = format!("{} is `{path}`, which lies outside of the project", reader.of(key));
        reader.report.error(codes::INVALID_VALUE, message, node.span, "expected a path below the project folder");
    }
}

fn read_environment(reader: &Reader<'_>) -> BTreeMap<String, String> {
    let Some(node) = reader.get("env") else { return BTreeMap::new() };
    let Value::Map(entries) = &node.value else {
        wrong_type(reader.report, &reader.of("env"), node, "an object");
        return BTreeMap::new();
    };
    let mut environment = BTreeMap::new();
    for entry in entries {
        if entry.key.is_empty() || entry.key.contains(['=', '\0']) || entry.key.starts_with("BATON_") {
            let message = format!("`{}` of {} cannot be a variable", entry.key, reader.of("env"));
            reader.report.error(codes::INVALID_NAME, message, entry.key_span, "`BATON_…` is set by Baton itself");
        }
        environment.extend(reader.as_text("env", &entry.node).map(|value| (entry.key.clone(), value)));
    }
    environment
}

/// Renders the templates of commands, once all variables are known, and says what they lack.
pub(crate) fn complete(assets: &mut Assets, templates: &Templates<'_>, diagnostics: &mut Vec<Diagnostic>) {
    render(assets, templates, diagnostics);
    share(assets, diagnostics);
}

fn render(assets: &mut Assets, templates: &Templates<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for asset in assets.values_mut() {
        let place = place(asset);
        let name: AssetName = asset.name.clone();
        let Definition::Table(table) = &mut asset.definition else { continue };
        let Some(step) = &mut table.command else { continue };
        match templates.render(&name, &step.command) {
            Ok(rendered) => step.command = rendered.sql.trim().to_owned(),
            Err(invalid) => diagnostics.push(invalid_command(&name, &invalid, place.clone())),
        }
        for text in step.for_each.iter_mut().flat_map(texts_of) {
            match templates.render(&name, text) {
                Ok(rendered) => *text = rendered.sql.trim().to_owned(),
                Err(invalid) => diagnostics.push(invalid_command(&name, &invalid, place.clone())),
            }
        }
        if let Some(ForEach { values: EachOf::List(values), .. }) = &mut step.for_each {
            *values = listed(values);
        }
        let lacks = match table.columns.iter().find(|column| column.data_type.is_none()) {
            Some(untyped) => format!("does not say the type of {}", untyped.name),
            None if table.columns.is_empty() => "does not say which columns it makes".to_owned(),
            None => continue,
        };
        let found = Diagnostic::error(codes::UNDECLARED_COLUMNS, format!("the command of table `{name}` {lacks}"));
        diagnostics.push(found.with_label(place).with_help("write `columns:` with a `type` each"));
    }
}

/// Gives tables that a command makes beside another one what is said of it there.
fn share(assets: &mut Assets, diagnostics: &mut Vec<Diagnostic>) {
    let command_of = |asset: &Asset| match &asset.definition {
        Definition::Table(Table { command: Some(step), .. }) => Some((**step).clone()),
        _ => None,
    };
    let steps: BTreeMap<AssetName, CommandStep> =
        assets.iter().filter_map(|(name, asset)| Some((name.clone(), command_of(asset)?))).collect();
    for asset in assets.values_mut() {
        let (place, name) = (place(asset), asset.name.clone());
        let Definition::Table(Table { command: Some(step), .. }) = &mut asset.definition else { continue };
        let Some(of) = step.of.clone() else { continue };
        // That there is no such table is said with the other names.
        let wrong = match steps.get(&of) {
            Some(first) if first.of.is_none() && first.for_each.is_none() && first.output != step.output => {
                **step = CommandStep { output: step.output.clone(), of: Some(of), ..first.clone() };
                continue;
            }
            None if !steps.contains_key(&of) => "is made by no command",
            Some(first) if first.of.is_some() => "is itself made beside another table: name that one",
            Some(first) if first.for_each.is_some() => "is made for each of some values, which cannot be shared",
            _ => "has the same `output`",
        };
        let message = format!("table `{name}` is made by the command of `{of}`, which {wrong}");
        diagnostics.push(Diagnostic::error(codes::INVALID_VALUE, message).with_label(place));
    }
}

/// The texts of which values are made.
fn texts_of(each: &mut ForEach) -> Vec<&mut String> {
    match &mut each.values {
        EachOf::Query(query) => vec![query],
        EachOf::List(values) => values.iter_mut().collect(),
    }
}

/// The values of a list: a text with commas stands for several, the same counts once.
fn listed(texts: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let values = texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|value| !value.is_empty());
    values.filter(|value| seen.insert((*value).to_owned())).map(str::to_owned).collect()
}

fn invalid_command(name: &str, invalid: &crate::template::InvalidTemplate, place: Label) -> Diagnostic {
    match &invalid.unknown_variable {
        Some((variable, near)) => {
            let message = format!("the command of table `{name}` uses unknown variable `{variable}`");
            Diagnostic::error(codes::UNKNOWN_VARIABLE, message)
                .with_label(place)
                .with_nearest(near.as_deref())
                .with_help("set it in `baton.yml` under `vars:` or `params:`")
        }
        None => {
            let message = format!("the command of table `{name}` cannot be rendered: {}", invalid.message);
            Diagnostic::error(codes::INVALID_TEMPLATE, message).with_label(place).with_help(
                "what a shell is to see of `{{`, `{%` and `{#` stands between `{% raw %}` and `{% endraw %}`",
            )
        }
    }
}

fn place(asset: &Asset) -> Label {
    let origin = &asset.origin;
    Label { file: origin.file.clone(), line: origin.line, column: origin.column, length: 0, text: String::new() }
}
