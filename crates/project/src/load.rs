//! Puts a project together from the texts of its files. Pure.

use std::collections::BTreeMap;

use baton_core::asset::{Assets, Column};
use baton_core::check::Rule;
use baton_core::{Asset, AssetName, Definition, Kind, Runbook};
use baton_diagnostics::{Diagnostic, Label, codes, nearest};

use crate::keys;
use crate::project::Project;
use crate::python::{self, is_python_table};
use crate::reader::Reader;
use crate::report::{Findings, Place, Report};
use crate::resolve::{Known, resolve};
use crate::seed::{self, is_seed};
use crate::spec::{
    Declared, Head, Sections, TableNote, complete_commands, read_head, read_sections, report_double_channels,
    report_doubles, report_unknown_environments, report_unknown_pools, report_wrong_runbooks, report_wrong_schedules,
};
use crate::sql_file;
use crate::streams;
use crate::template::Templates;
use crate::unread::Unread;
use crate::yaml::{self, Span};

pub(crate) const HEAD_FILE: &str = "baton.yml";

/// Whether a file, relative to the project folder, is part of the project.
pub(crate) fn is_project_file(file: &str) -> bool {
    is_yaml(file) || is_sql(file) || is_python_table(file) || is_seed(file)
}

fn is_yaml(file: &str) -> bool {
    file.ends_with(".yml") || file.ends_with(".yaml")
}

fn is_sql(file: &str) -> bool {
    file.starts_with("tables/") && file.ends_with(".sql")
}

/// Reads a project from texts by file, relative to the project folder with `/` between parts.
pub fn load_texts(files: BTreeMap<String, String>) -> (Project, Vec<Diagnostic>) {
    load_with_vars(files, &BTreeMap::new())
}

/// Like [`load_texts`], with values for `var()` that come before those of the head.
pub(crate) fn load_with_vars(
    files: BTreeMap<String, String>,
    vars: &BTreeMap<String, serde_json::Value>,
) -> (Project, Vec<Diagnostic>) {
    let mut findings = Findings::default();
    let mut head = None;
    let (mut declared, mut notes, mut unread) = (Vec::new(), Vec::new(), Unread::default());
    let (mut tests, mut schedules, mut channels, mut runbooks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (file, text) in files.iter().filter(|(file, _)| is_yaml(file)) {
        let Some((file_head, sections)) = read_yaml(file, text, &mut findings) else {
            unread.texts.push(text.clone());
            continue;
        };
        head = head.or(file_head);
        declared.extend(sections.declared);
        notes.extend(sections.notes);
        tests.extend(sections.tests);
        schedules.extend(sections.schedules);
        channels.extend(sections.channels);
        runbooks.extend(sections.runbooks);
    }
    let is_head_read = head.is_some();
    let mut head = head.unwrap_or_default();
    head.vars.extend(head.params.iter().map(|(name, parameter)| (name.clone(), parameter.default.clone())));
    head.vars.extend(vars.clone());
    let templates = Templates::new(&head.vars);
    for (file, text) in files.iter().filter(|(file, _)| is_sql(file)) {
        declared.extend(sql_file::read(file, text, &templates, &mut findings));
    }
    declared.extend(python::read_all(&files, &head.vars, &mut findings));
    for file in files.keys().filter(|file| is_seed(file)) {
        declared.extend(seed::read(file, &mut findings));
    }
    if !is_head_read {
        // Without `vars` nothing can be said about them; what is wrong with the head is said.
        findings.diagnostics.retain(|diagnostic| diagnostic.code != codes::UNKNOWN_VARIABLE);
    }
    add_notes(&mut declared, notes, &mut findings.diagnostics);
    let (assets, known) = collect(declared, &mut findings.diagnostics);
    let mut assets = complete_freshness(assets, &mut findings.diagnostics);
    python::complete(&mut assets, &head.settings.python, &files, &mut findings.diagnostics);
    complete_commands(&mut assets, &templates, &mut findings.diagnostics);
    unread.names = known.keys().filter(|name| !assets.contains_key(*name)).cloned().collect();
    resolve(&assets, &known, &unread, &mut findings);
    report_what_is_missing(&files, known.is_empty(), &mut findings.diagnostics);
    report_doubles(&tests, &mut findings.diagnostics);
    report_double_channels(&channels, &mut findings.diagnostics);
    let known: Vec<&str> = channels.iter().map(|found| found.name.as_str()).collect();
    report_wrong_schedules(&schedules, &known, &mut findings.diagnostics);
    let mut schedules: Vec<_> = schedules.into_iter().map(|found| found.schedule).collect();
    report_unknown_pools(&head.pools, &head.execution, &schedules, &mut findings.diagnostics);
    schedules.extend(streams::schedules(&assets, &schedules));
    if is_head_read {
        report_unknown_environments(&head.environments, &findings.environments, &mut findings.diagnostics);
    }
    let named = BTreeMap::from([
        ("channel", channels.iter().map(|found| found.name.to_string()).collect()),
        ("pool", head.pools.keys().cloned().collect()),
        ("schedule", schedules.iter().map(|schedule| schedule.name.to_string()).collect()),
        ("export", export_names(&assets)),
    ]);
    report_wrong_runbooks(&runbooks, &named, &mut findings.diagnostics);
    let runbooks: Vec<_> = runbooks.into_iter().map(|found| found.runbook).collect();
    report_unknown_runbooks(&assets, &runbooks, &mut findings.diagnostics);
    sort(&mut findings.diagnostics);
    let channels = channels.into_iter().filter_map(|found| found.channel).collect();
    (Project { tests, schedules, channels, runbooks, ..project(head, assets, files, unread) }, findings.diagnostics)
}

/// What delivers something to somebody outside.
fn export_names(assets: &Assets) -> Vec<String> {
    let is_export =
        |asset: &&Asset| matches!(&asset.definition, Definition::Exposure(exposure) if exposure.export.is_some());
    assets.values().filter(is_export).map(|asset| asset.name.to_string()).collect()
}

/// Reports monitors whose runbook is a name that no file declares. One with `.` or `/` is a file for people.
fn report_unknown_runbooks(assets: &Assets, runbooks: &[Runbook], diagnostics: &mut Vec<Diagnostic>) {
    for asset in assets.values() {
        let Definition::Monitor(monitor) = &asset.definition else { continue };
        let Some(name) = monitor.runbook.as_ref().filter(|text| !text.contains(['.', '/'])) else { continue };
        if runbooks.iter().any(|runbook| runbook.name.as_str() == name) {
            continue;
        }
        let origin = &asset.origin;
        let (line, column, length) = (origin.line, origin.column, 0);
        let label = Label { file: origin.file.clone(), line, column, length, text: String::new() };
        let message = format!("monitor `{}` names runbook `{name}`, which does not exist", asset.name);
        let near = nearest(name, runbooks.iter().map(|runbook| runbook.name.as_str()));
        let help = "declare it under `runbooks:`, or write the path of a file for people";
        diagnostics.push(
            Diagnostic::error(codes::UNKNOWN_REFERENCE, message).with_label(label).with_nearest(near).with_help(help),
        );
    }
}

/// Orders diagnostics by file and place; those without a place come first.
pub(crate) fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|diagnostic| {
        diagnostic.labels.first().map(|label| (label.file.clone(), label.line, label.column))
    });
}

