//! A command that is killed at every point between its steps and run again leaves what one run without a kill leaves.

use baton_testkit::project::TestProject;
use serde_json::{Value, json};

use crate::answers::{json as answer, ok};

/// Everything is collected at once.
pub(crate) const ALL: [&str; 4] = ["--keep", "0s", "--grace", "0s"];

/// What a kill must not change beside what [`state`] looks at.
pub(crate) type Beside = fn(&TestProject) -> Value;

/// Runs `command` whole, and once for every failpoint with a kill there and the same command again. Where the killed
/// command had done its work already, `done` is how it refuses. Answers with how many points there were.
pub(crate) fn kill_everywhere(ready: impl Fn() -> TestProject, command: &[&str], done: &str) -> usize {
    kill_everywhere_beside(ready, command, done, |_| Value::Null)
}

/// As [`kill_everywhere`], for projects of which more than the tables of the shop must stay.
pub(crate) fn kill_everywhere_beside(
    ready: impl Fn() -> TestProject,
    command: &[&str],
    done: &str,
    beside: Beside,
) -> usize {
    let state = |project: &TestProject| json!([state(project), beside(project)]);
    let whole = ready();
    ok(&whole, command);
    let expected = state(&whole);
    for nth in 1.. {
        let project = ready();
        let killed = project.command(command).env("BATON_FAILPOINT", format!("@{nth}")).output().unwrap();
        if killed.status.code() == Some(0) {
            return nth - 1;
        }
        assert_eq!(killed.status.code(), None, "point {nth}: {}", String::from_utf8_lossy(&killed.stderr));
        let again = project.output(command);
        let refused = again.code == Some(1) && !done.is_empty() && again.stderr.contains(done);
        assert!(again.code == Some(0) || refused, "point {nth}: {}", again.stderr);
        assert_eq!(state(&project), expected, "point {nth}");
        ok(&project, &[&["gc"], &ALL[..]].concat());
        assert_eq!(state(&project), expected, "point {nth}, collected");
    }
    unreachable!("a command that never ends")
}

/// Of every environment its clock, the clocks of its commits and what changed under it; of every table there its digest
/// and its profile; all tags. Nothing of it depends on when something was done.
fn state(project: &TestProject) -> Value {
    let environments = answer(project, &["env", "list", "-o", "json"]);
    let built = environments.as_array().unwrap().iter().filter(|line| !line["commit"].is_null());
    let of = |line: &Value| {
        let name = line["name"].as_str().unwrap();
        let log = answer(project, &["log", "-e", name, "-o", "json"]);
        let clocks: Vec<&Value> = log.as_array().unwrap().iter().map(|commit| &commit["as_of"]).collect();
        let drift = answer(project, &["plan", "--refresh-only", "-e", name, "-o", "json"]);
        json!([name, line["as_of"], clocks, drift["drift"], tables(project, name)])
    };
    let tags = answer(project, &["tag", "--list", "-o", "json"]);
    let tags: Vec<&Value> = tags.as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    json!({"environments": built.map(of).collect::<Vec<_>>(), "tags": tags})
}

fn tables(project: &TestProject, environment: &str) -> Vec<Value> {
    let lines = answer(project, &["ls", "-e", environment, "-o", "json"]);
    let stored = lines.as_array().unwrap().iter().filter(|line| line["rows"].is_u64());
    let of = |line: &Value| {
        let name = line["name"].as_str().unwrap();
        let shown = answer(project, &["show", name, "-e", environment, "-o", "json"]);
        json!([name, shown["digest"], line["rows"], shown["profile"], shown["versions"].as_array().map(Vec::len)])
    };
    stored.map(of).collect()
}
