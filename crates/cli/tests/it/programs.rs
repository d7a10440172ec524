//! Tables that a command makes, by the real binary: inputs as Parquet, outputs as rows, failures, secrets, and never twice.
//!
//! Some need `BATON_TEST_PYTHON`, a Python with the package `pyarrow`.

use baton_testkit::project::{Output, TestProject};
use baton_testkit::python::interpreter;
use serde_json::Value;

use crate::shop::{at, shop};

const SCRIPT: &str = "\
import csv, json, os
import pyarrow.parquet as pq

orders = pq.read_table(os.environ['BATON_INPUT_ORDERS']).to_pylist()
assert '_available_at' not in orders[0], orders[0]
factor = json.load(open('weights.json'))['factor']
print('token', os.environ['TOKEN'])
open('runs.log', 'a').write('ran\\n')
with open(os.path.join(os.environ['BATON_OUTPUTS'], 'scored.csv'), 'w') as file:
    rows = csv.writer(file)
    rows.writerow(['order_id', 'score', 'ignored'])
    rows.writerows([row['order_id'], row['amount'] * factor, 'x'] for row in orders)
";

fn scored() -> TestProject {
    let table = format!(
        "tables:
  - name: scored
    command: {} scripts/score.py
    inputs: [orders, scripts/score.py, weights.json]
    output: scored.csv
    env: {{TOKEN: '${{env:SHOP_TOKEN}}'}}
    timeout: 1m
    columns:
      - {{name: order_id, type: int, checks: [not_null, unique]}}
      - {{name: score, type: float}}
",
        interpreter().display()
    );
    shop()
        .file("scored.yml", &table)
        .file("scripts/score.py", SCRIPT)
        .file("weights.json", "{\"factor\": 2}")
        .file("tables/total.sql", "select sum(score) as score from scored\n")
}

fn output(project: &TestProject, arguments: &[&str]) -> Output {
    let arguments = [&at(arguments)[..], &["-e", "dev"]].concat();
    let run = project.command(&arguments).env("SHOP_TOKEN", "sesame-open").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Output { code: run.status.code(), stdout: text(run.stdout), stderr: text(run.stderr) }
}

fn ok(project: &TestProject, arguments: &[&str]) -> String {
    let output = output(project, arguments);
    assert_eq!(output.code, Some(0), "{arguments:?}: {}{}", output.stdout, output.stderr);
    output.stdout
}

fn total(project: &TestProject) -> String {
    ok(project, &["query", "select score from total", "--format", "csv"]).lines().last().unwrap().to_owned()
}

fn times_run(project: &TestProject) -> usize {
    std::fs::read_to_string(project.path("runs.log")).unwrap_or_default().lines().count()
}

#[test]
fn rows_of_a_command_are_a_table_and_the_same_work_is_never_done_twice() {
    let project = scored();
    ok(&project, &["apply", "--yes"]);
    assert_eq!((total(&project).as_str(), times_run(&project)), ("239.0", 1));
    let shown: Value = serde_json::from_str(&ok(&project, &["runs", "show", "-o", "json"])).unwrap();
    let log: Vec<&str> = shown["log"].as_array().unwrap().iter().filter_map(|line| line["text"].as_str()).collect();
    assert_eq!(log, ["token ***"], "the secret is not in the log");
    ok(&project, &["run"]);
    let other = project.command(&[&at(&["apply", "--yes", "-e", "prod"])[..]].concat()).env("SHOP_TOKEN", "x").output();
    assert!(other.unwrap().status.success());
    assert_eq!(times_run(&project), 1, "another environment takes it from the cache");
    // A file that it reads is part of its definition.
    project.write("weights.json", "{\"factor\": 3}");
    let plan: Value = serde_json::from_str(&ok(&project, &["plan", "-o", "json"])).unwrap();
    let change = plan["assets"].as_array().unwrap().iter().find(|asset| asset["name"] == "scored").unwrap();
    assert_ne!(change["change"], "unchanged", "{change}");
    ok(&project, &["apply", "--yes"]);
    assert_eq!((total(&project).as_str(), times_run(&project)), ("358.5", 2));
    project.write("weights.json", "{\"factor\": 2}");
    ok(&project, &["apply", "--yes"]);
    assert_eq!((total(&project).as_str(), times_run(&project)), ("239.0", 2), "what was made before is there");
}

#[test]
fn a_command_that_fails_says_how_and_the_last_good_version_stays() {
    let project = scored();
    ok(&project, &["apply", "--yes"]);
    project.write(
        "scripts/score.py",
        "import sys\nprint('half way')\nprint('no weights', file=sys.stderr)\nsys.exit(3)\n",
    );
    let failed = output(&project, &["apply", "--yes"]);
    assert_eq!(failed.code, Some(1));
    let said = format!("{}{}", failed.stdout, failed.stderr);
    assert!(said.contains("the command of `scored` exited with code 3: `"), "{said}");
    assert!(said.contains("| no weights"), "{said}");
    assert_eq!(total(&project), "239.0");
}

/// A table of a shell command alone.
fn listed(command: &str, more: &str) -> TestProject {
    shop().file(
        "listed.yml",
        &format!(
            "tables:\n  - name: listed\n    command: {command:?}\n    output: out/listed.jsonl\n{more}    columns: [{{name: id, type: int}}]\n"
        ),
    )
}

fn failure(project: &TestProject) -> String {
    let output = output(project, &["apply", "--yes"]);
    assert_eq!(output.code, Some(1), "{}{}", output.stdout, output.stderr);
    output.stdout + &output.stderr
}

