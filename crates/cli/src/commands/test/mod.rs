//! `baton test`: unit tests of tables and feature views on given rows; touches no environment.

mod junit;
mod watch;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use baton_core::unit_test::UnitTest;
use baton_diagnostics::{has_errors, nearest};
use baton_orchestrator::{FixtureOptions, Prepared, TestReport, TestSuite, check_tests};

use super::end_at_interrupt;
use crate::args::TestArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::project::Workspace;
use crate::wire::Access;
use crate::{output, render};

/// Whether a test is to be run.
type Concern<'c> = dyn Fn(&Prepared, &UnitTest) -> bool + 'c;

/// Runs the tests that are asked for, or writes one.
pub(super) async fn test(context: &Context, arguments: &TestArguments) -> Result<Outcome, CliError> {
    end_at_interrupt();
    if arguments.watch {
        return watch::watch(context, arguments).await;
    }
    let workspace = Workspace::open(context, Access::Read).await?;
    if let Some(table) = &arguments.fixture {
        return write_fixture(&workspace, arguments, table).await;
    }
    let reports = run(&workspace, arguments, None).await?;
    if let Some(file) = &arguments.junit {
        junit::write(&workspace.project.name, &reports, file)?;
    }
    match reports.iter().filter(|report| !report.passed).count() {
        0 => Ok(Outcome::Fine),
        failed => Err(CliError::TestsFailed { failed, total: reports.len() }),
    }
}

/// Runs the tests of `arguments`, of those only the ones about `about` when it is given. Prints them.
async fn run(
    workspace: &Workspace,
    arguments: &TestArguments,
    about: Option<&Concern<'_>>,
) -> Result<Vec<TestReport>, CliError> {
    let context = &workspace.context;
    let as_of = workspace.viewed_at().await?;
    let prepared = workspace.prepare(as_of).await?;
    let found = check_tests(workspace.services(), &prepared).await;
    if has_errors(&found) {
        return Err(CliError::Project { rendered: workspace.project.render(&found, output::stderr_has_color()) });
    }
    let selected = workspace.select(&prepared, as_of, &arguments.selection).await?;
    let is_wanted = |test: &&UnitTest| {
        selected.as_ref().is_none_or(|selected| selected.contains(&test.target))
            && about.is_none_or(|about| about(&prepared, test))
    };
    let tests: Vec<&UnitTest> = named(&prepared, &arguments.names)?.into_iter().filter(is_wanted).collect();
    let began = Instant::now();
    let folder = scratch()?;
    let suite = TestSuite::new(workspace.services(), &prepared, folder.path())?;
    let mut failed_output = Ok(());
    let reports = suite
        .run(&tests, arguments.jobs.unwrap_or_else(cores), |report| {
            if !context.is_json() && (!context.quiet || !report.passed) && failed_output.is_ok() {
                failed_output = output::print(&render::test(report));
            }
        })
        .await;
    failed_output?;
    match context.is_json() {
        true => output::print_json(&reports)?,
        false if reports.is_empty() => output::print(nothing_to_run(about.is_some()))?,
        false => output::print(&render::tests(&reports, began.elapsed()))?,
    }
    Ok(reports)
}

/// Writes a test of rows that the environment has.
async fn write_fixture(workspace: &Workspace, arguments: &TestArguments, table: &str) -> Result<Outcome, CliError> {
    let prepared = workspace.prepare(workspace.viewed_at().await?).await?;
    let folder = scratch()?;
    let suite = TestSuite::new(workspace.services(), &prepared, folder.path())?;
    let options = FixtureOptions {
        table: table.to_owned(),
        filter: arguments.filter.clone(),
        limit: arguments.limit,
        unmasked: arguments.unmasked,
    };
    let fixture = suite.fixture(&workspace.environment, &options).await?;
    for note in &fixture.notes {
        output::say(note);
    }
    match &arguments.out {
        None => output::print(&fixture.text)?,
        Some(file) => write_new(file, &fixture.text)?,
    }
    Ok(Outcome::Fine)
}

/// Writes a file that must not be there yet, and the folders above it.
fn write_new(file: &Path, text: &str) -> Result<(), CliError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or(Ok(()), std::fs::create_dir_all).map_err(CliError::file("create", file))?;
    let mut written = std::fs::File::create_new(file).map_err(CliError::file("write", file))?;
    written.write_all(text.as_bytes()).map_err(CliError::file("write", file))
}

fn nothing_to_run(is_watched: bool) -> &'static str {
    match is_watched {
        true => "no test is concerned\n",
        false => "there is no such unit test; write one under `tests:` in a .yml file\n",
    }
}

/// The tests of these names, or about assets of these names; all when there is no name.
fn named<'p>(prepared: &'p Prepared, names: &[String]) -> Result<Vec<&'p UnitTest>, CliError> {
    let tests = &prepared.project.tests;
    let is_it = |test: &UnitTest, name: &String| test.name == *name || test.target.as_str() == name.as_str();
    for name in names {
        if !tests.iter().any(|test| is_it(test, name)) && !prepared.project.assets.contains_key(name.as_str()) {
            let known: BTreeSet<&str> =
                tests.iter().flat_map(|test| [test.name.as_str(), test.target.as_str()]).collect();
            let nearest = nearest(name, known.iter().copied()).map(str::to_owned);
            return Err(CliError::UnknownTest { name: name.clone(), nearest });
        }
    }
    Ok(tests.iter().filter(|test| names.is_empty() || names.iter().any(|name| is_it(test, name))).collect())
}

/// A folder for the tables of the tests, in memory where the system has a place for that: they are thrown away.
fn scratch() -> Result<tempfile::TempDir, CliError> {
    let memory = PathBuf::from("/dev/shm");
    let in_memory = memory.is_dir().then(|| tempfile::Builder::new().prefix("baton-test").tempdir_in(&memory).ok());
    match in_memory.flatten() {
        Some(folder) => Ok(folder),
        None => tempfile::tempdir().map_err(CliError::file("create", "a temporary folder")),
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
