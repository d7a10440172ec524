//! Data-driven tests: a project as text in, what the user sees out. `-- /path` starts a file.

mod good;
mod programs;
mod python;
mod reading;
mod searching;
mod unit_tests;
mod wrong_checks;
mod wrong_exports;
mod wrong_files;
mod wrong_graph;
mod wrong_missing;
mod wrong_models;
mod wrong_runbooks;
mod wrong_schedules;
mod wrong_sql;
mod wrong_tests;
mod wrong_values;

use std::collections::{BTreeMap, BTreeSet};

use baton_core::AssetName;
use expect_test::Expect;

use crate::{Project, load_texts};

/// The files of a fixture.
fn files(fixture: &str) -> BTreeMap<String, String> {
    let parts = fixture.split("-- /").skip(1);
    parts.filter_map(|part| part.split_once('\n')).map(|(file, text)| (file.to_owned(), text.to_owned())).collect()
}

/// The files of a fixture and a `baton.yml`.
fn with_head(fixture: &str) -> String {
    format!("-- /baton.yml\nproject: flights\n{fixture}")
}

/// Checks what a user sees of a project.
#[track_caller]
fn check(fixture: &str, expected: Expect) {
    let (project, diagnostics) = load_texts(files(fixture));
    expected.assert_eq(&project.render(&diagnostics, false));
}

/// Checks what a user sees of a project's graph, when its SQL reads these tables.
#[track_caller]
fn check_graph(fixture: &str, reads: &[(&str, &[&str])], expected: Expect) {
    let (project, diagnostics) = load_texts(files(fixture));
    assert_eq!(project.render(&diagnostics, false), "");
    let (graph, diagnostics) = project.graph(&sql_reads(reads));
    assert!(graph.topological_order().is_ok());
    expected.assert_eq(&project.render(&diagnostics, false));
}

fn sql_reads(reads: &[(&str, &[&str])]) -> BTreeMap<AssetName, BTreeSet<String>> {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    reads.iter().map(|(name, names)| (AssetName::parse(name).unwrap(), set(names))).collect()
}

/// A project without mistakes.
fn load_good(fixture: &str) -> Project {
    let (project, diagnostics) = load_texts(files(fixture));
    assert_eq!(project.render(&diagnostics, false), "");
    project
}
