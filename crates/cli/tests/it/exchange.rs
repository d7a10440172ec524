//! What MLflow and Optuna keep, brought in and handed back: the unmodified client is told the same before and after.
//!
//! Needs `BATON_TEST_MLFLOW`, a Python with the packages of `xtask/requirements-mlflow.txt`.

use std::fs;
use std::path::Path;
use std::process::Command;

use baton_testkit::project::TestProject;
use serde_json::{Value, json};

use crate::answers;
use crate::shop::empty;
use crate::tracking::{python, start};

fn script(name: &str, arguments: &[&str], folder: &Path) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name);
    let mut client = Command::new(python());
    client.arg(path).args(arguments).current_dir(folder).env("PYTHONWARNINGS", "ignore");
    client.env("MLFLOW_DISABLE_TELEMETRY", "true").env("DO_NOT_TRACK", "true").env("MLFLOW_ALLOW_FILE_STORE", "true");
    client.env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0");
    let output = client.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}

/// What the client is told of a tracker, line by line.
fn told(uri: &str, folder: &Path) -> Vec<Value> {
    let printed = script("exchange_client.py", &["told", uri], folder);
    let lines = printed.lines().filter(|line| line.starts_with('['));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn check_same(expected: &[Value], found: &[Value], where_: &str) {
    for (expected, found) in expected.iter().zip(found) {
        assert_eq!(expected, found, "{where_}");
    }
    assert_eq!(expected.len(), found.len(), "{where_}");
}

/// New, changed and unchanged records of each kind.
fn counts(report: &Value) -> Vec<[u64; 3]> {
    let kinds = ["experiments", "runs", "logged_models", "registered_models", "model_versions", "traces"];
    let counts = |kind: &str| ["new", "changed", "unchanged"].map(|what| report[kind][what].as_u64().unwrap());
    kinds.into_iter().map(counts).collect()
}

fn import(project: &TestProject, arguments: &[&str]) -> Value {
    answers::json(project, &[&["import"], arguments, &["--output", "json"]].concat())
}

/// Brings in what the client made at `uri`, and checks that it is told the same by Baton, and by what Baton hands back.
fn check_round(uri: &str, address: &str, project: &TestProject) {
    let folder = project.folder().to_owned();
    script("exchange_client.py", &["make", uri], &folder);
    let expected = told(uri, &folder);
    assert!(expected.len() > 50, "{expected:?}");

    let report = import(project, &["mlflow", address, "--store", "tracking.db"]);
    assert_eq!(counts(&report), [[2, 0, 1], [5, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0], [1, 0, 0]], "{report}");
    assert_eq!(report["set_aside"], json!([]));
    let again = import(project, &["mlflow", address, "--store", "tracking.db"]);
    assert_eq!(counts(&again), [[0, 0, 3], [0, 0, 5], [0, 0, 1], [0, 0, 2], [0, 0, 3], [0, 0, 1]], "{again}");
    assert_eq!((&again["files"]["copied"], &again["files"]["unchanged"]), (&json!(0), &report["files"]["copied"]));

    let server = start(project);
    check_same(&expected, &told(&format!("http://{}", server.address), &folder), "told by Baton");
    drop(server);

    answers::json(project, &["export", "mlflow", "handed", "--store", "tracking.db", "--output", "json"]);
    let handed = format!("sqlite:///{}", folder.join("handed/mlflow.db").display());
    check_same(&expected, &told(&handed, &folder), "told by what is handed back");

    let back = import(project, &["mlflow", "handed/mlflow.db", "--store", "again/tracking.db"]);
    assert_eq!(counts(&back), counts(&report));
    answers::json(project, &["export", "mlflow", "twice", "--store", "again/tracking.db", "--output", "json"]);
    let rows = |name: &str| script_rows(&folder.join(name).join("mlflow.db"));
    assert_eq!(rows("handed"), rows("twice"), "brought in again it is equal, row by row");
    let refused = project.output(&["export", "mlflow", "handed", "--store", "tracking.db"]);
    assert_eq!(refused.code, Some(1), "what is there is not written over");
}

/// All rows of a database, without where its files lie.
fn script_rows(database: &Path) -> String {
    let program = "
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
folder = sys.argv[1].rsplit('/', 1)[0]
for (table,) in database.execute(\"SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1\").fetchall():
    for row in sorted(str(row).replace(folder, '') for row in database.execute(f'SELECT * FROM \"{table}\"')):
        print(table, row)
";
    let output = Command::new(python()).arg("-c").arg(program).arg(database).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_database_of_mlflow_goes_round() {
    let project = empty();
    check_round("sqlite:///mlflow.db", "mlflow.db", &project);
}

#[test]
fn a_folder_of_mlflow_goes_round() {
    let project = empty();
    let uri = format!("file://{}", project.path("mlruns").display());
    check_round(&uri, "mlruns", &project);
}

/// A folder as MLflow 2 wrote it, with mistakes in it.
fn damaged() -> TestProject {
    let run = "artifact_uri: /gone/1/{id}/artifacts\nend_time: 2000\nentry_point_name: ''\nexperiment_id: '1'\nlifecycle_stage: active\n\
               run_id: {id}\nrun_name: {name}\nrun_uuid: {id}\nsource_name: ''\nsource_type: 4\nsource_version: ''\nstart_time: 1000\n\
               status: 3\ntags: []\nuser_id: ann\n";
    let run = |id: &str, name: &str| run.replace("{id}", id).replace("{name}", name);
    let experiment = "artifact_location: /gone/1\nexperiment_id: '1'\nlifecycle_stage: active\nname: old\n";
    empty()
        .file("mlruns/1/meta.yaml", experiment)
        .file("mlruns/1/aaaa/meta.yaml", &run("aaaa", "good"))
        .file("mlruns/1/aaaa/metrics/loss", "1000 0.5 0\nbroken\n1001 0.25 1\n1002 nought 2\n")
        .file("mlruns/1/aaaa/params/alpha", "0.5")
        .file("mlruns/1/aaaa/tags/mlflow.note.content", "as it was")
        .file("mlruns/1/aaaa/artifacts/a/b.txt", "hello")
        .file("mlruns/1/bbbb/meta.yaml", "run_id: [broken\n")
        .file("mlruns/1/cccc/meta.yaml", &run("dddd", "elsewhere"))
        .file("mlruns/1/eeee/meta.yaml", &run("eeee", "late").replace("status: 3", "status: 9"))
        .file("mlruns/2/notes.txt", "no experiment")
        .file("mlruns/models/m/meta.yaml", "creation_timestamp: 1\nlast_updated_timestamp: 1\nname: m\n")
        .file("mlruns/models/m/version-1/meta.yaml", "current_stage: None\nname: m\nsource: /gone/1/aaaa/artifacts/a\n")
}

#[test]
fn mistakes_are_named_and_set_aside_and_the_rest_is_kept() {
    let project = damaged();
    let output = project.output(&["import", "mlflow", "mlruns", "--output", "json"]);
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("7 of what was to be brought in were set aside"), "{}", output.stderr);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    let aside: Vec<String> = report["set_aside"]
        .as_array()
        .unwrap()
        .iter()
        .map(|aside| {
            let place = aside["place"].as_str().unwrap();
            let place = place.split_once("mlruns/").map_or(place, |(_, place)| place);
            format!("{place}: {}", aside["reason"].as_str().unwrap())
        })
        .collect();
    let expected = [
        "2/meta.yaml: cannot be read: No such file or directory (os error 2)",
        "1/aaaa/metrics/loss:2: `broken` has no value",
        "1/aaaa/metrics/loss:4: `1002 nought 2` has a value that is no number",
        "1/bbbb/meta.yaml: is no YAML",
        "1/cccc/meta.yaml: says run `dddd`, and its folder is `cccc`",
        "1/eeee/meta.yaml: has status 9, which is none",
        "models/m/version-1/meta.yaml: has no `version` that is a number",
    ];
    assert_eq!(aside.len(), expected.len(), "{aside:#?}");
    for (found, expected) in aside.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
    let listed = answers::json(&project, &["runs", "ls", "--output", "json"]);
    let run = &listed["runs"][0];
    assert_eq!(listed["runs"].as_array().unwrap().len(), 1);
    assert_eq!((&run["name"], &run["status"], &run["user"]), (&json!("good"), &json!("FINISHED"), &json!("ann")));
    assert_eq!((&run["metrics"], &run["params"]), (&json!({"loss": 0.25}), &json!({"alpha": "0.5"})));
    let kept = project.path(".baton/artifacts/files/1/aaaa/artifacts/a/b.txt");
    assert_eq!(fs::read_to_string(kept).unwrap(), "hello");

    // Mended, the same command brings in what was missing.
    project.write("mlruns/1/aaaa/metrics/loss", "1000 0.5 0\n1001 0.25 1\n1002 0.125 2\n");
    project.write(
        "mlruns/1/eeee/meta.yaml",
        &fs::read_to_string(project.path("mlruns/1/eeee/meta.yaml")).unwrap().replace("status: 9", "status: 4"),
    );
    let again = project.output(&["import", "mlflow", "mlruns", "--output", "json"]);
    let report: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(counts(&report)[1], [1, 1, 0], "{report}");
}

#[test]
fn places_that_hold_nothing_are_refused() {
    let project = empty().file("a.db", "no database").file("folder/a.txt", "");
    for (arguments, expected) in [
        (
            ["mlflow", "nowhere"],
            "`./nowhere` is not there: give the folder `mlruns`, or a database such as `mlflow.db`",
        ),
        (["mlflow", "folder"], "`./folder` holds no experiments of MLflow: give the folder `mlruns`, or a database"),
        (["mlflow", "http://127.0.0.1:5000"], "cannot read `http://127.0.0.1:5000`: give a path"),
        (["optuna", "nowhere.db"], "`./nowhere.db` is not there: give a database of Optuna"),
        (["mlflow", "a.db"], "`./a.db` cannot be read as a database of SQLite: "),
    ] {
        let output = project.output(&[&["import"], &arguments[..]].concat());
        assert_eq!(output.code, Some(1), "{arguments:?}");
        assert!(output.stderr.contains(expected), "{}", output.stderr);
    }
}

#[test]
fn studies_of_optuna_are_parents_of_their_trials() {
    let project = empty();
    let printed = script("exchange_optuna.py", &["sqlite:///optuna.db"], project.folder());
    let mut lines = printed.lines();
    let studies: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let best: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    let report = import(&project, &["optuna", "optuna.db"]);
    assert_eq!(counts(&report)[..2], [[2, 0, 0], [18, 0, 0]], "{report}");
    let again = import(&project, &["optuna", "sqlite:///optuna.db"]);
    assert_eq!(counts(&again)[..2], [[0, 0, 2], [0, 0, 18]], "{again}");

    let list = |filter: &str, experiment: &str| {
        let arguments =
            ["runs", "ls", "--experiment", experiment, "--filter", filter, "--limit", "100", "--output", "json"];
        answers::json(&project, &arguments)["runs"].as_array().unwrap().clone()
    };
    let parents = list("tags.`optuna.directions` = 'minimize'", "tune");
    assert_eq!(parents.len(), 1);
    let parent = &parents[0];
    assert_eq!((&parent["name"], &parent["tags"]["optuna.user.team"]), (&json!("tune"), &json!("cellar")));
    assert_eq!(parent["tags"]["optuna.best_trial"], best[0].to_string());
    assert_eq!(parent["metrics"]["best_value"], best[1]);
    for (number, trial) in studies[0].as_array().unwrap().iter().enumerate() {
        let found = list(&format!("tags.`optuna.number` = '{number}'"), "tune");
        let run = &found[0];
        assert_eq!(run["tags"]["mlflow.parentRunId"], parent["run_id"]);
        let status = match trial[1].as_str().unwrap() {
            "COMPLETE" => "FINISHED",
            "PRUNED" => "KILLED",
            "FAIL" => "FAILED",
            _ => "SCHEDULED",
        };
        assert_eq!((&run["status"], &run["params"]), (&json!(status), &trial[2]), "{trial}");
        if status == "FINISHED" {
            assert_eq!(run["metrics"]["value"], trial[3][0]);
        }
        let last = trial[4].as_object().unwrap().values().next_back();
        assert_eq!(run["metrics"].get("intermediate_value"), last, "{trial}");
    }
    let of_two = list("tags.`optuna.number` = '1'", "two");
    assert_eq!(of_two[0]["metrics"]["value_0"], studies[1][1][3][0]);
    // MLflow keeps what is infinite as the largest number.
    assert_eq!(of_two[0]["metrics"]["value_1"], json!(f64::MAX));
    let together = import(&project, &["optuna", "optuna.db", "--experiment", "both"]);
    assert_eq!(counts(&together)[..2], [[1, 0, 0], [18, 0, 0]]);
}
