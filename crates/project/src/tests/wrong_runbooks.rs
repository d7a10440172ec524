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
        expect![[r#"
            error[P0103]: `approval` of schedule `nightly` has no `by`
               ╭─[s.yml:2:29]
             1 │ sources: [{name: landing, path: x}]
             2 │ schedules: [{name: nightly, approval: {expires: 2h}}]
               ·                             ────────
             3 │ runbooks:
               ╰────
              help: add `by`: Owners, as the project names them; the word of one of them is enough.

            error[P0202]: runbook `late` is for incidents of `landin`, which does not exist
               ╭─[s.yml:5:19]
             4 │   - name: late
             5 │     on: {assets: [landin], signals: [late]}
               ·                   ───┬──
               ·                      ╰── no asset of this name
             6 │     notify: [opps]
               ╰────
              help: did you mean `landing`?

            error[P0105]: `signals` of `on` of runbook `late` is `late`
               ╭─[s.yml:5:38]
             4 │   - name: late
             5 │     on: {assets: [landin], signals: [late]}
               ·                                      ──┬─
               ·                                        ╰── expected check, freshness, volume, drift, performance or failure
             6 │     notify: [opps]
               ╰────

            error[P0202]: runbook `late` names channel `opps`, which does not exist
               ╭─[s.yml:6:14]
             5 │     on: {assets: [landin], signals: [late]}
             6 │     notify: [opps]
               ·              ──┬─
               ·                ╰── no channel of this name
             7 │     steps:
               ╰────
              help: did you mean `ops`?

            error[P0102]: step 1 of runbook `late` has unknown key `reran`
               ╭─[s.yml:8:10]
             7 │     steps:
             8 │       - {reran: [landing]}
               ·          ─────
             9 │       - {rerun: [landing], check: select 1}
               ╰────
              detail: Known keys: name, rerun, backfill, rollback, pause, resume, scale, notify, message, check, if, approve, safe.
              help: did you mean `rerun`?

            error[P0105]: step 2 of runbook `late` does several things: rerun, check
                ╭─[s.yml:9:9]
              8 │       - {reran: [landing]}
              9 │       - {rerun: [landing], check: select 1}
                ·         ┬
                ·         ╰── write a step each
             10 │       - {backfill: {table: landing, last: soon}}
                ╰────

            error[P0203]: runbook `late` fills `landing`, which is a source
                ╭─[s.yml:10:28]
              9 │       - {rerun: [landing], check: select 1}
             10 │       - {backfill: {table: landing, last: soon}}
                ·                            ───┬───
                ·                               ╰── expected a table
             11 │       - {rollback: previous, approve: owner}
                ╰────

            error[P0107]: `last` of `backfill` of step 3 of runbook `late` is `soon`, which is not a duration
                ╭─[s.yml:10:43]
              9 │       - {rerun: [landing], check: select 1}
             10 │       - {backfill: {table: landing, last: soon}}
                ·                                           ────
             11 │       - {rollback: previous, approve: owner}
                ╰────
              help: write a whole number and a unit, such as 90s, 15m, 36h, 2d or 1w

            error[P0103]: step 4 of runbook `late` waits for the owner of its runbook, which has none
                ╭─[s.yml:11:39]
             10 │       - {backfill: {table: landing, last: soon}}
             11 │       - {rollback: previous, approve: owner}
                ·                                       ──┬──
                ·                                         ╰── add `owner:` to the runbook, or say `{by: [..]}`
             12 │       - {pause: {}}
                ╰────

            error[P0103]: `pause` of step 5 of runbook `late` needs one of `schedule` and `export`
                ╭─[s.yml:12:10]
             11 │       - {rollback: previous, approve: owner}
             12 │       - {pause: {}}
                ·          ─────
             13 │       - {pause: {schedule: nightli}}
                ╰────

            error[P0202]: runbook `late` names schedule `nightli`, which does not exist
                ╭─[s.yml:13:28]
             12 │       - {pause: {}}
             13 │       - {pause: {schedule: nightli}}
                ·                            ───┬───
                ·                               ╰── no schedule of this name
             14 │       - {scale: {pool: warehouse, slots: 0}}
                ╰────
              help: did you mean `nightly`?

            error[P0202]: runbook `late` names pool `warehouse`, which does not exist
                ╭─[s.yml:14:24]
             13 │       - {pause: {schedule: nightli}}
             14 │       - {scale: {pool: warehouse, slots: 0}}
                ·                        ────┬────
                ·                            ╰── no pool of this name
             15 │       - {notify: ops}
                ╰────

            error[P0109]: `slots` of `scale` of step 7 of runbook `late` is 0
                ╭─[s.yml:14:42]
             13 │       - {pause: {schedule: nightli}}
             14 │       - {scale: {pool: warehouse, slots: 0}}
                ·                                          ┬
                ·                                          ╰── expected from 1 to 1000
             15 │       - {notify: ops}
                ╰────

            error[P0103]: step 8 of runbook `late` has no `message`
                ╭─[s.yml:15:9]
             14 │       - {scale: {pool: warehouse, slots: 0}}
             15 │       - {notify: ops}
                ·         ─
             16 │       - {check: select 1, approve: boss, message: x}
                ╰────
              help: add `message`: With `notify`: what is told.

            error[P0105]: `approve` of step 9 of runbook `late` is `boss`
                ╭─[s.yml:16:36]
             15 │       - {notify: ops}
             16 │       - {check: select 1, approve: boss, message: x}
                ·                                    ──┬─
                ·                                      ╰── expected `owner`, or `{by: [..], expires: 4h}`
             17 │   - {name: empty, steps: []}
                ╰────

            error[P0105]: `message` of step 9 of runbook `late` goes with `notify`, which it has not
                ╭─[s.yml:16:42]
             15 │       - {notify: ops}
             16 │       - {check: select 1, approve: boss, message: x}
                ·                                          ───────
             17 │   - {name: empty, steps: []}
                ╰────

            error[P0105]: `steps` of runbook `empty` is an empty list
                ╭─[s.yml:17:26]
             16 │       - {check: select 1, approve: boss, message: x}
             17 │   - {name: empty, steps: []}
                ·                          ┬
                ·                          ╰── expected at least one
             18 │   - {name: late, steps: [{check: select 1}]}
                ╰────

            error[P0201]: runbook `late` has a name that is taken
               ╭─[s.yml:4:11]
             3 │ runbooks:
             4 │   - name: late
               ·           ──┬─
               ·             ╰── the first
             5 │     on: {assets: [landin], signals: [late]}
               ╰────
                ╭─[s.yml:18:12]
             17 │   - {name: empty, steps: []}
             18 │   - {name: late, steps: [{check: select 1}]}
                ·            ──┬─
                ·              ╰── the second
             19 │ channels: [{name: ops, kind: slack, url: x}]
                ╰────
              help: rename one of them

            18 errors, 0 warnings
        "#]],
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
        expect![[r#"
            error[P0202]: model `delay` uses `f`, which does not exist
               ╭─[s.yml:2:109]
             1 │ sources: [{name: landing, path: x}]
             2 │ models: [{name: delay, task: regression, labels: {from: landing, time: t, target: y, keys: [k]}, features: [f.*], train: {algorithm: auto}}]
               ·                                                                                                             ─┬─
               ·                                                                                                              ╰── no feature view of this name
             3 │ endpoints: [{name: delays, model: delay@champion}]
               ╰────

            error[P0202]: monitor `two` names runbook `mand`, which does not exist
               ╭─[s.yml:6:12]
             5 │   - {name: one, endpoint: delays, drift: {}, runbook: runbooks/one.md}
             6 │   - {name: two, endpoint: delays, drift: {}, runbook: mand}
               ·            ▲
             7 │ runbooks: [{name: mend, steps: [{check: select 1}]}]
               ╰────
              help: did you mean `mend`?
              help: declare it under `runbooks:`, or write the path of a file for people

            2 errors, 0 warnings
        "#]],
    );
}
