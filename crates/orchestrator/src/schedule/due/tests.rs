//! What is due when, as tables of text: the clock and what happens, then what is due and when to look again.

use std::collections::BTreeMap;

use baton_core::asset::Origin;
use baton_core::schedule::{Blackout, CatchUp, Deadline, Execution, OnCommits, Schedule, Triggers};
use baton_core::time::parse_instant;
use baton_core::{AssetName, Timestamp};
use chrono::TimeDelta;
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn name(text: &str) -> AssetName {
    AssetName::parse(text).unwrap()
}

fn schedule(cron: &[&str]) -> Schedule {
    Schedule {
        name: name("nightly"),
        owner: None,
        description: None,
        environments: Vec::new(),
        select: Vec::new(),
        exclude: Vec::new(),
        triggers: Triggers {
            cron: cron.iter().map(|line| (*line).to_owned()).collect(),
            every: None,
            timezone: "UTC".to_owned(),
            commits: None,
            deadline: None,
            files: None,
        },
        catch_up: CatchUp::Latest,
        blackouts: Vec::new(),
        paused: false,
        priority: 0,
        execution: Execution::default(),
        notify: Vec::new(),
        late_after: None,
        approval: None,
        origin: Origin::default(),
    }
}

fn show(at: Timestamp) -> String {
    at.format("%m-%d %H:%M").to_string()
}

/// Lines of `MM-DD HH:MM` of 2026 and what happened by then: `orders=v2`, `files=x`, `paused`, `unpaused`.
fn told(schedule: &Schedule, script: &str) -> String {
    let mut schedule = schedule.clone();
    let (mut cursor, mut versions, mut files) = (Cursor::default(), BTreeMap::new(), None);
    let mut told = String::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let now = parse_instant(&format!("2026-{}", &line[..11])).unwrap();
        for word in line[11..].split_whitespace() {
            match word.split_once('=') {
                Some(("files", digest)) => files = Some(digest.to_owned()),
                Some((asset, version)) => drop(versions.insert(name(asset), version.to_owned())),
                None => schedule.paused = word == "paused",
            }
        }
        let found = due(
            &schedule,
            &Timetable::of(&schedule),
            &cursor,
            &Facts { now, versions: &versions, files: files.as_deref() },
        );
        let ticks: Vec<String> =
            found.ticks.iter().map(|tick| format!("{} {}", tick.trigger.word(), show(tick.at))).collect();
        let ticks = if ticks.is_empty() { "-".to_owned() } else { ticks.join(", ") };
        let wake_at = found.wake_at.map_or("an event".to_owned(), show);
        told.push_str(&format!("{}: {ticks}; next {wake_at}\n", show(now)));
        cursor = found.cursor;
    }
    told
}

fn check(schedule: &Schedule, script: &str, expected: Expect) {
    expected.assert_eq(&told(schedule, script));
}

