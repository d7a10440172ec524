//! Runs that wait for somebody's word: nothing sleeps meanwhile, they survive whatever happens, and go on as themselves.

use baton_testkit::project::TestProject;
use baton_testkit::web::{Answer, TestWeb};
use expect_test::expect;
use serde_json::Value;

use crate::answers::ok;
use crate::schedules::{Server, states};
use crate::shop::{at, check, deliver_more, shop};

const LATER: [&str; 2] = ["--as-of", "2024-01-08"];

/// A shop in which new `days` need the word of ann or bob, after an apply and a delivery.
fn asking(expires: &str) -> TestProject {
    let head = format!(
        "project: shop\nenvironments: {{dev: {{}}}}\nexecution:\n  steps:\n    days: {{approval: {{by: [ann, bob], expires: {expires}}}}}\n"
    );
    let project = shop().file("baton.yml", &head).file("tables/weeks.sql", "select count(*) as days from days\n");
    ok(&project, &at(&["apply", "--yes"]));
    deliver_more(project)
}

fn json(project: &TestProject, arguments: &[&str]) -> Value {
    let output = project.output(&[arguments, &["-o", "json"]].concat());
    let answer = serde_json::from_str(&output.stdout);
    assert!(answer.is_ok(), "{arguments:?}: {}{}", output.stdout, output.stderr);
    answer.unwrap()
}

fn count(project: &TestProject, table: &str) -> String {
    ok(project, &["query", &format!("select count(*) as n from {table}"), "--format", "csv"]).trim().replace("n\n", "")
}

