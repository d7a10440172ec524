//! A project whose ledger is on a real PostgreSQL; and moved there from a file, and back. Needs PostgreSQL's programs.

use std::path::Path;
use std::time::{Duration, Instant};

use baton_ledger::{Location, SqlLedger};
use baton_testkit::postgres::TestPostgres;
use baton_testkit::project::TestProject;
use serde_json::Value;

use crate::answers::{json, ok, plan_is_empty};
use crate::kills::kill_everywhere;
use crate::schedules::{BY_HAND, Server, states};
use crate::shop::{at, deliver_more, shop};

const HEAD: &str = "project: shop\nenvironments:\n  dev: {}\n  prod: {protected: true}\n";

/// The shop, with its ledger in a database of its own.
fn shop_on_a_server() -> (TestProject, String) {
    let url = TestPostgres::shared().database();
    (shop().file("baton.yml", &format!("ledger: {url}\n{HEAD}")), url)
}

/// All that is told of the past and of what is there, without what depends on when it was asked.
fn told(project: &TestProject) -> Vec<Value> {
    [
        &["log", "-e", "dev", "-o", "json"][..],
        &["env", "list", "-o", "json"],
        &["tag", "--list", "-o", "json"],
        &["ls", "-e", "dev", "-o", "json"],
        &["show", "days", "-e", "dev", "-o", "json"],
        &["runs", "-e", "dev", "-o", "json"],
        &["runs", "show", "-e", "dev", "-o", "json"],
        &["query", "-e", "dev", "select * from days order by 1", "-o", "json"],
    ]
    .map(|command| json(project, command))
    .into()
}

fn root(project: &TestProject) -> Value {
    json(project, &["ledger", "verify", "-o", "json"])["root"].clone()
}

