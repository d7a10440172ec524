//! Tracked runs are brought in, listed, compared and drawn: whole answers, on a folder as MLflow keeps it.

use std::fs;

use baton_testkit::project::TestProject;
use expect_test::expect;
use serde_json::json;

use crate::answers::{self, ok};
use crate::shop::{check, empty};

/// A run as MLflow keeps it.
struct Kept<'t> {
    id: &'t str,
    name: &'t str,
    start: i64,
    params: &'t [(&'t str, &'t str)],
    tags: &'t [(&'t str, &'t str)],
    loss: &'t [f64],
    digest: &'t str,
    packages: &'t str,
}

fn keep(project: TestProject, run: &Kept<'_>) -> TestProject {
    let Kept { id, name, start, .. } = run;
    let folder = format!("mlruns/1/{id}");
    let meta = format!(
        "artifact_uri: file:///gone/1/{id}/artifacts\nend_time: {}\nexperiment_id: '1'\nlifecycle_stage: active\nrun_id: {id}\n\
         run_name: {name}\nstart_time: {start}\nstatus: 3\nuser_id: ann\n",
        start + 60_000
    );
    let loss = run.loss.iter().enumerate();
    let loss: String = loss.map(|(step, value)| format!("{} {value} {step}\n", start + step as i64 * 1000)).collect();
    let input = "destination_type: RUN\nsource_id: data\nsource_type: DATASET\ntags: {mlflow.data.context: training}\n";
    let input = input.replace("source_id: data", &format!("source_id: {}", run.digest));
    let dataset = format!("digest: {}\nname: wines\nsource: '{{}}'\nsource_type: code\n", run.digest);
    let mut project = project
        .file(&format!("{folder}/meta.yaml"), &meta)
        .file(&format!("{folder}/metrics/loss"), &loss)
        .file(&format!("{folder}/metrics/val/f1"), &format!("{start} 0.75 0\n"))
        .file(&format!("{folder}/inputs/1/meta.yaml"), &input)
        .file(&format!("mlruns/1/datasets/{}/meta.yaml", run.digest), &dataset)
        .file(&format!("{folder}/artifacts/model/requirements.txt"), run.packages);
    for (kind, texts) in [("params", run.params), ("tags", run.tags)] {
        for (key, value) in texts {
            project = project.file(&format!("{folder}/{kind}/{key}"), value);
        }
    }
    project
}

/// Three runs of one experiment.
fn wines() -> TestProject {
    let project = empty().file("mlruns/1/meta.yaml", "experiment_id: '1'\nlifecycle_stage: active\nname: wines\n");
    let runs = [
        Kept {
            id: "aaaa1111",
            name: "first",
            start: 1_704_067_200_000,
            params: &[("alpha", "0.5"), ("kind", "linear"), ("seed", "7")],
            tags: &[("mlflow.source.git.commit", "c0ffee"), ("baton.platform", "linux x86_64"), ("team", "red")],
            loss: &[1.0, 0.5, 0.25, 0.125],
            digest: "d1",
            packages: "numpy==2.4.6\nscikit-learn==1.9.1\n",
        },
        Kept {
            id: "bbbb2222",
            name: "second",
            start: 1_704_070_800_000,
            params: &[("alpha", "0.75"), ("kind", "trees"), ("depth", "6"), ("seed", "7")],
            tags: &[("mlflow.source.git.commit", "decade"), ("baton.platform", "linux x86_64"), ("team", "red")],
            loss: &[2.0, 1.0, 0.1, 0.05],
            digest: "d2",
            packages: "numpy==2.4.6\nxgboost==3.2.0\n",
        },
        Kept {
            id: "cccc3333",
            name: "third",
            start: 1_704_074_400_000,
            params: &[("alpha", "0.001"), ("kind", "trees"), ("depth", "3"), ("seed", "7")],
            tags: &[("team", "blue")],
            loss: &[4.0, 3.0, f64::NAN, 2.0],
            digest: "d2",
            packages: "",
        },
    ];
    runs.iter().fold(project, keep)
}

fn brought_in() -> TestProject {
    let project = wines();
    ok(&project, &["import", "mlflow", "mlruns"]);
    project
}