/// Runs, and answers with the id of the run that waits.
fn waiting(project: &TestProject) -> String {
    let run = project.output(&[&["run"][..], &LATER].concat());
    assert_eq!(run.code, Some(4), "it goes on later: {}{}", run.stdout, run.stderr);
    json(project, &["runs", "show"])["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_waits_is_done_once_it_is_approved_and_the_rest_at_once() {
    let project = asking("1h");
    let run = waiting(&project);
    assert_eq!((count(&project, "orders"), count(&project, "days")), ("5".to_owned(), "2".to_owned()));
    let shown = json(&project, &["runs", "show"]);
    assert_eq!(shown["state"], "waiting_for_approval");
    let steps: Vec<String> = shown["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| format!("{} {}", step["asset"], step["state"]))
        .collect();
    check(
        &steps.join("\n").replace('"', ""),
        &expect![[r#"
            orders done
            customers done
            days waiting
            weeks skipped"#]],
    );
    let listed = json(&project, &["approve"]);
    assert_eq!((&listed[0]["step"], &listed[0]["what"]), (&Value::from("days"), &Value::from("build days")));
    let text = ok(&project, &["approve"]);
    assert!(text.contains("ann or bob") && text.contains(&format!("{run}/days")), "{text}");

    let nobody = project.output(&["approve", &run, "--as", "eve"]);
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.stderr.contains("does not need the approval of `eve`, but that of ann or bob"), "{}", nobody.stderr);
    let approved = ok(&project, &["approve", &format!("{run}/days"), "--as", "bob", "--reason", "looks right"]);
    assert!(approved.contains(&format!("`baton runs resume {run}` does")), "{approved}");
    let resumed = json(&project, &["runs", "resume"]);
    assert_eq!(resumed["run"], run.as_str(), "as the same run");
    assert_eq!(resumed["as_of"], "2024-01-08T00:00:00Z");
    assert_eq!(count(&project, "days"), "3");
    let shown = json(&project, &["runs", "show"]);
    assert_eq!((&shown["id"], &shown["state"]), (&Value::from(run.as_str()), &Value::from("succeeded")));
    assert_eq!(shown["timeline"].as_array().unwrap().len(), 6, "two steps follow the four of before");
    let again = project.output(&["approve", &run, "--as", "ann"]);
    assert!(again.stderr.contains("nothing of run") && again.stderr.contains("it is succeeded"), "{}", again.stderr);
}

#[test]
fn a_word_is_for_what_was_seen_and_not_for_what_was_changed_since() {
    let project = asking("1h");
    let run = waiting(&project);
    ok(&project, &["approve", &run, "--as", "ann"]);
    project.write(
        "tables/days.sql",
        "select date_trunc('day', ordered_at) as day, 0.0 as amount from orders group by 1\n",
    );
    ok(&project, &["apply", "--yes", LATER[0], LATER[1]]);
    let project = project.delivery(
        "landing/orders-3.csv",
        "order_id,customer,amount,ordered_at\n6,ada,1,2024-01-06T09:00:00Z\n",
        1_704_585_600,
    );
    ok(&project, &["run", "--select", "orders", LATER[0], LATER[1]]);
    let again = project.output(&["runs", "resume", &run]);
    let told = format!("{}{}", again.stdout, again.stderr);
    assert!(again.code == Some(4) && told.contains("build days waits for the approval"), "{told}");
}

#[test]
fn a_rejected_run_has_failed_and_says_why() {
    let project = asking("1h");
    let run = waiting(&project);
    let rejected = ok(&project, &["approve", &run, "--as", "ann", "--reject", "--reason", "the file is of last year"]);
    check(
        &rejected,
        &expect![[r#"
        build days is rejected by ann
    "#]],
    );
    let shown = json(&project, &["runs", "show"]);
    assert_eq!(shown["state"], "failed");
    assert_eq!(shown["cause"], "build days was rejected by ann: the file is of last year");
    assert_eq!(count(&project, "days"), "2", "the last good version stays");
}

#[test]
fn nobody_answers_in_time() {
    let project = asking("1s");
    let run = waiting(&project);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let late = project.output(&["approve", &run, "--as", "ann"]);
    assert_eq!(late.code, Some(1));
    let expected = "build days was not approved by ann or bob within 1s; another run asks again";
    assert!(late.stderr.contains(expected), "{}", late.stderr);
    let shown = json(&project, &["runs", "show"]);
    assert_eq!((&shown["state"], &shown["cause"]), (&Value::from("failed"), &Value::from(expected)));
}

#[test]
fn a_run_that_waits_survives_its_server_and_another_one_goes_on_with_it() {
    let schedules = "schedules:\n  - {name: nightly, cron: 0 3 1 1 *, select: [+days], approval: {by: [ann]}, notify: [log]}\n\
                     channels:\n  - {name: log, kind: webhook, url: 'http://127.0.0.1:9/'}\n";
    let project = shop().file("schedules.yml", schedules);
    ok(&project, &["apply", "-e", "dev", "--yes"]);
    project.write("landing/orders-2.csv", "order_id,customer,amount,ordered_at\n9,ada,1.0,2024-01-05T09:00:00Z\n");
    let first = Server::start(&project, "first.txt", None);
    ok(&project, &["schedule", "trigger", "nightly", "-e", "dev", "--wait"]);
    assert_eq!(states(&project, "nightly"), ["waiting_for_approval"]);
    let run = json(&project, &["runs", "show", "-e", "dev"])["id"].as_str().unwrap().to_owned();
    first.kill();
    let second = Server::start(&project, "second.txt", None);
    let waits = second.ask("GET", "/api/v1/approvals", "");
    assert!(waits.contains("a run of schedule `nightly`"), "{waits}");
    let wrong = second.ask("POST", &format!("/api/v1/runs/{run}/approve"), "{\"as\": \"eve\"}");
    assert!(wrong.starts_with("HTTP/1.1 409") && wrong.contains("that of ann"), "{wrong}");
    let given = second.ask("POST", &format!("/api/v1/runs/{run}/approve"), "{\"as\": \"ann\"}");
    assert!(given.starts_with("HTTP/1.1 200"), "{given}");
    crate::schedules::within(30, "the run goes on", || (states(&project, "nightly") == ["succeeded"]).then_some(()));
    assert_eq!(json(&project, &["runs", "show", "-e", "dev"])["id"], run.as_str());
    let rows = ok(&project, &["query", "-e", "dev", "select count(*) as n from orders", "--format", "csv"]);
    assert_eq!(rows, "n\n4\n");
}

#[test]
fn those_who_are_asked_are_told_once_and_that_it_is_over() {
    let hook = TestWeb::start(|_| Answer::ok(""));
    let schedules = format!(
        "schedules:\n  - {{name: nightly, cron: 0 3 1 1 *, approval: {{by: [ann], expires: 4s}}, notify: [ops]}}\n\
         channels:\n  - {{name: ops, kind: webhook, url: '{}/hook'}}\n",
        hook.url
    );
    let project = shop().file("schedules.yml", &schedules);
    ok(&project, &["apply", "-e", "dev", "--yes"]);
    let _server = Server::start(&project, "server.txt", None);
    ok(&project, &["schedule", "trigger", "nightly", "-e", "dev", "--wait"]);
    let told = || hook.asked().iter().map(|asked| asked.body.clone()).collect::<Vec<_>>();
    crate::schedules::within(20, "ann is asked", || {
        told()
            .iter()
            .any(|body| body.contains("waits for the approval of ann") && body.contains("firing"))
            .then_some(())
    });
    // Nobody answers: it is over, and the run has failed.
    crate::schedules::within(20, "it is over", || {
        let told = told();
        let expired = told.iter().any(|body| body.contains("was not approved by ann within 4s"));
        (expired && told.iter().any(|body| body.contains("resolved"))).then_some(())
    });
    assert_eq!(states(&project, "nightly"), ["failed"]);
}
