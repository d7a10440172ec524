//! Reads a project folder from disk; the only file of this crate that touches one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use baton_core::Definition;
use baton_core::asset::Assets;
use baton_diagnostics::{Diagnostic, Label, codes};
use walkdir::{DirEntry, WalkDir};

use crate::load::{is_project_file, load_texts, sort};
use crate::project::Loaded;

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
    sort(&mut diagnostics);
    Loaded { project, diagnostics }
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
