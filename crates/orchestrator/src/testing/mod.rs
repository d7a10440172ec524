//! Unit tests: tiny projects of given rows, built by the steps that build the real thing, and their rows held to what
//! was expected.
//!
//! Start at [`TestSuite`]. Every test has a lake and a ledger of its own in a folder that is thrown away; nothing of the
//! project's environments is read or written. It prints nothing.

mod difference;
mod fixture;
mod masking;
mod report;
mod rows;
mod run;
mod scene;
mod validate;
mod yaml;

use std::path::{Path, PathBuf};

use baton_core::unit_test::UnitTest;
use baton_engine::{Engine, EngineOptions};
use futures::StreamExt as _;

pub use difference::{DifferentCell, DifferentRow, RowDifference};
pub use fixture::{Fixture, FixtureOptions};
pub use report::{BatchDifference, TestReport};
pub use validate::check_tests;

use crate::error::RunError;
use crate::prepare::Prepared;
use crate::services::Services;
use run::{TestBench, run_test};

/// Runs unit tests of a project.
pub struct TestSuite<'a> {
    bench: TestBench<'a>,
    folder: PathBuf,
}

impl<'a> TestSuite<'a> {
    /// A suite that works in `folder`, which exists; what it leaves there may be removed at any time after.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn new(services: &'a Services, prepared: &'a Prepared, folder: &Path) -> Result<Self, RunError> {
        let options =
            EngineOptions { threads: 1, spill_dir: folder.join("spill"), ..services.engine.options().clone() };
        let engine = Engine::new(options)?;
        Ok(Self { bench: TestBench { services, prepared, engine }, folder: folder.to_owned() })
    }

    /// Runs `tests`, at most `at_once` at a time, and hands over each report as soon as it is there, in their order.
    pub async fn run(&self, tests: &[&UnitTest], at_once: usize, mut done: impl FnMut(&TestReport)) -> Vec<TestReport> {
        let all = tests.iter().enumerate().map(|(index, test)| self.run_one(index, test));
        let mut running = futures::stream::iter(all).buffered(at_once.max(1));
        let mut reports = Vec::with_capacity(tests.len());
        while let Some(report) = running.next().await {
            done(&report);
            reports.push(report);
        }
        reports
    }

    /// Makes a unit test of rows that `environment` has.
    ///
    /// # Errors
    /// [`RunError::Missing`] for an unknown table, and what fails while rows are looked for and built.
    pub async fn fixture(&self, environment: &str, options: &FixtureOptions) -> Result<Fixture, RunError> {
        fixture::fixture(&self.bench, environment, options, &self.folder.join("fixture")).await
    }

    async fn run_one(&self, index: usize, test: &UnitTest) -> TestReport {
        run_test(&self.bench, test, &self.folder.join(index.to_string())).await
    }
}
