//! Reads a project folder from disk; the only file of this crate that touches one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use baton_core::Definition;
use baton_core::asset::Assets;
use baton_diagnostics::{Diagnostic, Label, codes};
use walkdir::{DirEntry, WalkDir};

use crate::load::{HEAD_FILE, is_project_file, load_texts, sort};
use crate::project::Loaded;
use crate::python::imported_files;
use crate::seed::is_seed;
use crate::spec::PythonSettings;

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
    read_modules(folder, &mut texts, &mut unreadable);
    read_lock(folder, &mut texts);
    let (project, mut diagnostics) = load_texts(texts);
    diagnostics.extend(unreadable);
    diagnostics.extend(missing_runbooks(folder, &project.assets));
    sort(&mut diagnostics);
    Loaded { project, diagnostics }
}

/// Modules of the project that Python files import, and those that these import.
fn read_modules(folder: &Path, texts: &mut BTreeMap<String, String>, unreadable: &mut Vec<Diagnostic>) {
    let is_python = |(file, _): &(&String, &String)| file.ends_with(".py");
    let mut waiting: Vec<String> = texts.iter().filter(is_python).map(|(_, text)| text.clone()).collect();
    while let Some(text) = waiting.pop() {
        for file in imported_files(&text) {
            let path = folder.join(&file);
            if texts.contains_key(&file) || !path.is_file() {
                continue;
            }
            match fs::read_to_string(&path) {
                Ok(text) => {
                    texts.insert(file, text.clone());
                    waiting.push(text);
                }
                Err(error) => unreadable.push(cannot_read(&file, &error.to_string())),
            }
        }
    }
}

/// The lock file of the Python environment, if there are Python tables. `baton.yml` may say which file it is.
fn read_lock(folder: &Path, texts: &mut BTreeMap<String, String>) {
    if !texts.keys().any(|file| file.ends_with(".py")) {
        return;
    }
    let head = texts.get_key_value(HEAD_FILE).map(|(file, text)| (file.clone(), text.clone()));
    let settings = load_texts(head.into_iter().collect()).0.settings.python;
    let known = PythonSettings::LOCKS.map(str::to_owned);
    let locks = settings.lock.map_or_else(|| known.to_vec(), |lock| vec![lock]);
    // One that is named and cannot be read is told as one that is not there.
    let found = locks.into_iter().find_map(|lock| {
        let text = fs::read_to_string(folder.join(&lock)).ok()?;
        Some((lock, text))
    });
    texts.extend(found);
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

/// A runbook that is not there is found when it is needed most, so it is looked for now. A name without `.` and `/` is one of
/// `runbooks:`, and was looked for there.
fn missing_runbooks(folder: &Path, assets: &Assets) -> Vec<Diagnostic> {
    let runbook = |definition: &Definition| match definition {
        Definition::Monitor(monitor) => monitor.runbook.clone().filter(|runbook| runbook.contains(['.', '/'])),
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
