//! Reads a project folder from disk; the only file of this crate that touches one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use baton_core::asset::Assets;
use baton_core::{Definition, UnitTest};
use baton_diagnostics::{Diagnostic, Label, codes};
use walkdir::{DirEntry, WalkDir};

use crate::load::{is_project_file, load_texts, sort};
use crate::project::Loaded;
use crate::seed::is_seed;

/// Reads the project in `folder`. Hidden folders are left out and links are not followed.
pub fn load(folder: &Path) -> Loaded {
    let mut texts = BTreeMap::new();
    let mut unreadable = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name().into_iter().filter_entry(is_visible) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => read_one(folder, entry.path(), &mut texts, &mut unreadable),
            Ok(_) => {}
            Err(error) => {
                let path = error.path().unwrap_or(folder).display().to_string();
                unreadable.push(cannot_read(&path, &error.to_string()));
            }
        }
    }
    let (project, mut diagnostics) = load_texts(texts);
    diagnostics.extend(unreadable);
    diagnostics.extend(missing_runbooks(folder, &project.assets));
    for test in &project.tests {
        explain_python(folder, test, &mut diagnostics);
    }
    sort(&mut diagnostics);
    Loaded { project, diagnostics }
}

/// A test of a Python table names what is not there: Python tables are not read yet. The message says so.
fn explain_python(folder: &Path, test: &UnitTest, diagnostics: &mut [Diagnostic]) {
    let file = format!("tables/{}.py", test.target);
    if !folder.join(&file).is_file() {
        return;
    }
    let is_about = |diagnostic: &&mut Diagnostic| {
        let spot = (test.origin.file.as_str(), test.target_spot.line, test.target_spot.column);
        diagnostic.code == codes::UNKNOWN_REFERENCE
            && diagnostic.labels.first().is_some_and(|label| (label.file.as_str(), label.line, label.column) == spot)
    };
    for diagnostic in diagnostics.iter_mut().filter(is_about) {
        diagnostic.help.push(format!("`{file}` is a Python table: those cannot be built or tested yet"));
    }
}

fn is_visible(entry: &DirEntry) -> bool {
    entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.')
}

fn read_one(folder: &Path, path: &Path, texts: &mut BTreeMap<String, String>, unreadable: &mut Vec<Diagnostic>) {
    let relative = path.strip_prefix(folder).unwrap_or(path);
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    let name = parts.join("/");
    if !is_project_file(&name) {
        return;
    }
    if is_seed(&name) {
        // Its rows are data: they are read when they are landed.
        texts.insert(name, String::new());
        return;
    }
    match fs::read_to_string(path) {
        Ok(text) => {
            texts.insert(name, text);
        }
        Err(error) => unreadable.push(cannot_read(&name, &error.to_string())),
    }
}

fn cannot_read(file: &str, reason: &str) -> Diagnostic {
    Diagnostic::error(codes::UNREADABLE_FILE, format!("`{file}` cannot be read: {reason}"))
}

/// A runbook that is not there is found when it is needed most, so it is looked for now.
fn missing_runbooks(folder: &Path, assets: &Assets) -> Vec<Diagnostic> {
    let runbook = |definition: &Definition| match definition {
        Definition::Monitor(monitor) => monitor.runbook.clone(),
        _ => None,
    };
    let named = assets.values().filter_map(|asset| Some((asset, runbook(&asset.definition)?)));
    named
        .filter(|(_, runbook)| !folder.join(runbook).is_file())
        .map(|(asset, runbook)| {
            let message = format!("runbook `{runbook}` of monitor `{}` is not there", asset.name);
            let (file, length) = (asset.origin.file.clone(), asset.name.len() as u32);
            let (line, column) = (asset.origin.line, asset.origin.column);
            Diagnostic::warning(codes::UNREADABLE_FILE, message)
                .with_label(Label { file, line, column, length, text: String::new() })
                .with_help(format!("write `{runbook}`, relative to the project folder"))
        })
        .collect()
}
