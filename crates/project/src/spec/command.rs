//! Reader of tables that a command makes: entries of `tables` with a `command`.

use std::collections::BTreeMap;

use baton_core::asset::{Asset, Assets, Column, ColumnType, CommandStep, Keep, Materialize, Table};
use baton_core::{AssetName, Definition, Kind};
use baton_diagnostics::{Diagnostic, Label, codes};

use super::settings::read_size;
use super::{Common, for_each};
use crate::reader::{Reader, parse_name, wrong_type};
use crate::template::Templates;
use crate::yaml::{Node, Value};

/// What only commands have.
const KEYS: [&str; 8] = ["inputs", "output", "files", "for_each", "env", "image", "timeout", "memory_limit"];

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
    let keeps_files = reader.has("files");
    if keeps_files {
        refuse_beside_files(reader, common);
        common.columns = columns_of_files();
    }
    let step = CommandStep {
        command: if reader.has("command_of") { String::new() } else { reader.need_text("command")? },
        of,
        inputs,
        files,
        output: if keeps_files { read_files(reader)? } else { read_output(reader)? },
        keeps_files,
        environment: read_environment(reader),
        image: reader.text("image"),
        timeout: reader.positive_seconds("timeout"),
        memory_limit: read_size(reader, "memory_limit"),
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
        for_each: for_each::read(reader),
    }))
}

/// The table whose command makes this one, too: what else there is to say of the command is said there.
fn read_of(reader: &Reader<'_>) -> Option<AssetName> {
    let node = reader.get("command_of")?;
    let others = KEYS.iter().filter(|key| !["output", "files"].contains(key)).chain(["command"].iter());
    for entry in others.filter_map(|key| reader.entry(key)) {
        let message = format!("`{}` of {} is that of the table which `command_of` names", entry.key, reader.what());
        reader.report.error(codes::INVALID_VALUE, message, entry.key_span, "leave it out");
    }
    reader.refer(&reader.as_text("command_of", node)?, node.span, "is made by the command of", &[Kind::Table])
}

/// Files have columns of their own, and are no rows.
fn refuse_beside_files(reader: &Reader<'_>, common: &Common) {
    if let Some(entry) = reader.entry("output") {
        let message =
            format!("{} has both `output`, which holds rows, and `files`, which are kept as they are", reader.what());
        reader.report.error(codes::INVALID_VALUE, message, entry.key_span, "leave one out");
    }
    if let Some(entry) = reader.entry("columns").filter(|_| !common.columns.is_empty()) {
        let message = format!("{} keeps files, whose columns are {}", reader.what(), CommandStep::OF_FILES.join(", "));
        reader.report.error(codes::INVALID_VALUE, message, entry.key_span, "leave `columns` out");
    }
}

/// Those of the columns of kept files that a contract has a type for.
fn columns_of_files() -> Vec<Column> {
    let types = [ColumnType::String, ColumnType::Int, ColumnType::String];
    let column = |(name, kind): (&str, ColumnType)| Column {
        name: name.to_owned(),
        data_type: Some(kind),
        tags: Vec::new(),
        description: None,
    };
    CommandStep::OF_FILES.into_iter().zip(types).map(column).collect()
}

/// A file or a folder.
fn read_files(reader: &Reader<'_>) -> Option<String> {
    let node = reader.need("files")?;
    let text = reader.as_text("files", node)?;
    check_path(reader, "files", node, &text);
    Some(text.strip_prefix("./").unwrap_or(&text).to_owned())
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
        let (Some(step), for_each) = (&mut table.command, &mut table.for_each) else { continue };
        match templates.render(&name, &step.command) {
            Ok(rendered) => step.command = rendered.sql.trim().to_owned(),
            Err(invalid) => diagnostics.push(invalid_command(&name, &invalid, place.clone())),
        }
        for text in for_each.iter_mut().flat_map(|each| for_each::texts_of(each)) {
            match templates.render(&name, text) {
                Ok(rendered) => *text = rendered.sql.trim().to_owned(),
                Err(invalid) => diagnostics.push(invalid_command(&name, &invalid, place.clone())),
            }
        }
        for_each.iter_mut().for_each(|each| for_each::part_list(each));
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
        Definition::Table(Table { command: Some(step), for_each, .. }) => Some(((**step).clone(), for_each.is_some())),
        _ => None,
    };
    let steps: BTreeMap<AssetName, (CommandStep, bool)> =
        assets.iter().filter_map(|(name, asset)| Some((name.clone(), command_of(asset)?))).collect();
    for asset in assets.values_mut() {
        let (place, name) = (place(asset), asset.name.clone());
        let Definition::Table(Table { command: Some(step), .. }) = &mut asset.definition else { continue };
        let Some(of) = step.of.clone() else { continue };
        // That there is no such table is said with the other names.
        let wrong = match steps.get(&of) {
            Some((first, false)) if first.of.is_none() && first.output != step.output => {
                let (output, keeps_files) = (step.output.clone(), step.keeps_files);
                **step = CommandStep { output, keeps_files, of: Some(of), ..first.clone() };
                continue;
            }
            None if !steps.contains_key(&of) => "is made by no command",
            Some((first, _)) if first.of.is_some() => "is itself made beside another table: name that one",
            Some((_, true)) => "is made for each of some values, which cannot be shared",
            _ => "has the same `output`",
        };
        let message = format!("table `{name}` is made by the command of `{of}`, which {wrong}");
        diagnostics.push(Diagnostic::error(codes::INVALID_VALUE, message).with_label(place));
    }
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
