//! The outcome of tests as JUnit XML, which build servers show.

use std::path::Path;
use std::time::Duration;

use baton_orchestrator::TestReport;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::error::CliError;
use crate::render;

/// Writes `reports` to `file`: a suite for each tested asset.
pub(super) fn write(project: &str, reports: &[TestReport], file: &Path) -> Result<(), CliError> {
    let text = xml(project, reports).map_err(std::io::Error::other).map_err(CliError::file("write", file))?;
    std::fs::write(file, text).map_err(CliError::file("write", file))
}

fn xml(project: &str, reports: &[TestReport]) -> Result<String, quick_junit::SerializeError> {
    let mut document = Report::new(project);
    let targets: std::collections::BTreeSet<&str> = reports.iter().map(|report| report.target.as_str()).collect();
    for target in targets {
        let mut suite = TestSuite::new(target);
        suite.add_test_cases(reports.iter().filter(|report| report.target.as_str() == target).map(case));
        document.add_test_suite(suite);
    }
    document.to_string()
}

fn case(report: &TestReport) -> TestCase {
    let status = match (&report.error, report.passed) {
        (_, true) => TestCaseStatus::success(),
        (Some(_), _) => TestCaseStatus::non_success(NonSuccessKind::Error),
        (None, _) => TestCaseStatus::non_success(NonSuccessKind::Failure),
    };
    let mut case = TestCase::new(report.name.as_str(), status);
    case.set_classname(report.target.as_str()).set_time(Duration::from_secs_f64(report.seconds));
    if !report.passed {
        let text = anstream::adapter::strip_str(&render::test(report)).to_string();
        case.status.set_message(report.error.clone().unwrap_or_else(|| "the rows are not as expected".to_owned()));
        case.status.set_description(text);
    }
    case
}
