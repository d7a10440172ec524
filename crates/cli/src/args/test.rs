//! Arguments of `test`.

use std::path::PathBuf;

use clap::Args;

use super::SelectionArguments;

/// Arguments of `test`.
#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    /// Only these tests: names of tests, or of what they test; all when left out
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    /// Run at most so many tests at a time [default: as many as there are cores]
    #[arg(long, value_name = "TESTS")]
    pub(crate) jobs: Option<usize>,
    /// Write the outcome as JUnit XML as well
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Stay, and run the tests that a changed file concerns
    #[arg(long, conflicts_with_all = ["junit", "fixture"])]
    pub(crate) watch: bool,
    /// Write a test of this table instead: rows of the environment as given, what the query makes of them as expected
    #[arg(long, value_name = "TABLE", conflicts_with = "names")]
    pub(crate) fixture: Option<String>,
    /// With --fixture: which rows of the table to follow back to its inputs, as a SQL predicate
    #[arg(long = "where", value_name = "PREDICATE", requires = "fixture")]
    pub(crate) filter: Option<String>,
    /// With --fixture: at most so many rows of the table
    #[arg(long, value_name = "ROWS", default_value_t = 5, requires = "fixture")]
    pub(crate) limit: usize,
    /// With --fixture: the file to write [default: standard output]
    #[arg(long, value_name = "FILE", requires = "fixture")]
    pub(crate) out: Option<PathBuf>,
    /// With --fixture: write values of columns tagged as personal or identifiers as they are
    #[arg(long, requires = "fixture")]
    pub(crate) unmasked: bool,
}