#[test]
fn ticks_come_once_and_those_that_were_missed_as_asked() {
    let script = "
        06-01 01:00
        06-01 02:30
        06-01 02:30
        06-01 02:31
        06-05 12:00
        06-06 02:31";
    let of = |catch_up: CatchUp| told(&Schedule { catch_up, ..schedule(&["30 2 * * *"]) }, script);
    let latest = of(CatchUp::Latest);
    expect![[r#"
        06-01 01:00: -; next 06-01 02:30
        06-01 02:30: cron 06-01 02:30; next 06-02 02:30
        06-01 02:30: -; next 06-02 02:30
        06-01 02:31: -; next 06-02 02:30
        06-05 12:00: cron 06-05 02:30; next 06-06 02:30
        06-06 02:31: cron 06-06 02:30; next 06-07 02:30
    "#]]
    .assert_eq(&latest);
    let instead = |ticks: &str| latest.replace("12:00: cron 06-05 02:30;", &format!("12:00: {ticks};"));
    let all = "cron 06-02 02:30, cron 06-03 02:30, cron 06-04 02:30, cron 06-05 02:30";
    assert_eq!(of(CatchUp::All), instead(all));
    assert_eq!(of(CatchUp::None), instead("-"));
}

#[test]
fn two_lines_that_meet_are_one_tick() {
    let both = Schedule { catch_up: CatchUp::All, ..schedule(&["0 6 * * *", "0 */6 * * *"]) };
    check(
        &both,
        "06-01 00:00\n06-01 12:00",
        expect![[r#"
        06-01 00:00: -; next 06-01 06:00
        06-01 12:00: cron 06-01 06:00, cron 06-01 12:00; next 06-01 18:00
    "#]],
    );
}

#[test]
fn blackouts_drop_ticks_and_hold_back_events() {
    let nights = Blackout::Daily { from: 22 * 60, until: 6 * 60, weekdays: Vec::new() };
    let mut nightly = Schedule { blackouts: vec![nights], ..schedule(&["0 */4 * * *"]) };
    nightly.triggers.commits = Some(OnCommits { assets: vec![name("orders")], all: false });
    let script = "
        06-01 12:00 orders=v1
        06-01 20:00
        06-01 23:00 orders=v2
        06-02 05:59
        06-02 06:00
        06-02 08:00";
    check(
        &nightly,
        script,
        expect![[r#"
        06-01 12:00: -; next 06-01 16:00
        06-01 20:00: cron 06-01 20:00; next 06-02 00:00
        06-01 23:00: -; next 06-02 06:00
        06-02 05:59: -; next 06-02 06:00
        06-02 06:00: commit 06-02 06:00; next 06-02 08:00
        06-02 08:00: cron 06-02 08:00; next 06-02 12:00
    "#]],
    );
}

#[test]
fn a_pause_is_not_caught_up_with() {
    let mut paused = schedule(&["0 * * * *"]);
    paused.triggers.commits = Some(OnCommits { assets: vec![name("orders")], all: false });
    let script = "
        06-01 12:00 orders=v1
        06-01 12:30 paused
        06-01 15:30 orders=v2
        06-01 15:40 unpaused
        06-01 16:00
        06-01 16:10 orders=v3";
    check(
        &paused,
        script,
        expect![[r#"
        06-01 12:00: -; next 06-01 13:00
        06-01 12:30: -; next an event
        06-01 15:30: -; next an event
        06-01 15:40: -; next 06-01 16:00
        06-01 16:00: cron 06-01 16:00; next 06-01 17:00
        06-01 16:10: commit 06-01 16:10; next 06-01 17:00
    "#]],
    );
}

#[test]
fn commits_of_any_or_of_all() {
    let script = "
        06-01 12:00 orders=v1
        06-01 12:01 orders=v1
        06-01 12:02 orders=v2
        06-01 12:03 customers=v1
        06-01 12:04 orders=v3
        06-01 12:05 customers=v2";
    let of = |all: bool| {
        let mut waits = schedule(&[]);
        waits.triggers.commits = Some(OnCommits { assets: vec![name("orders"), name("customers")], all });
        told(&waits, script)
    };
    let any = of(false);
    expect![[r#"
        06-01 12:00: -; next an event
        06-01 12:01: -; next an event
        06-01 12:02: commit 06-01 12:02; next an event
        06-01 12:03: commit 06-01 12:03; next an event
        06-01 12:04: commit 06-01 12:04; next an event
        06-01 12:05: commit 06-01 12:05; next an event
    "#]]
    .assert_eq(&any);
    let waits_for_the_other = any.replace("commit 06-01 12:02", "-").replace("commit 06-01 12:04", "-");
    assert_eq!(of(true), waits_for_the_other);
}

#[test]
fn a_deadline_runs_when_nothing_new_came_and_again_after_as_long() {
    let mut deadline = schedule(&[]);
    deadline.triggers.deadline = Some(Deadline { asset: name("orders"), within: 6 * 3_600 });
    let script = "
        06-01 12:00 orders=v1
        06-01 17:00 orders=v2
        06-01 18:00
        06-01 23:00
        06-01 23:01
        06-02 05:00";
    check(
        &deadline,
        script,
        expect![[r#"
        06-01 12:00: -; next 06-01 18:00
        06-01 17:00: -; next 06-01 23:00
        06-01 18:00: -; next 06-01 23:00
        06-01 23:00: freshness 06-01 23:00; next 06-02 05:00
        06-01 23:01: -; next 06-02 05:00
        06-02 05:00: freshness 06-02 05:00; next 06-02 11:00
    "#]],
    );
}

#[test]
fn files_run_it_when_they_are_others_than_before() {
    let mut files = schedule(&[]);
    files.triggers.files = Some("landing/*.csv".to_owned());
    check(
        &files,
        "06-01 12:00 files=a\n06-01 12:01\n06-01 12:02 files=b\n06-01 12:03",
        expect![[r#"
        06-01 12:00: -; next an event
        06-01 12:01: -; next an event
        06-01 12:02: files 06-01 12:02; next an event
        06-01 12:03: -; next an event
    "#]],
    );
}

#[test]
fn many_missed_ticks_are_told_in_parts() {
    let every_minute = Schedule { catch_up: CatchUp::All, ..schedule(&["* * * * *"]) };
    let start = parse_instant("2026-06-01").unwrap();
    let mut cursor = Cursor { through: Some(start), ..Cursor::default() };
    let (now, versions) = (start + TimeDelta::minutes(1_234), BTreeMap::new());
    let mut told = Vec::new();
    loop {
        let found = due(
            &every_minute,
            &Timetable::of(&every_minute),
            &cursor,
            &Facts { now, versions: &versions, files: None },
        );
        if found.ticks.is_empty() {
            break;
        }
        told.push(found.ticks.len());
        cursor = found.cursor;
    }
    assert_eq!(told, [500, 500, 234]);
}

proptest! {
    /// However often and whenever somebody looks: no tick is told twice, none is left out, and they come in order.
    #[test]
    fn no_tick_is_told_twice_or_left_out(waits in prop::collection::vec(1_i64..500_000, 1..40), catch_up in 0..3_usize) {
        let catch_up = [CatchUp::All, CatchUp::Latest, CatchUp::None][catch_up];
        let night = Blackout::Daily { from: 60, until: 180, weekdays: Vec::new() };
        let schedule = Schedule { catch_up, blackouts: vec![night], ..schedule(&["*/17 * * * *", "30 2 * * *"]) };
        let start = parse_instant("2026-06-01").unwrap();
        let versions = BTreeMap::new();
        let (mut cursor, mut now, mut told, mut last_wake) = (Cursor { through: Some(start), ..Cursor::default() }, start, Vec::new(), start);
        for wait in waits {
            now += TimeDelta::seconds(wait);
            loop {
                let found = due(&schedule, &Timetable::of(&schedule), &cursor, &Facts { now, versions: &versions, files: None });
                prop_assert!(found.cursor.through >= cursor.through);
                prop_assert!(found.ticks.len() < 2 || catch_up == CatchUp::All);
                // What is told in parts is due again at once.
                let wake_at = found.wake_at.unwrap().max(now);
                prop_assert!(wake_at >= last_wake);
                last_wake = wake_at;
                let is_done = found.ticks.is_empty();
                told.extend(found.ticks.into_iter().map(|tick| tick.at));
                cursor = found.cursor;
                if is_done { break; }
            }
        }
        prop_assert!(told.is_sorted_by(|first, second| first < second));
        if catch_up == CatchUp::All {
            let open = |at: &Timestamp| ends_at(&schedule.blackouts, Tz::UTC, *at).is_none();
            let mut all: Vec<Timestamp> = Timetable::of(&schedule)
                .lines
                .iter()
                .flat_map(|line| line.between(start, cursor.through.unwrap(), usize::MAX)).filter(open).collect();
            all.sort();
            all.dedup();
            prop_assert_eq!(told, all);
        }
    }
}

#[test]
fn so_often_means_once_for_all_that_was_missed() {
    let mut often = schedule(&[]);
    often.triggers.every = Some(30 * 60);
    check(
        &often,
        "
        06-01 01:10
        06-01 01:29
        06-01 01:30
        06-01 01:30
        06-01 04:59
        06-01 05:00",
        expect![[r#"
            06-01 01:10: -; next 06-01 01:30
            06-01 01:29: -; next 06-01 01:30
            06-01 01:30: every 06-01 01:30; next 06-01 02:00
            06-01 01:30: -; next 06-01 02:00
            06-01 04:59: every 06-01 04:30; next 06-01 05:00
            06-01 05:00: every 06-01 05:00; next 06-01 05:30
        "#]],
    );
}