fn project(head: Head, assets: Assets, texts: BTreeMap<String, String>, unread: Unread) -> Project {
    let (name, environments) = (head.name.unwrap_or_default(), head.environments);
    Project {
        name,
        environments,
        settings: head.settings,
        policies: head.policies,
        assets,
        vars: head.vars,
        params: head.params,
        execution: head.execution,
        pools: head.pools,
        tests: Vec::new(),
        schedules: Vec::new(),
        channels: Vec::new(),
        runbooks: Vec::new(),
        texts,
        unread,
    }
}

/// What a file says; `None` when it is not YAML.
fn read_yaml(file: &str, text: &str, findings: &mut Findings) -> Option<(Option<Head>, Sections)> {
    let report = Report::new(file);
    let read = read_tree(file, text, &report);
    report.add_to(findings);
    read
}

fn read_tree(file: &str, text: &str, report: &Report) -> Option<(Option<Head>, Sections)> {
    let is_head = file == HEAD_FILE;
    let tree = match yaml::parse(text) {
        Ok(tree) => tree,
        Err(invalid) => {
            let span = invalid.span.unwrap_or(Span { line: 1, column: 1, length: 0 });
            let message = format!("file `{file}` is not valid YAML");
            report.error(codes::INVALID_YAML, message, span, invalid.message);
            return None;
        }
    };
    let shape = if is_head { keys::ROOT } else { &keys::ROOT[keys::PROJECT_KEYS..] };
    let start = Span { line: 1, column: 1, length: 0 };
    let root = Reader::open(report, &format!("file `{file}`"), start, &tree, shape)?;
    Some((is_head.then(|| read_head(&root)), read_sections(&root)))
}

/// Gives the tables of SQL and Python files what YAML says about them.
fn add_notes(declared: &mut [Declared], notes: Vec<TableNote>, diagnostics: &mut Vec<Diagnostic>) {
    let mut noted: BTreeMap<AssetName, Place> = BTreeMap::new();
    let mut tables: BTreeMap<AssetName, usize> = BTreeMap::new();
    for (position, found) in declared.iter().enumerate().filter(|(_, found)| found.kind == Kind::Table) {
        tables.entry(found.name.clone()).or_insert(position);
    }
    for note in notes {
        let name = note.name.clone();
        if let Some(first) = noted.get(&name) {
            diagnostics.push(declared_twice(Kind::Table, &name, first, &note.place));
            continue;
        }
        noted.insert(name.clone(), note.place.clone());
        match tables.get(&name) {
            Some(position) => declared[*position].asset.iter_mut().for_each(|asset| add_note(asset, &note)),
            None => diagnostics.push(table_without_sql(declared, &note)),
        }
    }
}

