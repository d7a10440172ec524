//! Runbooks and approvals: what they mean, and mistakes in them.

use baton_core::Approval;
use baton_core::runbook::{Action, Pausable};
use expect_test::expect;

use super::*;

const GOOD: &str = "-- /baton.yml
project: flights
pools: {warehouse: 2}
execution:
  steps: {landing: {approval: {by: [ann, bob], expires: 4h}, priority: 7}}
-- /s.yml
sources: [{name: landing, path: x}]
schedules: [{name: nightly, priority: 3, approval: {by: ann}}]
channels: [{name: ops, kind: slack, url: 'https://x', hears: [approval]}]
-- /tables/days.sql
select 1 as day
-- /runbooks/late.yml
runbooks:
  - name: late
    owner: ann
    on: {assets: [landing], signals: [freshness, volume]}
    notify: ops
    steps:
      - {rerun: ['landing+'], safe: true}
      - {backfill: {table: days, last: 7d}, approve: owner}
      - {rollback: previous, approve: {by: [bob], expires: 1h}}
      - {pause: {schedule: nightly, for: 2h}}
      - {scale: {pool: warehouse, slots: 4}}
      - {notify: ops, message: late again, if: select true}
      - {check: select 1}
      - {check: select 2}
";

#[test]
fn a_runbook_says_what_is_done_for_which_incidents() {
    let project = load_good(GOOD);
    let runbook = &project.runbooks[0];
    let names: Vec<&str> = runbook.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["rerun", "backfill", "rollback", "pause", "scale", "notify", "check", "check_2"]);
    let ann = Approval { by: vec!["ann".to_owned()], expires: 86_400 };
    assert_eq!((runbook.steps[0].safe, runbook.steps[1].approval.as_ref()), (true, Some(&ann)));
    assert_eq!(runbook.steps[2].action, Action::Rollback { to: None });
    let pause = Action::Pause { what: Pausable::Schedule("nightly".to_owned()), lasts: Some(7_200) };
    assert_eq!(runbook.steps[3].action, pause);
    assert_eq!(runbook.steps[5].condition.as_deref(), Some("select true"));
    assert_eq!(project.schedules[0].approval, Some(ann));
    let policy = project.schedules[0].execution.policy(&project.execution, "landing");
    let told = policy.approval.map(|approval| (approval.whom(), approval.expires));
    assert_eq!((policy.priority, told), (3, Some(("ann or bob".to_owned(), 14_400))), "the schedule's own priority");
}

#[test]
fn a_runbook_with_mistakes() {
    check(
        &with_head(
            "-- /s.yml
sources: [{name: landing, path: x}]
schedules: [{name: nightly, approval: {expires: 2h}}]
runbooks:
  - name: late
    on: {assets: [landin], signals: [late]}
    notify: [opps]
    steps:
      - {reran: [landing]}
      - {rerun: [landing], check: select 1}
      - {backfill: {table: landing, last: soon}}
      - {rollback: previous, approve: owner}
      - {pause: {}}
      - {pause: {schedule: nightli}}
      - {scale: {pool: warehouse, slots: 0}}
      - {notify: ops}
      - {check: select 1, approve: boss, message: x}
  - {name: empty, steps: []}
  - {name: late, steps: [{check: select 1}]}
channels: [{name: ops, kind: slack, url: x}]
",
        ),
        expect![[]],
    );
}

#[test]
fn a_monitor_names_a_runbook_or_a_file() {
    check(
        &with_head(
            "-- /s.yml
sources: [{name: landing, path: x}]
models: [{name: delay, task: regression, labels: {from: landing, time: t, target: y, keys: [k]}, features: [f.*], train: {algorithm: auto}}]
endpoints: [{name: delays, model: delay@champion}]
monitors:
  - {name: one, endpoint: delays, drift: {}, runbook: runbooks/one.md}
  - {name: two, endpoint: delays, drift: {}, runbook: mand}
runbooks: [{name: mend, steps: [{check: select 1}]}]
",
        ),
        expect![[]],
    );
}