#[test]
fn what_is_brought_in_is_told() {
    let project = wines();
    project.write("mlruns/1/aaaa1111/metrics/broken", "yesterday 1 0\n");
    check(
        &project.run(&["import", "mlflow", "mlruns"]),
        &expect![[r#"
        exit: 1
        --- stdout
        ./mlruns
                       new  changed  unchanged
          ───────────  ───  ───────  ─────────
          experiments    1        0          0
          runs           3        0          0
          files          3                   0
        set aside: ./mlruns/1/aaaa1111/metrics/broken:1: `yesterday 1 0` does not begin with a time in milliseconds
        --- stderr
        error: 1 of what was to be brought in was set aside; the rest is kept
        help: mend what is named above and run the same command again: it brings in what is missing
    "#]],
    );
    check(
        &project.run(&["import", "optuna", "nowhere.db"]),
        &expect![[r#"
        exit: 1
        --- stderr
        error: `./nowhere.db` is not there: give a database of Optuna, as a path or `sqlite:///PATH`
    "#]],
    );
    fs::create_dir(project.path("handed")).unwrap();
    let answer = project.run(&["export", "mlflow", "handed"]);
    check(
        &answer.replace(&project.folder().display().to_string(), "[folder]"),
        &expect![[r#"
        exit: 0
        --- stdout
                       written
          ───────────  ───────
          experiments        2
          runs               3
          files              3
        open it with mlflow.set_tracking_uri("sqlite:///[folder]/handed/mlflow.db")
    "#]],
    );
}

#[test]
fn an_import_that_is_killed_goes_on() {
    let project = wines();
    let mut killed = project.command(&["import", "mlflow", "mlruns"]);
    assert!(!killed.env("BATON_FAILPOINT", "tracking.artifact_staged@2").output().unwrap().status.success());
    let report = answers::json(&project, &["import", "mlflow", "mlruns", "--output", "json"]);
    // The records are there, and of the files the first.
    assert_eq!(report["runs"], json!({"new": 0, "changed": 0, "unchanged": 3}));
    assert_eq!((&report["files"]["copied"], &report["files"]["unchanged"]), (&json!(2), &json!(1)));
    let again = answers::json(&project, &["import", "mlflow", "mlruns", "--output", "json"]);
    assert_eq!(again["runs"], json!({"new": 0, "changed": 0, "unchanged": 3}));
}

#[test]
fn runs_are_listed_by_filter_and_order() {
    let project = brought_in();
    check(
        &project.run(&["runs", "ls"]),
        &expect![[r#"
        exit: 0
        --- stdout
        run       name    experiment  began                 status     loss  val/f1  alpha  kind    depth
        ────────  ──────  ──────────  ────────────────────  ────────  ─────  ──────  ─────  ──────  ─────
        cccc3333  third   wines       2024-01-01 02:00 UTC  finished      2    0.75  0.001  trees       3
        bbbb2222  second  wines       2024-01-01 01:00 UTC  finished   0.05    0.75   0.75  trees       6
        aaaa1111  first   wines       2024-01-01 00:00 UTC  finished  0.125    0.75    0.5  linear
    "#]],
    );
    let filter = "params.kind = 'trees' AND (metrics.loss > 1 OR NOT tags.team = 'blue')";
    let asked =
        ["runs", "ls", "--filter", filter, "--sort", "metrics.loss", "--columns", "metrics.loss,tags.team,user"];
    check(
        &project.run(&asked),
        &expect![[r#"
        exit: 0
        --- stdout
        run       name    experiment  began                 status    loss  tags.team  user
        ────────  ──────  ──────────  ────────────────────  ────────  ────  ─────────  ────
        bbbb2222  second  wines       2024-01-01 01:00 UTC  finished  0.05  red        ann
        cccc3333  third   wines       2024-01-01 02:00 UTC  finished     2  blue       ann
    "#]],
    );
    check(
        &project.run(&["runs", "ls", "--filter", "params.none = 'a'"]),
        &expect![[r#"
        exit: 0
        --- stdout
        no tracked run meets the filter
    "#]],
    );
    check(
        &project.run(&["runs", "ls", "--filter", "metrics.loss ~ 1"]),
        &expect![[r#"
        exit: 2
        --- stderr
        error: Invalid clause(s) in filter string: 'metrics.loss'
        help: a filter is such as "metrics.loss < 0.5 AND params.kind = 'a'", an order such as "metrics.loss DESC"
    "#]],
    );
    check(
        &project.run(&["runs", "ls", "--columns", "loss"]),
        &expect![[r#"
        exit: 2
        --- stderr
        error: `loss` is no column of a run
        help: write `metrics.loss`, `params.loss` or `tags.loss`, or one of run_id, status, user, start_time, end_time, artifact_uri
    "#]],
    );
}

#[test]
fn pages_follow_each_other() {
    let project = brought_in();
    let (mut names, mut token) = (Vec::new(), None);
    loop {
        let mut asked = vec!["runs", "ls", "--limit", "1", "--sort", "metrics.loss DESC", "--output", "json"];
        let given: String;
        if let Some(token) = token {
            given = token;
            asked.extend(["--page-token", &given]);
        }
        let page = answers::json(&project, &asked);
        names.extend(page["runs"].as_array().unwrap().iter().map(|run| run["name"].as_str().unwrap().to_owned()));
        token = page["next_page_token"].as_str().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["third", "first", "second"]);
}

#[test]
fn two_runs_are_told_by_what_differs() {
    let project = brought_in();
    check(
        &project.run(&["runs", "diff", "aaaa", "second"]),
        &expect![[r#"
            exit: 0
            --- stdout
            a: first (aaaa1111)
            b: second (bbbb2222)

            parameters  1 the same
                       a       b      b - a
              ───────  ──────  ─────  ─────
              ~ alpha  0.5     0.75   +0.25
              + depth  –       6
              ~ kind   linear  trees

            metrics  1 the same
                      a      b      b - a
              ──────  ─────  ────  ──────
              ~ loss  0.125  0.05  -0.075

            data
                                  a   b
              ──────────────────  ──  ──
              ~ wines (training)  d1  d2

            code
                                          a       b
              ──────────────────────────  ──────  ──────
              ~ mlflow.source.git.commit  c0ffee  decade

            environment  2 the same
                                      a      b
              ──────────────────────  ─────  ─────
              - package scikit-learn  1.9.1  –
              + package xgboost       –      3.2.0
        "#]],
    );
    check(
        &project.run(&["runs", "diff", "first", "aaaa1111"]),
        &expect![[r#"
        exit: 0
        --- stdout
        a: first (aaaa1111)
        b: first (aaaa1111)

        the runs differ in nothing
    "#]],
    );
    check(
        &project.run(&["runs", "diff", "first", "fourth"]),
        &expect![[r#"
        exit: 2
        --- stderr
        error: there is no tracked run `fourth`
        help: `baton runs ls` lists them; name one by the first digits of its id or by its name
    "#]],
    );
    let all = answers::json(&project, &["runs", "diff", "first", "second", "--all", "--output", "json"]);
    let section =
        |name: &str| all["sections"].as_array().unwrap().iter().find(|section| section["name"] == name).unwrap();
    let seed = json!({"key": "seed", "from": "7", "to": "7", "change": 0.0});
    assert!(section("parameters")["rows"].as_array().unwrap().contains(&seed), "{all}");
    assert_eq!(section("environment")["n_same"], 2, "platform and numpy");
}

#[test]
fn curves_are_drawn_in_the_terminal_and_to_files() {
    let project = brought_in();
    check(
        &project.run(&["runs", "plot", "curves", "--log"]),
        &expect![[r#"
            exit: 0
            --- stdout
            loss of 3 runs
                      4 ┤⠉⠉⠉⠑⠒⠒⠒⠒⠒⠢⠤⠤⠤⠤⠤⢄⣀⣀⣀⣀⣀⡀
                        ┤                     ⠈⠉⠉⠁
                        ┤⠤⢄⣀⣀                                                                   ⠠
                        ┤    ⠉⠉⠑⠒⠢⠤⠤⣀⣀⡀
                        ┤             ⠈⠉⠉⠒⠒⠢⠤⢄⣀⣀
                        ┤⠉⠑⠒⠒⠤⠤⢄⣀⡀              ⠉⠑⠢⡀
                        ┤        ⠈⠉⠉⠒⠒⠢⠤⠤⣀⣀⡀       ⠈⠑⠤⡀
                        ┤                  ⠈⠉⠑⠒⠒⠤⠤⢄⣀⣀ ⠈⠑⢄⡀
               0.447214 ┤                            ⠉⠉⠒⠒⠪⠶⢤⣀⣀
                        ┤                                   ⠈⠢⢍⠉⠑⠒⠒⠤⠤⣀⣀⡀
                        ┤                                      ⠉⠢⢄     ⠈⠉⠉⠒⠒⠢⠤⠤⣀⣀
                        ┤                                         ⠑⠢⣀            ⠉⠉⠑⠒⠒⠤⠤⢄⣀⣀
                        ┤                                            ⠑⠢⡀                   ⠉⠉⠒⠒⠢⠤
                        ┤                                              ⠈⠑⠒⠤⠤⢄⣀⣀
                        ┤                                                      ⠉⠉⠒⠒⠢⠤⠤⣀⣀⡀
                   0.05 ┤                                                               ⠈⠉⠉⠒⠒⠤⠤⢄⣀
                        └────────────────────────────────────────────────────────────────────────
                         0                                                                      3
                         step
              ━━ third  2
              ━━ second  0.05
              ━━ first  0.125
        "#]],
    );
    // The mean of the past counts half: 1; (1/2·1/2 + 1/2)/(3/4) = 2/3 of 1 and 0.5 …, as the recurrence gives by hand.
    let asked = ["runs", "plot", "curves", "first", "--metric", "loss", "--smoothing", "0.5", "--output", "json"];
    let points = &answers::json(&project, &asked)["curves"][0]["points"];
    let values: Vec<f64> = points.as_array().unwrap().iter().map(|point| point[1].as_f64().unwrap()).collect();
    let expected = [1.0, 2.0 / 3.0, 3.0 / 7.0, 4.0 / 15.0];
    assert!(values.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12), "{values:?}");

    for (arguments, file) in [
        (&["runs", "plot", "curves", "--metric", "loss", "--x", "time", "--out", "a.svg"][..], "a.svg"),
        (
            &[
                "runs", "plot", "curves", "--metric", "loss", "--metric", "val/f1", "--out", "b.png", "--size",
                "600x400",
            ],
            "b.png",
        ),
        (
            &[
                "runs",
                "plot",
                "parallel",
                "--axes",
                "params.alpha,params.kind,params.depth,metrics.loss",
                "--out",
                "c.svg",
            ],
            "c.svg",
        ),
    ] {
        assert_eq!(ok(&project, arguments), format!("{file}\n"));
    }
    let text = |name: &str| fs::read_to_string(project.path(name)).unwrap();
    for expected in ["loss of 3 runs", "time (UTC)", "first", "second", "third"] {
        assert!(text("a.svg").contains(expected), "{expected}");
    }
    let picture = fs::read(project.path("b.png")).unwrap();
    assert_eq!((&picture[1..4], &picture[16..24]), (&b"PNG"[..], &[0, 0, 4, 176, 0, 0, 3, 32][..]), "1200 x 800");
    let parallel = text("c.svg");
    for expected in ["3 runs, coloured by loss", "alpha", "trees", "linear", "none"] {
        assert!(parallel.contains(expected), "{expected}");
    }
    check(
        &project.run(&["runs", "plot", "parallel"]),
        &expect![[r#"
        exit: 2
        --- stderr
        error: parallel coordinates are drawn to a file
        help: name it with `--out runs.svg` or `--out runs.png`
    "#]],
    );
    check(
        &project.run(&["runs", "plot", "curves", "--metric", "nothing"]),
        &expect![[r#"
        exit: 2
        --- stderr
        error: none of 3 runs logged `nothing`
        help: they logged loss, val/f1
    "#]],
    );
    check(
        &project.run(&["runs", "plot", "curves", "--out", "a.gif"]),
        &expect![[r#"
        exit: 2
        --- stderr
        error: `./a.gif` is no figure's name: let it end in `.svg` or `.png`
        help: see `baton runs plot --help`
    "#]],
    );
}
