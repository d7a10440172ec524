//! Answers of the binary as values: asked for, expected to be fine, read.

use baton_testkit::project::TestProject;
use serde_json::Value;

/// The standard output of a command that ends well.
pub(crate) fn ok(project: &TestProject, arguments: &[&str]) -> String {
    let answer = project.output(arguments);
    assert_eq!(answer.code, Some(0), "{arguments:?}: {}{}", answer.stdout, answer.stderr);
    answer.stdout
}

/// The standard output of a prepared command that ends well.
pub(crate) fn ok_by(mut command: std::process::Command) -> String {
    let output = command.output().unwrap();
    let (told, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {told}{said}");
    told.into_owned()
}

/// The JSON document that a command answers; `arguments` ask for one.
pub(crate) fn json(project: &TestProject, arguments: &[&str]) -> Value {
    serde_json::from_str(&ok(project, arguments)).unwrap()
}

/// The rows of a query as CSV, with a header.
pub(crate) fn rows(project: &TestProject, sql: &str) -> String {
    ok(project, &["query", sql, "--format", "csv"])
}

/// Whether an environment is what the project asks for.
pub(crate) fn plan_is_empty(project: &TestProject, arguments: &[&str]) -> bool {
    let plan = [&["plan", "--detailed-exitcode", "-q"], arguments].concat();
    project.output(&plan).code == Some(0)
}
