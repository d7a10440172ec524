//! Searches: by the command, by a training, after a kill, and by a program that asks and tells.

use std::process::Command;
use std::time::Duration;

use baton_testkit::project::TestProject;
use expect_test::expect;
use serde_json::Value;

use crate::flights::flights;
use crate::shop::empty;

const AS_OF: &str = "2013-03-06";

fn applied() -> TestProject {
    let project = flights();
    let done = project.output(&["apply", "-e", "dev", "--yes", "--as-of", AS_OF]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    project
}

fn search(project: &TestProject, arguments: &[&str]) -> Value {
    let words = [&["search", "arrival_delay", "-e", "dev", "--output", "json"], arguments].concat();
    let done = project.output(&words);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    serde_json::from_str(&done.stdout).unwrap()
}

fn known(outcome: &Value) -> usize {
    trials(outcome).iter().filter(|trial| trial["known"] == true).count()
}

fn trials(outcome: &Value) -> &Vec<Value> {
    outcome["trials"].as_array().unwrap()
}

/// What a trial is, without whether it was known.
fn essence(outcome: &Value) -> Vec<Value> {
    let mut trials = trials(outcome).clone();
    for trial in &mut trials {
        trial.as_object_mut().unwrap().remove("known");
    }
    trials
}

const TPE: &[&str] = &["--method", "tpe", "--trials", "14", "--prune", "halving", "--algorithm", "boosted_trees"];

/// One project for all, as its data take long to make: each part asks for other trials.
#[test]
fn relay_searches_are_resumed_reproduced_and_used_by_training() {
    let project = applied();
    let whole = search(&project, &[TPE, &["--no-cache"]].concat());
    assert_eq!(trials(&whole).len(), 14);
    assert!(trials(&whole).iter().any(|trial| trial["state"] == "pruned"), "{whole}");
    let best = &trials(&whole)[whole["best"].as_u64().unwrap() as usize];
    assert!(best["score"].as_f64().unwrap() > 0.5, "{best}");

    // The same again: nothing is trained, and it is what it was.
    let again = search(&project, TPE);
    assert_eq!((essence(&again), known(&again)), (essence(&whole), 14));
    assert_eq!(again["run_id"], whole["run_id"], "the study is gone on with");

    // Without what is known, and on one thread: the same trials.
    let mut alone =
        project.command(&[&["search", "arrival_delay", "-e", "dev", "-o", "json", "--no-cache"], TPE].concat());
    let alone = alone.env("BATON_THREADS", "1").env("RAYON_NUM_THREADS", "1").output().unwrap();
    let alone: Value = serde_json::from_slice(&alone.stdout).unwrap();
    assert_eq!((essence(&alone), known(&alone)), (essence(&whole), 0));

    told_in_words(&project);
    killed_in_the_middle(&project);
    a_sweep_is_taken(&project);
    a_training_uses_what_is_known(&project);
}

fn told_in_words(project: &TestProject) {
    let grid = "method: grid\nmetric: {name: roc_auc}\nparameters:\n  algorithm: {values: [boosted_trees]}\n  \
                max_depth: {values: [2, 3]}\n  rounds: {value: 10}\n";
    project.write(".baton/grid.yaml", grid);
    let sweep = project.path(".baton/grid.yaml");
    let told =
        project.output(&["search", "arrival_delay", "-e", "dev", "--limit", "1", "--sweep", sweep.to_str().unwrap()]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    let masked = masked(&told.stdout);
    expect![[r#"
        arrival_delay on 30,000 rows of dev: 2 trials, of which 0 stopped early, 0 failed and 0 were known; …
          trial  algorithm      roc_auc  state  parameters
          ─────  ─────────────  ───────  ─────  ──────────────────────
              1  boosted_trees  0.64995  best   max_depth=3, rounds=10
          and 1 more: --limit 2
        note: the sweep gives no goal for `roc_auc`, which is maximized here; Weights & Biases would minimize it: write `goal: maximize`
        tracked as run …, its trials as nested runs
    "#]]
    .assert_eq(&masked);
}

/// Without what differs from run to run: how long it took, and the id of the run.
fn masked(text: &str) -> String {
    let (head, rest) = text.rsplit_once("tracked as run ").unwrap();
    let (_, rest) = rest.split_once(',').unwrap();
    let (first, table) = head.split_once('\n').unwrap();
    let (first, _) = first.rsplit_once("; ").unwrap();
    format!("{first}; …\n{table}tracked as run …,{rest}")
}

fn killed_in_the_middle(project: &TestProject) {
    let words =
        ["search", "arrival_delay", "-e", "dev", "-o", "json", "--seed", "21", "--trials", "10", "--method", "tpe"];
    let mut child = project.command(&words).stdout(std::process::Stdio::null()).spawn().unwrap();
    let ended = || ended_trials(project);
    let before = ended();
    let deadline = std::time::Instant::now() + Duration::from_secs(120);
    while ended() < before + 3 && child.try_wait().unwrap().is_none() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let rest = search(project, &words[6..]);
    let first = known(&rest);
    assert!((3..10).contains(&first), "{first} trials were known after the kill");
    let whole = search(project, &[&words[6..], &["--no-cache"]].concat());
    assert_eq!(essence(&rest), essence(&whole));
}

/// Trials that ended, by the file that keeps them.
fn ended_trials(project: &TestProject) -> usize {
    let script = "import sqlite3, sys\n\
                  try:\n print(sqlite3.connect(sys.argv[1], timeout=60).execute(\"select count(*) from trials where state <> 'running'\").fetchone()[0])\n\
                  except sqlite3.OperationalError:\n print(0)";
    let python = std::env::var_os("BATON_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let output = Command::new(python).args(["-c", script]).arg(project.path(".baton/tracking.db")).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0)
}

fn a_sweep_is_taken(project: &TestProject) {
    let sweep = "method: grid\nmetric: {name: log_loss, goal: minimize}\nparameters:\n  algorithm: {values: [boosted_trees]}\n  \
                 max_depth: {values: [2, 4]}\n  rounds: {value: 20}\n  learning_rate: {values: [0.1, 0.3]}\n";
    // Elsewhere in the folder it would be read as a file of the project.
    project.write(".baton/sweep.yaml", sweep);
    let sweep = project.path(".baton/sweep.yaml");
    let outcome = search(project, &["--sweep", sweep.to_str().unwrap()]);
    assert_eq!((outcome["metric"].as_str(), outcome["higher_is_better"].as_bool()), (Some("log_loss"), Some(false)));
    let depths: Vec<String> = trials(&outcome)
        .iter()
        .map(|trial| format!("{}/{}", trial["params"]["learning_rate"], trial["params"]["max_depth"]))
        .collect();
    assert_eq!(depths, ["0.1/2.0", "0.1/4.0", "0.3/2.0", "0.3/4.0"]);
    let wrong = project.output(&["search", "arrival_delay", "-e", "dev", "--algorithm", "boosted_tree"]);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("the algorithms are boosted_trees, random_forest, logistic"), "{}", wrong.stderr);
}

/// The training of an apply with the same search has nothing to try, and its trials are nested in its run.
fn a_training_uses_what_is_known(project: &TestProject) {
    let models = std::fs::read_to_string(project.path("models.yml")).unwrap();
    let train = "trials: 14, cross_validate: 2, metric: roc_auc, seed: 7, search: {method: tpe, prune: halving}";
    let written = models.replace("trials: 1, cross_validate: 2, metric: roc_auc, seed: 7", train);
    assert_ne!(written, models);
    project.write("models.yml", &written);
    let planned = project.output(&["plan", "-e", "dev", "--as-of", AS_OF]);
    let line = planned.stdout.lines().find(|line| line.starts_with("Search")).unwrap_or_default();
    let (rules, known) = line.split_once("; ").unwrap();
    expect![
        "Search    arrival_delay: at most 14 trials of boosted_trees by tpe for roc_auc, pruned by halving, 4 at a time"
    ]
    .assert_eq(rules);
    assert!(known.ends_with(" known, not trained again where data, metric and seed are the same"), "{known}");
    let planned = project.output(&["plan", "-e", "dev", "--as-of", AS_OF, "--output", "json"]);
    let planned: Value = serde_json::from_str(&planned.stdout).unwrap();
    let search = &planned["searches"][0];
    assert_eq!(
        (&search["method"], &search["trials"], &search["has_new_data"]),
        (&"tpe".into(), &14.into(), &false.into())
    );
    assert!(search["known_trials"].as_u64() >= Some(14), "{search}");
    let before = ended_trials(project);
    let done = project.output(&["apply", "-e", "dev", "--yes", "--as-of", AS_OF]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_eq!(ended_trials(project), before + 14, "they are noted in the training's run");
    let known = project.output(&["search", "arrival_delay", "-e", "dev", "-o", "json"]);
    let known: Value = serde_json::from_str(&known.stdout).unwrap();
    assert_eq!(self::known(&known), 14);
}

#[test]
fn a_program_asks_and_tells() {
    let project = empty();
    let server = crate::tracking::start(&project);
    let mut client = Command::new(crate::tracking::python());
    client.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/ask_tell.py")).arg(format!("http://{}", server.address));
    client.env("MLFLOW_DISABLE_TELEMETRY", "true").env("DO_NOT_TRACK", "true").env("PYTHONWARNINGS", "ignore");
    let output = client.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{told}", String::from_utf8_lossy(&output.stdout));
    let line = String::from_utf8_lossy(&output.stdout).lines().rfind(|line| line.starts_with('{')).map(str::to_owned);
    let seen: Value = serde_json::from_str(&line.unwrap()).unwrap();
    for (key, expected) in [
        ("reproduced", serde_json::json!(true)),
        ("same_study", true.into()),
        ("asked", serde_json::json!([20, 10])),
        ("runs", 30.into()),
        ("logged_by_client", 30.into()),
        ("running", 0.into()),
        ("best_depth", 4.into()),
        ("best_is_least", true.into()),
        ("best_run", true.into()),
        ("study_status", "FINISHED".into()),
    ] {
        assert_eq!(seen[key], expected, "{key} of {seen}");
    }
    assert!(seen["pruned"].as_u64().is_some_and(|pruned| pruned > 0), "{seen}");
}