#[test]
fn a_project_lives_on_a_server_as_it_does_on_a_file() {
    let (project, url) = shop_on_a_server();
    let looked = project.output(&["status", "-e", "dev"]);
    assert!(looked.stderr.contains("environment `dev` has no commit yet"), "{}", looked.stderr);
    let tables = TestPostgres::shared().sql(&url, "select count(*) from pg_tables where schemaname = 'public'");
    assert_eq!(tables, "0", "looking made a ledger");
    let file = shop();
    for project in [&project, &file] {
        ok(project, &at(&["apply", "-e", "dev", "--yes"]));
        assert!(plan_is_empty(project, &at(&["-e", "dev"])));
        assert!(!project.path(".baton/ledger.db").exists() || std::ptr::eq(project, &file));
    }
    let [project, file] = [project, file].map(deliver_more);
    for project in [&project, &file] {
        ok(project, &["run", "-e", "dev", "--as-of", "2024-01-08"]);
        ok(project, &["tag", "-e", "dev", "v1"]);
        ok(project, &["rollback", "-e", "dev", "--yes"]);
        ok(project, &["env", "create", "copy", "--from", "v1"]);
        ok(project, &["gc", "--keep", "0s", "--grace", "0s"]);
    }
    for sql in ["select * from days order by 1", "select * from customers order by 1"] {
        let rows = |project: &TestProject| ok(project, &["query", "-e", "copy", sql, "--format", "csv"]);
        assert_eq!(rows(&project), rows(&file));
    }
    let digests =
        |project: &TestProject| json(project, &["show", "days", "-e", "copy", "-o", "json"])["digest"].clone();
    assert_eq!(digests(&project), digests(&file));
    let log = |project: &TestProject| {
        let log = json(project, &["log", "-e", "dev", "-o", "json"]);
        log.as_array().unwrap().iter().map(|commit| commit["as_of"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(log(&project), log(&file));
    let doctor = project.output(&["doctor"]).stdout;
    assert!(doctor.contains("postgres://postgres@127.0.0.1:") && doctor.contains("events, the seal holds"), "{doctor}");
}

#[test]
fn whatever_instant_kills_an_apply_the_same_command_goes_on_from_the_server() {
    let ready = || shop_on_a_server().0;
    let points = kill_everywhere(ready, &at(&["apply", "-e", "dev", "--yes"]), "");
    assert!(points >= 5, "{points} points");
}

#[test]
fn who_comes_second_is_told_who_works_on_the_environment() {
    let (project, url) = shop_on_a_server();
    ok(&project, &at(&["apply", "-e", "dev", "--yes"]));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let location = Location::parse(&url, Path::new("")).unwrap();
    let ledger = runtime.block_on(SqlLedger::open(&location)).unwrap();
    let held = runtime.block_on(ledger.lock("dev", "baton apply")).unwrap();
    let refused = project.output(&["run", "-e", "dev"]);
    let expected = format!(
        "`baton apply` (process {}) is working on environment `dev`; wait for it to end, or stop it and try again",
        std::process::id()
    );
    assert!(refused.code == Some(1) && refused.stderr.contains(&expected), "{}", refused.stderr);
    ok(&project, &["query", "-e", "dev", "select 1 as one"]);
    drop(held);
    ok(&project, &["run", "-e", "dev"]);
}

#[test]
fn servers_elect_one_and_another_takes_over_within_ten_seconds_of_a_kill() {
    let (project, url) = shop_on_a_server();
    let project = project.file("schedules.yml", BY_HAND);
    ok(&project, &["apply", "-e", "dev", "--yes"]);
    let first = Server::start(&project, "first.txt", Some("run.before_publish"));
    first.waits_to_say("runs the schedules of `dev`");
    let second = Server::start(&project, "second.txt", None);
    second.waits_to_say("schedules of `dev` are run by process");
    project.write("landing/orders-2.csv", "order_id,customer,amount,ordered_at\n9,ada,1.0,2024-01-05T09:00:00Z\n");
    // The first is killed within the run, the second finishes it.
    let asked = Instant::now();
    ok(&project, &["schedule", "trigger", "nightly", "-e", "dev", "--wait"]);
    assert!(asked.elapsed() < Duration::from_secs(15), "it took {:?}", asked.elapsed());
    assert_eq!(states(&project, "nightly"), ["succeeded", "interrupted"]);
    assert!(second.said().contains("1 begun by another server start again"), "{}", second.said());
    let count = ok(&project, &["query", "-e", "dev", "select count(*) as n from orders", "--format", "csv"]);
    assert_eq!(count, "n\n4\n");

    // Every connection breaks; the server goes on.
    let ended = "select pg_terminate_backend(pid) from pg_stat_activity \
                 where datname = current_database() and pid <> pg_backend_pid()";
    TestPostgres::shared().sql(&url, ended);
    ok(&project, &["schedule", "trigger", "nightly", "-e", "dev", "--wait"]);
    assert_eq!(states(&project, "nightly")[0], "succeeded");
}

#[test]
fn a_ledger_is_moved_to_a_server_and_back_by_one_command() {
    let project = shop().file("baton.yml", &format!("# ours\n{HEAD}"));
    ok(&project, &at(&["apply", "-e", "dev", "--yes"]));
    let project = deliver_more(project);
    ok(&project, &["run", "-e", "dev", "--as-of", "2024-01-08"]);
    ok(&project, &["tag", "-e", "dev", "v1"]);
    let (before, sealed) = (told(&project), root(&project));

    // Killed between the copy and the change of baton.yml: the project is where it was, and the same command goes on.
    let database = TestPostgres::shared().database();
    let (host, rest) = database.split_once("postgres@").unwrap();
    let to = format!("{host}postgres:${{env:SHOP_PASSWORD}}@{rest}?schema=shop");
    let command = ["ledger", "move", "--to", &to];
    let killed = project
        .command(&command)
        .env("SHOP_PASSWORD", "a b/@:")
        .env("BATON_FAILPOINT", "ledger.copied")
        .output()
        .unwrap();
    assert_eq!(killed.status.code(), None, "{}", String::from_utf8_lossy(&killed.stderr));
    assert_eq!(told(&project), before);
    let without = project.output(&command);
    assert!(without.stderr.contains("secret `${env:SHOP_PASSWORD}` is not there"));
    let moved = project.command(&command).env("SHOP_PASSWORD", "a b/@:").output().unwrap();
    let said = String::from_utf8_lossy(&moved.stdout).into_owned() + &String::from_utf8_lossy(&moved.stderr);
    assert!(moved.status.success() && !said.contains("a b/"), "{said}");
    assert!(said.contains("2 commits, 1 environments, 1 tags, 2 runs; seal"), "{said}");
    assert_eq!(
        std::fs::read_to_string(project.path("baton.yml")).unwrap(),
        format!("# ours\n{}", HEAD.replace("shop\n", &format!("shop\nledger: \"{to}\"\n")))
    );

    // The reference is all that is kept; from here on without it, as the test's commands have no variable.
    let plain = format!("{database}?schema=shop");
    project.write("baton.yml", &format!("ledger: {plain}\n{HEAD}"));
    assert_eq!((told(&project), root(&project)), (before.clone(), sealed.clone()));
    assert!(plan_is_empty(&project, &["-e", "dev", "--as-of", "2024-01-08"]));

    let busy = project.output(&["ledger", "move", "--to", ".baton/ledger.db"]);
    assert_eq!(busy.code, Some(0), "the file is as it was, so it is recognised: {}", busy.stderr);
    project.write("baton.yml", &format!("ledger: {plain}\n{HEAD}"));
    ok(&project, &["run", "-e", "dev", "--as-of", "2024-01-09"]);
    let refused = project.output(&["ledger", "move", "--to", ".baton/ledger.db"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("name an empty ledger"), "{}", refused.stderr);
    let (before, sealed) = (told(&project), root(&project));
    ok(&project, &["ledger", "move", "--to", "back.db"]);
    assert_eq!((told(&project), root(&project)), (before, sealed));
    ok(&project, &["run", "-e", "dev", "--as-of", "2024-01-10"]);
}

#[test]
fn a_ledger_whose_server_runs_schedules_stays_where_it_is() {
    let (project, _url) = shop_on_a_server();
    let project = project.file("schedules.yml", BY_HAND);
    ok(&project, &["apply", "-e", "dev", "--yes"]);
    let server = Server::start(&project, "server.txt", None);
    server.waits_to_say("runs the schedules of `dev`");
    let refused = project.output(&["ledger", "move", "--to", "ledger.db"]);
    let told = "holds the lease `scheduler/dev` of the source; stop that server first";
    assert!(refused.code == Some(1) && refused.stderr.contains(told), "{}", refused.stderr);
}