#[test]
fn what_a_command_leaves_is_held_to_what_is_declared() {
    let good = listed("mkdir -p out && echo '{\"id\": 7}' > out/listed.jsonl", "");
    ok(&good, &["apply", "--yes"]);
    assert_eq!(ok(&good, &["query", "select id from listed", "--format", "csv"]), "id\n7\n");
    let silent = failure(&listed("echo done", ""));
    assert!(silent.contains("did not write `out/listed.jsonl`") && silent.contains("| done"), "{silent}");
    let wrong = failure(&listed("mkdir -p out && echo '{\"id\": \"seven\"}' > out/listed.jsonl", ""));
    assert!(wrong.contains("1 rows of `out/listed.jsonl`") && wrong.contains("`id`"), "{wrong}");
    let other = failure(&listed("mkdir -p out && echo '{\"key\": 7}' > out/listed.jsonl", ""));
    assert!(other.contains("has no column `id`"), "{other}");
    let late = failure(&listed("sleep 30", "    timeout: 1s\n"));
    assert!(late.contains("longer than its timeout of 1s"), "{late}");
    let old = listed("true", "");
    old.write("out/listed.jsonl", "{\"id\": 1}\n");
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(failure(&old).contains("did not write"), "a file from before is not what it wrote");
}

#[cfg(unix)]
#[test]
fn an_image_needs_what_runs_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let project =
        listed("make it", "    image: alpine:3\n    env: {TOKEN: '${env:SHOP_TOKEN}'}\n    memory_limit: 1GiB\n");
    let run = |path: &str| {
        let arguments = [&at(&["apply", "--yes"])[..], &["-e", "dev"]].concat();
        let run = project.command(&arguments).env("SHOP_TOKEN", "sesame-open").env("PATH", path).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr))
    };
    let none = run("/nowhere");
    assert!(none.contains("neither docker nor podman"), "{none}");
    // A stand-in that writes down how it is called, and does what the container would.
    let docker = project.path("bin/docker");
    project.write(
        "bin/docker",
        "#!/bin/sh\necho \"$*\" > called.txt\nmkdir -p out\necho '{\"id\": 9}' > out/listed.jsonl\n",
    );
    std::fs::set_permissions(&docker, std::fs::Permissions::from_mode(0o755)).unwrap();
    let done = run(&format!("{}:/usr/bin:/bin", project.path("bin").display()));
    let called = std::fs::read_to_string(project.path("called.txt")).unwrap_or_else(|_| panic!("{done}"));
    assert!(called.starts_with("run --rm --name baton-listed-"), "{called}");
    assert!(called.contains("--env TOKEN --memory 1073741824 alpine:3 sh -c make it"), "{called}");
    assert!(!called.contains("sesame"), "secrets do not stand on a command line: {called}");
    // Runners of containers take absolute paths only, however the project is named.
    let home = std::fs::canonicalize(project.folder()).unwrap();
    assert!(called.contains(&format!("--volume {0}:{0} ", home.display())), "{called}");
    assert_eq!(ok(&project, &["query", "select id from listed", "--format", "csv"]), "id\n9\n");
}

#[cfg(unix)]
#[test]
fn podman_stands_in_where_nobody_is_behind_docker() {
    use std::os::unix::fs::PermissionsExt as _;

    let project = listed("make it", "    image: alpine:3\n");
    for (name, text) in [
        ("docker", "#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n"),
        ("podman", "#!/bin/sh\nmkdir -p out\necho '{\"id\": 9}' > out/listed.jsonl\n"),
    ] {
        let path = format!("bin/{name}");
        project.write(&path, text);
        std::fs::set_permissions(project.path(&path), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", project.path("bin").display());
    let arguments = [&at(&["apply", "--yes"])[..], &["-e", "dev"]].concat();
    let run = project.command(&arguments).env("PATH", path).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    assert_eq!(ok(&project, &["query", "select id from listed", "--format", "csv"]), "id\n9\n");
}

#[test]
fn steps_of_one_pool_run_one_at_a_time_whatever_their_environment() {
    let command = "echo begin {{ var('n') }} >> times.txt; sleep 1; echo end {{ var('n') }} >> times.txt; \
                   mkdir $BATON_OUTPUTS/out; echo '{\"id\": 1}' > $BATON_OUTPUTS/out/listed.jsonl";
    let head = "project: shop\nenvironments:\n  dev: {}\n  prod: {}\nparams:\n  n: {type: int, default: 0}\n\
                pools: {slow: 1}\nexecution: {steps: {listed: {pool: slow}}}\n";
    let project = listed(command, "").file("baton.yml", head);
    // The ledger is there before two begin at once.
    ok(&project, &["runs", "prune"]);
    let runs = [("dev", "n=1"), ("prod", "n=2")].map(|(environment, given)| {
        let arguments = at(&["apply", "--yes", "-e", environment, "--param", given]);
        project.command(&arguments).stdout(std::process::Stdio::null()).spawn().unwrap()
    });
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    let times = std::fs::read_to_string(project.path("times.txt")).unwrap();
    let lines: Vec<&str> = times.lines().collect();
    let first = &lines[0]["begin ".len()..];
    let second = if first == "1" { "2" } else { "1" };
    let expected = [("begin", first), ("end", first), ("begin", second), ("end", second)];
    assert_eq!(lines, expected.map(|(word, run)| format!("{word} {run}")));
    let wrong = project.path("baton.yml");
    std::fs::write(wrong, head.replace("pools: {slow: 1}", "pools: {slwo: 1}")).unwrap();
    let checked = project.output(&["check"]).stderr;
    assert!(checked.contains("pool `slow`, which does not exist") && checked.contains("`slwo`"), "{checked}");
}
