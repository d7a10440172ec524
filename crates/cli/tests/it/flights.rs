//! Two weeks of real flights through the binary: killed again and again, the relay ends as if it had not been.

use std::fs;

use baton_testkit::project::TestProject;
use serde_json::Value;

const AS_OF: &str = "2013-02-20";
const END: &str = "2013-03-06";

/// The flights template, cut to three months and a small search.
pub(crate) fn flights() -> TestProject {
    let project = TestProject::new(env!("CARGO_BIN_EXE_baton"));
    let made = project.output(&["init", "--template", "flights"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    for month in 4..=12 {
        fs::remove_file(project.path(&format!("landing/flights/2013-{month:02}.parquet"))).unwrap();
    }
    edit(&project, "models.yml", "trials: 8, cross_validate: 3", "trials: 1, cross_validate: 2");
    edit(&project, "models.yml", "test: 30d, validate: 15d", "test: 7d, validate: 3d");
    edit(&project, "models.yml", "cooldown: 45d", "cooldown: 10d");
    edit(&project, "models.yml", "      - {load_test: {rps: 200, p99_ms: 250}}\n", "");
    edit(&project, "models.yml", "roc_auc >= 0.65", "roc_auc >= 0.5");
    edit(&project, "monitors.yml", "min_rows: 1000", "min_rows: 100");
    project
}

fn edit(project: &TestProject, file: &str, from: &str, to: &str) {
    let text = fs::read_to_string(project.path(file)).unwrap();
    assert!(text.contains(from), "{file} does not hold {from}");
    fs::write(project.path(file), text.replace(from, to)).unwrap();
}

/// Runs a command to its end through kills at ever other points; answers with the number of kills. After each kill a
/// reader must see a whole state: every flight at most once, and no outcome without its flight.
fn through_kills(project: &TestProject, arguments: &[&str], mut distance: u32, step: u32) -> usize {
    for kills in 0.. {
        let killed = project.command(arguments).env("BATON_FAILPOINT", format!("@{distance}")).output().unwrap();
        if killed.status.code() == Some(0) {
            return kills;
        }
        let said = String::from_utf8_lossy(&killed.stderr);
        assert_eq!(killed.status.code(), None, "kill {kills} at {distance}: {said}");
        if project.path(".baton/ledger.db").exists() {
            assert_whole(project, kills);
        }
        distance += step;
    }
    unreachable!("a command that never ends")
}

fn assert_whole(project: &TestProject, kills: usize) {
    let query = "select (select count(*) - count(distinct flight_id) from flights) as twice, \
                 (select count(*) from outcomes o left anti join flights f on f.flight_id = o.flight_id) as orphans";
    let answer = project.output(&["query", query, "-o", "json"]);
    if answer.code == Some(1) {
        // Before the first commit there is nothing to read, and the command says so.
        assert!(answer.stderr.contains("apply"), "kill {kills}: {}", answer.stderr);
        return;
    }
    assert_eq!(answer.code, Some(0), "kill {kills}: {}", answer.stderr);
    let text: String = answer.stdout.split_whitespace().collect();
    assert!(text.contains("\"twice\":0") && text.contains("\"orphans\":0"), "kill {kills}: {text}");
}

/// Digests of all tables and of the models, and rows of the predictions, as the environment's head pins them.
fn digests(project: &TestProject) -> Vec<(String, Value, Value)> {
    let log = project.output(&["log", "-o", "json", "--limit", "1"]);
    let commits: Value = serde_json::from_str(&log.stdout).unwrap();
    let assets = commits[0]["assets"].as_object().cloned().unwrap_or_default();
    assert!(assets.len() > 20, "the log has no assets: {}", log.stdout);
    assets.into_iter().map(|(name, pin)| (name, pin["digest"].clone(), pin["rows"].clone())).collect()
}

#[test]
fn relay_killed_again_and_again_ends_as_if_it_had_not_been() {
    let apply = ["apply", "--yes", "--as-of", AS_OF];
    let replay = ["replay", "--from", AS_OF, "--to", END];
    let whole = flights();
    for command in [&apply[..], &replay[..]] {
        let output = whole.output(command);
        assert_eq!(output.code, Some(0), "{}{}", output.stdout, output.stderr);
    }
    let killed = flights();
    let kills = through_kills(&killed, &apply, 3, 5) + through_kills(&killed, &replay, 7, 11);
    assert!(kills >= 25, "only {kills} kills");
    assert_eq!(digests(&killed), digests(&whole), "after {kills} kills");
    let left = killed.output(&["plan", "--detailed-exitcode", "--as-of", END]);
    assert_eq!(left.code, Some(0), "{}", left.stdout);
}