fn add_note(asset: &mut Asset, note: &TableNote) {
    asset.owner.clone_from(&note.common.owner);
    asset.description.clone_from(&note.common.description);
    asset.tags.clone_from(&note.common.tags);
    asset.checks.clone_from(&note.common.checks);
    if let Definition::Table(table) = &mut asset.definition {
        describe_columns(&mut table.columns, &note.common.columns);
        if table.grain.is_empty() {
            table.grain.clone_from(&note.grain);
        }
    }
}

/// Columns as YAML describes them. A Python file may say their types, which stay where YAML says none.
fn describe_columns(columns: &mut Vec<Column>, noted: &[Column]) {
    for note in noted {
        match columns.iter_mut().find(|column| column.name == note.name) {
            Some(column) => *column = Column { data_type: note.data_type.or(column.data_type), ..note.clone() },
            None => columns.push(note.clone()),
        }
    }
}

fn table_without_sql(declared: &[Declared], note: &TableNote) -> Diagnostic {
    let name = &note.name;
    let tables = declared.iter().filter(|found| found.kind == Kind::Table).map(|found| found.name.as_str());
    Diagnostic::error(codes::UNKNOWN_REFERENCE, format!("`tables` describes `{name}`, which does not exist"))
        .with_label(note.place.label(format!("no file `{name}.sql` or `{name}.py` under `tables/`")))
        .with_nearest(nearest(name, tables))
}

/// Assets by name, and all declared names; the first of a name wins.
fn collect(declared: Vec<Declared>, diagnostics: &mut Vec<Diagnostic>) -> (Assets, Known) {
    let (mut assets, mut known) = (Assets::new(), Known::new());
    for Declared { name, kind, place, asset } in declared {
        if let Some((_, first)) = known.get(&name) {
            diagnostics.push(declared_twice(kind, &name, first, &place));
            continue;
        }
        known.insert(name.clone(), (kind, place));
        if let Some(asset) = asset {
            assets.insert(name, asset);
        }
    }
    (assets, known)
}

fn declared_twice(kind: Kind, name: &str, first: &Place, second: &Place) -> Diagnostic {
    Diagnostic::error(codes::DUPLICATE_ASSET, format!("{kind} `{name}` has a name that is taken"))
        .with_label(second.label("the second"))
        .with_label(first.label("the first"))
        .with_help("rename one of them; assets of all kinds share one space of names")
}

/// A freshness check of a whole asset is about its time column, which may stand in SQL rather than in YAML.
fn complete_freshness(mut assets: Assets, diagnostics: &mut Vec<Diagnostic>) -> Assets {
    for asset in assets.values_mut() {
        let time = match &asset.definition {
            Definition::Source(source) => source.time.clone(),
            Definition::Table(table) => table.time.clone(),
            Definition::FeatureView(view) => Some(view.time.clone()),
            _ => None,
        };
        let origin = asset.origin.clone();
        let what = format!("{} `{}`", asset.kind(), asset.name);
        let waiting = asset.checks.iter_mut();
        for check in waiting.filter(|check| check.column.is_none() && matches!(check.rule, Rule::Freshness { .. })) {
            check.column.clone_from(&time);
            if time.is_none() {
                let message = format!("check `{}` of {what} has no time column to look at", check.name);
                let (line, column, length) = (origin.line, origin.column, 0);
                let label = Label { file: origin.file.clone(), line, column, length, text: String::new() };
                let help = "write the check under a column, or say which column is the `time`";
                diagnostics.push(Diagnostic::error(codes::INVALID_CHECK, message).with_label(label).with_help(help));
            }
        }
    }
    assets
}

fn report_what_is_missing(files: &BTreeMap<String, String>, is_empty: bool, diagnostics: &mut Vec<Diagnostic>) {
    if !files.contains_key(HEAD_FILE) {
        let diagnostic = Diagnostic::error(codes::PROJECT_MISSING, "there is no `baton.yml` in this folder")
            .with_help("write `project: name` into `baton.yml`, or run `baton init`");
        diagnostics.push(diagnostic);
    } else if is_empty && diagnostics.is_empty() {
        let label = Label { file: HEAD_FILE.to_owned(), line: 1, column: 1, length: 0, text: String::new() };
        let diagnostic = Diagnostic::warning(codes::PROJECT_EMPTY, "the project declares no assets")
            .with_label(label)
            .with_help("add `sources:` to a `.yml` file, or a query to `tables/`");
        diagnostics.push(diagnostic);
    }
}
