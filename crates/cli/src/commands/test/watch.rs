//! `baton test --watch`: waits for files to change and runs the tests that they concern.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use baton_core::unit_test::UnitTest;
use baton_core::{AssetName, Definition};
use baton_orchestrator::Prepared;
use baton_project::Project;

use super::run;
use crate::args::TestArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::output;
use crate::project::Workspace;
use crate::wire::Access;

/// How often files are looked at. A project has few files, so asking is cheaper than to be told.
const PERIOD: Duration = Duration::from_millis(300);

/// Runs all tests, then again and again those that changes concern, until it is interrupted.
pub(super) async fn watch(context: &Context, arguments: &TestArguments) -> Result<Outcome, CliError> {
    let mut texts: Option<BTreeMap<String, String>> = None;
    let mut files = files_of(&context.folder);
    loop {
        match Workspace::open(context, Access::Read).await {
            Ok(workspace) => {
                run_changed(&workspace, arguments, texts.as_ref()).await;
                texts = Some(workspace.project.texts.clone());
            }
            Err(error) => output::say(&error.to_string()),
        }
        output::say("waiting for changes; end with Ctrl-C");
        loop {
            tokio::time::sleep(PERIOD).await;
            let now = files_of(&context.folder);
            if now != files {
                files = now;
                break;
            }
        }
    }
}

/// Runs the tests that the difference to `before` concerns. What fails is said; watching goes on.
async fn run_changed(workspace: &Workspace, arguments: &TestArguments, before: Option<&BTreeMap<String, String>>) {
    let changed = before.map(|before| changed_files(before, &workspace.project.texts));
    let about = |prepared: &Prepared, test: &UnitTest| match &changed {
        None => true,
        Some(changed) => concerns(prepared, test, changed),
    };
    match run(workspace, arguments, Some(&about)).await {
        Ok(_) => {}
        Err(CliError::Project { rendered }) => output::say(rendered.trim_end()),
        Err(error) => output::say(&error.to_string()),
    }
}

fn changed_files(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> BTreeSet<String> {
    let names = before.keys().chain(now.keys());
    names.filter(|name| before.get(*name) != now.get(*name)).cloned().collect()
}

/// Whether a test can come out otherwise: its file, the query or function of a table that it builds, or any other YAML changed.
/// Without a changed project file it was a fixture, and which is not known.
fn concerns(prepared: &Prepared, test: &UnitTest, changed: &BTreeSet<String>) -> bool {
    let is_code = |file: &String| file.ends_with(".sql") || file.ends_with(".py");
    if changed.is_empty() || changed.contains(&test.origin.file) {
        return true;
    }
    let other_yaml =
        changed.iter().filter(|file| !is_code(file)).any(|file| !holds_only_tests(&prepared.project, file));
    let mut read = prepared.graph.upstream(&test.target);
    read.insert(test.target.clone());
    other_yaml || read.iter().flat_map(|name| code_files(&prepared.project, name)).any(|file| changed.contains(file))
}

fn holds_only_tests(project: &Project, file: &str) -> bool {
    project.tests.iter().any(|test| test.origin.file == file)
        && !project.assets.values().any(|asset| asset.origin.file == file)
}

/// The file of a table's query or function, and the modules that a function imports.
fn code_files<'p>(project: &'p Project, name: &AssetName) -> Vec<&'p String> {
    match project.assets.get(name).map(|asset| &asset.definition) {
        Some(Definition::Table(table)) => {
            let modules = table.python.iter().flat_map(|python| python.modules.keys());
            [&table.file].into_iter().chain(modules).collect()
        }
        _ => Vec::new(),
    }
}

type Files = BTreeMap<PathBuf, Option<SystemTime>>;

/// Ends of the names of files that tests can depend on: what projects are written in, and rows. Others, such as a log into
/// which somebody writes what is said here, concern none.
const READ: [&str; 13] =
    ["yml", "yaml", "sql", "py", "toml", "lock", "txt", "csv", "parquet", "json", "jsonl", "ndjson", "arrow"];

/// When each file of the folder that tests can read was last written; hidden folders are left out.
fn files_of(folder: &Path) -> Files {
    let mut files = Files::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && !is_hidden => waiting.push(entry.path()),
                Ok(kind) if kind.is_file() && !is_hidden && is_read(&entry.path()) => {
                    let written = entry.metadata().and_then(|metadata| metadata.modified()).ok();
                    files.insert(entry.path(), written);
                }
                _ => {}
            }
        }
    }
    files
}

fn is_read(file: &Path) -> bool {
    let end = file.extension().map(|end| end.to_string_lossy().to_lowercase());
    end.is_some_and(|end| READ.contains(&end.as_str()))
}
