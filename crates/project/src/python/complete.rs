//! What a Python table takes from the rest of the project: times of its inputs, the environment's lock; and whether it
//! says what it returns.

use std::collections::BTreeMap;

use baton_core::asset::{Assets, Materialize};
use baton_core::{Asset, AssetName, Definition, Fingerprint};
use baton_diagnostics::{Diagnostic, Label, codes};

use crate::spec::PythonSettings;

/// Completes the Python tables among `assets`. Says what they lack.
pub(crate) fn complete(
    assets: &mut Assets,
    settings: &PythonSettings,
    files: &BTreeMap<String, String>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let times: BTreeMap<AssetName, String> =
        assets.iter().filter_map(|(name, asset)| Some((name.clone(), time_of(&asset.definition)?))).collect();
    let lock = settings.lock_file(files).map(|(file, text)| Fingerprint::of([file.as_str(), text.as_str()]));
    let mut unlocked = None;
    for asset in assets.values_mut() {
        let Definition::Table(table) = &mut asset.definition else { continue };
        let Some(python) = &mut table.python else { continue };
        python.lock.clone_from(&lock);
        for parameter in &mut python.parameters {
            parameter.time = times.get(&parameter.input).cloned();
        }
        check_columns(asset, diagnostics);
        check_window(asset, diagnostics);
        unlocked = unlocked.or_else(|| lock.is_none().then(|| place(asset)));
    }
    if let Some(place) = unlocked {
        diagnostics.push(not_locked(settings, place));
    }
}

fn time_of(definition: &Definition) -> Option<String> {
    match definition {
        Definition::Source(source) => source.time.clone(),
        Definition::Table(table) => table.time.clone(),
        _ => None,
    }
}

/// Nothing is run to find out what a function returns, so the table says it.
fn check_columns(asset: &Asset, diagnostics: &mut Vec<Diagnostic>) {
    let Definition::Table(table) = &asset.definition else { return };
    let untyped: Vec<&str> =
        table.columns.iter().filter(|column| column.data_type.is_none()).map(|column| column.name.as_str()).collect();
    let lacks = match (table.columns.is_empty(), untyped.is_empty()) {
        (true, _) => "does not say which columns it returns".to_owned(),
        (false, false) => format!("does not say the type of {}", untyped.join(", ")),
        (false, true) => return,
    };
    let found = Diagnostic::error(codes::UNDECLARED_COLUMNS, format!("Python table `{}` {lacks}", asset.name));
    diagnostics.push(found.with_label(place(asset)).with_help(
        "write `config = {\"columns\": {\"day\": \"timestamp\", \"flights\": \"int\"}}` in the file, or `columns:` with types under `tables:` in YAML",
    ));
}

/// An incremental table gets the rows of one interval, so an input must say which those are.
fn check_window(asset: &Asset, diagnostics: &mut Vec<Diagnostic>) {
    let Definition::Table(table) = &asset.definition else { return };
    let Some(python) = table.python.as_ref().filter(|_| table.materialize == Materialize::Incremental) else { return };
    if python.parameters.iter().any(|parameter| parameter.time.is_some() && !parameter.whole) {
        return;
    }
    let message = format!("no input of incremental table `{}` has a time column", asset.name);
    let help = "say the `time` of a source or table that it reads, and leave that out of `whole`";
    diagnostics
        .push(Diagnostic::error(codes::INCOMPLETE_INCREMENTAL, message).with_label(place(asset)).with_help(help));
}

fn not_locked(settings: &PythonSettings, place: Label) -> Diagnostic {
    let message = match &settings.lock {
        Some(lock) => format!("the lock file `{lock}` of the Python environment is not there"),
        None => "the packages of the Python environment are not locked".to_owned(),
    };
    Diagnostic::warning(codes::NOT_LOCKED, message)
        .with_label(place)
        .with_detail("Another version of a package can compute other rows, and Baton would not know.")
        .with_help("keep `uv.lock` or `requirements.txt` beside `baton.yml`, or name a file: `python: {lock: ...}`")
}

fn place(asset: &Asset) -> Label {
    let origin = &asset.origin;
    Label { file: origin.file.clone(), line: origin.line, column: origin.column, length: 0, text: String::new() }
}
