//! Schedules and channels: what they mean, and mistakes in them.

use baton_core::channel::{Occasion, Way};
use baton_core::schedule::{Blackout, CatchUp, OnFailure};
use expect_test::expect;

use super::*;

const GOOD: &str = "-- /baton.yml
project: flights
execution:
  retries: {attempts: 5, backoff: 1s, max: 30s, jitter: 0.5}
  timeout: 1h
  steps: {landing: {timeout: 10m}}
-- /s.yml
sources: [{name: landing, path: x}, {name: weather, path: y}]
schedules:
  - name: nightly
    owner: ops@example.com
    environments: prod
    select: ['+landing']
    cron: ['30 2 * * *', 0 12 * * 1-5]
    timezone: Europe/Zurich
    on: {commit: [landing, weather], match: all}
    freshness: {asset: landing, within: 6h}
    files: landing/*.csv
    catch_up: all
    blackouts:
      - {from: '22:00', until: '06:00', days: [fri, sat]}
      - {from: 2026-12-24, until: 2026-12-27}
    priority: 5
    retries: {attempts: 1}
    on_failure: stop
    notify: ops
    late_after: 2h
channels:
  - {name: ops, kind: pagerduty, routing_key: '${env:PD_KEY}', hears: [failure, recovery]}
";

#[test]
fn a_schedule_says_when_what_and_how() {
    let project = load_good(GOOD);
    let schedule = &project.schedules[0];
    assert_eq!((schedule.name.as_str(), schedule.priority, schedule.late_after), ("nightly", 5, Some(7_200)));
    assert_eq!(schedule.triggers.cron, ["30 2 * * *", "0 12 * * 1-5"]);
    assert!(schedule.triggers.commits.as_ref().is_some_and(|on| on.all && on.assets.len() == 2));
    assert_eq!(schedule.catch_up, CatchUp::All);
    let christmas = Blackout::Between { from: 1_782_338_400_000_000, until: 1_798_326_000_000_000 };
    assert_eq!(schedule.blackouts[0], Blackout::Daily { from: 1_320, until: 360, weekdays: vec![4, 5] });
    assert!(
        matches!((&schedule.blackouts[1], &christmas), (Blackout::Between { until, .. }, Blackout::Between { until: same, .. }) if until == same)
    );
    let policy = schedule.execution.policy(&project.execution, "landing");
    assert_eq!((policy.retries.attempts, policy.timeout, policy.on_failure), (1, Some(600), OnFailure::Stop));
    let Way::Pagerduty { url, routing_key } = &project.channels[0].way else { panic!("{:?}", project.channels) };
    assert_eq!((url.0.as_str(), routing_key.0.as_str()), ("https://events.pagerduty.com/v2/enqueue", "${env:PD_KEY}"));
    assert_eq!(project.channels[0].hears, [Occasion::Failure, Occasion::Recovery]);
}

#[test]
fn a_schedule_with_mistakes() {
    check(
        &with_head(
            "-- /s.yml
sources: [{name: landing, path: x}]
schedules:
  - name: nightly
    cron: [30 2 * *, 30 25 * * *, 0 0 30 2 *]
    timezone: Europe/Zurch
    on: {commit: [landin], match: most}
    freshness: {asset: landing}
    catch_up: newest
    blackouts:
      - {from: '22:00', until: 2026-12-24}
      - {from: soon, until: '06:00'}
      - {from: 2026-12-27, until: 2026-12-24}
      - {from: '07:00', until: '07:00'}
    retries: {attempts: 0, jitter: 2}
    steps: {landin: {timeout: 0s}}
    notify: [ops, opps]
  - {name: nightly, paused: sometimes}
channels:
  - {name: ops, kind: slack}
  - {name: ops, kind: webhook, url: 'https://x/${TOKEN}'}
",
        ),
        expect![[r#"
            error[P0108]: `cron` of schedule `nightly` is not a cron line
               ╭─[s.yml:4:12]
             3 │   - name: nightly
             4 │     cron: [30 2 * *, 30 25 * * *, 0 0 30 2 *]
               ·            ────┬───
               ·                ╰── expected five fields
             5 │     timezone: Europe/Zurch
               ╰────
              help: write five fields: minute hour day month weekday, such as `0 6 * * 1`

            error[P0108]: `cron` of schedule `nightly` is not a cron line
               ╭─[s.yml:4:22]
             3 │   - name: nightly
             4 │     cron: [30 2 * *, 30 25 * * *, 0 0 30 2 *]
               ·                      ─────┬─────
               ·                           ╰── number out of bounds
             5 │     timezone: Europe/Zurch
               ╰────
              help: write five fields: minute hour day month weekday, such as `0 6 * * 1`

            error[P0108]: `cron` of schedule `nightly` is not a cron line
               ╭─[s.yml:4:35]
             3 │   - name: nightly
             4 │     cron: [30 2 * *, 30 25 * * *, 0 0 30 2 *]
               ·                                   ─────┬────
               ·                                        ╰── there is no such day
             5 │     timezone: Europe/Zurch
               ╰────
              help: write five fields: minute hour day month weekday, such as `0 6 * * 1`

            error[P0113]: `timezone` of schedule `nightly` is `Europe/Zurch`, which is no time zone
               ╭─[s.yml:5:15]
             4 │     cron: [30 2 * *, 30 25 * * *, 0 0 30 2 *]
             5 │     timezone: Europe/Zurch
               ·               ────────────
             6 │     on: {commit: [landin], match: most}
               ╰────
              help: write a name of the IANA time zone database, such as `Europe/Zurich` or `UTC`
              help: did you mean `Europe/Zurich`?

            error[P0202]: schedule `nightly` waits for `landin`, which does not exist
               ╭─[s.yml:6:19]
             5 │     timezone: Europe/Zurch
             6 │     on: {commit: [landin], match: most}
               ·                   ───┬──
               ·                      ╰── no asset of this name
             7 │     freshness: {asset: landing}
               ╰────
              help: did you mean `landing`?

            error[P0105]: `match` of `on` of schedule `nightly` is `most`
               ╭─[s.yml:6:35]
             5 │     timezone: Europe/Zurch
             6 │     on: {commit: [landin], match: most}
               ·                                   ──┬─
               ·                                     ╰── expected any or all
             7 │     freshness: {asset: landing}
               ╰────

            error[P0103]: `freshness` of schedule `nightly` has no `within`
               ╭─[s.yml:7:5]
             6 │     on: {commit: [landin], match: most}
             7 │     freshness: {asset: landing}
               ·     ─────────
             8 │     catch_up: newest
               ╰────
              help: add `within`: Time since its newest version.

            error[P0105]: `catch_up` of schedule `nightly` is `newest`
               ╭─[s.yml:8:15]
             7 │     freshness: {asset: landing}
             8 │     catch_up: newest
               ·               ───┬──
               ·                  ╰── expected latest, all or none
             9 │     blackouts:
               ╰────

            error[P0105]: `until` of `blackouts` of schedule `nightly` is not of the form of `from`
                ╭─[s.yml:10:32]
              9 │     blackouts:
             10 │       - {from: '22:00', until: 2026-12-24}
                ·                                ─────┬────
                ·                                     ╰── expected two times of day, or two instants
             11 │       - {from: soon, until: '06:00'}
                ╰────

            error[P0105]: `from` of `blackouts` of schedule `nightly` is `soon`, which is neither a time of day nor an instant
                ╭─[s.yml:11:16]
             10 │       - {from: '22:00', until: 2026-12-24}
             11 │       - {from: soon, until: '06:00'}
                ·                ──┬─
                ·                  ╰── expected for example 22:00 or 2026-12-24
             12 │       - {from: 2026-12-27, until: 2026-12-24}
                ╰────

            error[P0105]: `until` of `blackouts` of schedule `nightly` is not later than `from`
                ╭─[s.yml:12:35]
             11 │       - {from: soon, until: '06:00'}
             12 │       - {from: 2026-12-27, until: 2026-12-24}
                ·                                   ─────┬────
                ·                                        ╰── expected a later instant
             13 │       - {from: '07:00', until: '07:00'}
                ╰────

            error[P0105]: `until` of `blackouts` of schedule `nightly` is the same time of day as `from`
                ╭─[s.yml:13:32]
             12 │       - {from: 2026-12-27, until: 2026-12-24}
             13 │       - {from: '07:00', until: '07:00'}
                ·                                ───┬───
                ·                                   ╰── expected another time
             14 │     retries: {attempts: 0, jitter: 2}
                ╰────

            error[P0109]: `attempts` of `retries` of schedule `nightly` is 0
                ╭─[s.yml:14:25]
             13 │       - {from: '07:00', until: '07:00'}
             14 │     retries: {attempts: 0, jitter: 2}
                ·                         ┬
                ·                         ╰── expected from 1 to 1000
             15 │     steps: {landin: {timeout: 0s}}
                ╰────

            error[P0109]: `jitter` of `retries` of schedule `nightly` is 2
                ╭─[s.yml:14:36]
             13 │       - {from: '07:00', until: '07:00'}
             14 │     retries: {attempts: 0, jitter: 2}
                ·                                    ┬
                ·                                    ╰── expected 0 to 1
             15 │     steps: {landin: {timeout: 0s}}
                ╰────

            error[P0202]: schedule `nightly` says how to try `landin`, which does not exist
                ╭─[s.yml:15:13]
             14 │     retries: {attempts: 0, jitter: 2}
             15 │     steps: {landin: {timeout: 0s}}
                ·             ───┬──
                ·                ╰── no asset of this name
             16 │     notify: [ops, opps]
                ╰────
              help: did you mean `landing`?

            error[P0109]: `timeout` of step `landin` is zero
                ╭─[s.yml:15:31]
             14 │     retries: {attempts: 0, jitter: 2}
             15 │     steps: {landin: {timeout: 0s}}
                ·                               ─┬
                ·                                ╰── expected more than 0s
             16 │     notify: [ops, opps]
                ╰────

            error[P0202]: schedule `nightly` notifies `opps`, which does not exist
                ╭─[s.yml:16:19]
             15 │     steps: {landin: {timeout: 0s}}
             16 │     notify: [ops, opps]
                ·                   ──┬─
                ·                     ╰── no channel of this name
             17 │   - {name: nightly, paused: sometimes}
                ╰────
              detail: Channels are ops or ops.
              help: did you mean `ops`?

            error[P0201]: schedule `nightly` has a name that is taken
               ╭─[s.yml:3:11]
             2 │ schedules:
             3 │   - name: nightly
               ·           ───┬───
               ·              ╰── the first
             4 │     cron: [30 2 * *, 30 25 * * *, 0 0 30 2 *]
               ╰────
                ╭─[s.yml:17:12]
             16 │     notify: [ops, opps]
             17 │   - {name: nightly, paused: sometimes}
                ·            ───┬───
                ·               ╰── the second
             18 │ channels:
                ╰────
              help: rename one of them

            error[P0104]: `paused` of schedule `nightly` is a text, expected true or false
                ╭─[s.yml:17:29]
             16 │     notify: [ops, opps]
             17 │   - {name: nightly, paused: sometimes}
                ·                             ────┬────
                ·                                 ╰── expected true or false
             18 │ channels:
                ╰────

            error[P0103]: channel `ops` has no `url`
                ╭─[s.yml:19:12]
             18 │ channels:
             19 │   - {name: ops, kind: slack}
                ·            ───
             20 │   - {name: ops, kind: webhook, url: 'https://x/${TOKEN}'}
                ╰────
              help: add `url`: Where to; secrets as `${env:NAME}` or `${file:PATH}`. For `email`: `smtp://host:25`, or `smtps://user:${env:PASSWORD}@host`.

            error[P0105]: `url` of channel `ops` holds `${TOKEN}`, which is no reference to a secret
                ╭─[s.yml:20:37]
             19 │   - {name: ops, kind: slack}
             20 │   - {name: ops, kind: webhook, url: 'https://x/${TOKEN}'}
                ·                                     ────────────────────
                ╰────
              help: write `${env:NAME}` or `${file:PATH}`

            21 errors, 0 warnings
        "#]],
    );
}
