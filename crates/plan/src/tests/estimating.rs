//! What work will come to, from what it came to.

use std::collections::BTreeMap;

use baton_core::{Interval, IntervalSet};

use super::scene::{Scene, day, name};
use crate::{Past, estimate, render_text};

const TABLES: &str = "
    source landing | rows 1 | id 1
    table days <- landing | rows 1 | id 1 | every 1d | until 2013-07-01
    table totals <- days | rows 1 | id 1";

fn past(rows: u64, milliseconds: &[u64]) -> Past {
    let seconds = BTreeMap::from([("build".to_owned(), milliseconds.to_vec())]);
    Past { rows: Some(rows), bytes: Some(rows * 10), milliseconds: seconds }
}

#[test]
fn missing_time_is_a_share_of_covered_time_and_takes_as_long_as_last_time() {
    let environment = TABLES.replace("until 2013-07-01", "until 2013-06-30");
    let plan = Scene::parse(TABLES, &environment).plan();
    let history = BTreeMap::from([(name("days"), past(180_000, &[9_000, 400, 500])), (name("totals"), past(7, &[]))]);
    let covered = IntervalSet::of(Interval::between(day("2013-01-01"), day("2013-06-30")));
    let found = estimate(&plan, &history, &BTreeMap::from([(name("days"), covered)]));
    assert_eq!(found.stages[0].rows, Some(1_000), "one day of 180");
    assert_eq!(found.stages[0].milliseconds, Some(500));
    assert_eq!(found.stages[1].rows, Some(7), "the whole of it");
    assert_eq!((found.rows, found.bytes, found.milliseconds, found.unknown), (1_007, 10_070, 500, 1));
}

#[test]
fn what_is_built_anew_takes_as_long_as_the_longest_time() {
    let project = TABLES.replace("days <- landing | rows 1", "days <- landing | rows 2");
    let mut plan = Scene::parse(&project, TABLES).plan();
    let history = BTreeMap::from([(name("days"), past(336_776, &[9_000, 400, 500]))]);
    plan.estimate = estimate(&plan, &history, &BTreeMap::new());
    assert!(render_text(&plan).contains("Estimate  336,776 rows, 3.4 MB, about 9 s\n"), "{}", render_text(&plan));
}

#[test]
fn nothing_is_said_of_work_that_was_never_done() {
    let plan = Scene::parse(TABLES, "").plan();
    let found = estimate(&plan, &BTreeMap::new(), &BTreeMap::new());
    assert_eq!((found.rows, found.unknown), (0, 3));
    assert!(!render_text(&plan).contains("Estimate"));
}
