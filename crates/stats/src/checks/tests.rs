//! Every rule over every type it takes, and every refusal.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int64Array,
    NullArray, RecordBatch, StringArray, StringViewArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;
use baton_core::check::{Check, CheckResult, Literal, Rule, Severity};
use chrono::{DateTime, Utc};
use expect_test::{Expect, expect};

use super::*;

fn flights() -> RecordBatch {
    let times = [Some(1_372_636_800_000_000), None, Some(1_372_640_400_000_000), Some(1_372_633_200_000_000)];
    let delays = Decimal128Array::from(vec![Some(50), None, Some(-120), Some(10)]);
    let dictionary: DictionaryArray<Int32Type> = [Some("EWR"), Some("JFK"), None, Some("XXX")].into_iter().collect();
    let columns: [(&str, ArrayRef); 11] = [
        ("carrier", Arc::new(StringArray::from(vec![Some("UA"), None, Some("AA"), Some("ZZ")]))),
        ("tailnum", Arc::new(StringViewArray::from(vec![Some("N14228"), Some("X1"), None, Some("N2")]))),
        ("origin", Arc::new(dictionary)),
        ("dep_delay", Arc::new(Int64Array::from(vec![Some(2), Some(2312), None, Some(-200)]))),
        ("speed", Arc::new(Float64Array::from(vec![Some(0.5), Some(f64::NAN), None, Some(9.0)]))),
        ("share", Arc::new(Float32Array::from(vec![0.1, 0.2, 0.3, 0.4]))),
        ("price", Arc::new(delays.with_precision_and_scale(10, 2).unwrap())),
        ("late", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]))),
        ("time", Arc::new(TimestampMicrosecondArray::from(times.to_vec()).with_timezone("UTC"))),
        ("day", Arc::new(Date32Array::from(vec![15_887, 15_888, 15_889, 15_890]))),
        ("nothing", Arc::new(NullArray::new(4))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

fn rule(column: &str, rule: Rule) -> Check {
    Check {
        name: "the_check".to_owned(),
        column: (!column.is_empty()).then(|| column.to_owned()),
        rule,
        severity: Severity::Error,
        filter: None,
        tolerance: 0.0,
    }
}

fn between(column: &str, min: Option<Literal>, max: Option<Literal>) -> Check {
    rule(column, Rule::Between { min, max })
}

fn accepted(column: &str, values: &[Literal]) -> Check {
    rule(column, Rule::AcceptedValues { values: values.to_vec() })
}

fn matches(column: &str, pattern: &str) -> Check {
    rule(column, Rule::Matches { pattern: pattern.to_owned() })
}

fn text(text: &str) -> Literal {
    Literal::Text(text.to_owned())
}

/// 2013-07-01T03:00:00Z, two hours after the newest time of `flights`.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_372_647_600, 0).unwrap()
}

fn run(check: Check, batches: &[RecordBatch]) -> CheckResult {
    let mut checker = RowChecker::new(&[check], &flights().schema()).unwrap();
    batches.iter().for_each(|batch| checker.update(batch, None).unwrap());
    checker.finish(now()).remove(0)
}

/// Judges the four flights and compares `verdict severity failed/rows message`.
fn judged(check: Check, expected: Expect) {
    let result = run(check, &[flights()]);
    let verdict = if result.passed { "passed" } else { "failed" };
    let line = format!("{verdict} {:?} {}/{} {}", result.severity, result.failed_rows, result.rows, result.message);
    expected.assert_eq(&line);
}

fn refused(check: Check, expected: Expect) {
    let error = RowChecker::new(&[check], &flights().schema()).unwrap_err();
    expected.assert_eq(&error.to_string());
}

#[test]
fn not_null_counts_nulls_of_every_type() {
    judged(rule("carrier", Rule::NotNull), expect!["failed Error 1/4 1 of 4 rows have no `carrier`"]);
    judged(rule("share", Rule::NotNull), expect!["passed Error 0/4 all 4 rows have `share`"]);
    judged(rule("nothing", Rule::NotNull), expect!["failed Error 4/4 4 of 4 rows have no `nothing`"]);
    judged(rule("origin", Rule::NotNull), expect!["failed Error 1/4 1 of 4 rows have no `origin`"]);
}

#[test]
fn accepted_values_compare_in_the_columns_type() {
    judged(
        accepted("carrier", &[text("UA"), text("AA")]),
        expect!["failed Error 1/4 `carrier`: 1 of 4 rows hold a value that is not accepted, e.g. ZZ"],
    );
    judged(
        accepted("origin", &[text("EWR"), text("JFK"), text("LGA")]),
        expect!["failed Error 1/4 `origin`: 1 of 4 rows hold a value that is not accepted, e.g. XXX"],
    );
    judged(
        accepted("dep_delay", &[Literal::Int(2), Literal::Int(2312), Literal::Int(-200)]),
        expect!["passed Error 0/4 `dep_delay`: all 4 rows hold an accepted value"],
    );
    judged(
        accepted("share", &[Literal::Float(0.1), Literal::Float(0.2), Literal::Float(0.3)]),
        expect!["failed Error 1/4 `share`: 1 of 4 rows hold a value that is not accepted, e.g. 0.4"],
    );
    judged(
        accepted("price", &[Literal::Float(0.5), Literal::Float(-1.2)]),
        expect!["failed Error 1/4 `price`: 1 of 4 rows hold a value that is not accepted, e.g. 0.10"],
    );
    judged(
        accepted("late", &[Literal::Bool(true)]),
        expect!["failed Error 1/4 `late`: 1 of 4 rows hold a value that is not accepted, e.g. false"],
    );
    judged(
        accepted("day", &[text("2013-07-01"), text("2013-07-02"), text("2013-07-03")]),
        expect!["failed Error 1/4 `day`: 1 of 4 rows hold a value that is not accepted, e.g. 2013-07-04"],
    );
    judged(
        accepted("carrier", &[]),
        expect!["failed Error 3/4 `carrier`: 3 of 4 rows hold a value that is not accepted, e.g. UA"],
    );
}

#[test]
fn between_is_closed_and_ends_may_be_open() {
    let int = |value| Some(Literal::Int(value));
    judged(
        between("dep_delay", int(-120), int(2000)),
        expect!["failed Error 2/4 `dep_delay` between -120 and 2000: 2 rows outside, e.g. 2312"],
    );
    judged(
        between("dep_delay", int(-200), int(2312)),
        expect!["passed Error 0/4 `dep_delay` between -200 and 2312: all 4 rows inside"],
    );
    judged(
        between("dep_delay", Some(Literal::Float(2.5)), None),
        expect!["failed Error 2/4 `dep_delay` at least 2.5: 2 rows outside, e.g. 2"],
    );
    judged(between("speed", int(0), None), expect!["failed Error 1/4 `speed` at least 0: 1 row outside, e.g. NaN"]);
    judged(
        between("price", None, Some(Literal::Float(0.1))),
        expect!["failed Error 1/4 `price` at most 0.1: 1 row outside, e.g. 0.50"],
    );
    judged(
        between("carrier", Some(text("B")), None),
        expect!["failed Error 1/4 `carrier` at least `B`: 1 row outside, e.g. AA"],
    );
    judged(
        between("day", Some(text("2013-07-02")), Some(text("2013-07-03"))),
        expect!["failed Error 2/4 `day` between `2013-07-02` and `2013-07-03`: 2 rows outside, e.g. 2013-07-01"],
    );
    judged(
        between("time", Some(text("2013-07-01T00:00:00Z")), None),
        expect!["failed Error 1/4 `time` at least `2013-07-01T00:00:00Z`: 1 row outside, e.g. 2013-06-30T23:00:00Z"],
    );
    judged(
        between("time", None, Some(text("2013-07-01"))),
        expect!["failed Error 1/4 `time` at most `2013-07-01`: 1 row outside, e.g. 2013-07-01T01:00:00Z"],
    );
}

#[test]
fn matches_is_unanchored() {
    judged(matches("tailnum", "^N"), expect!["failed Error 1/4 `tailnum` matches `^N`: 1 of 4 rows do not, e.g. X1"]);
    judged(matches("carrier", "[A-Z]"), expect!["passed Error 0/4 `carrier` matches `[A-Z]`: all 4 rows"]);
    judged(
        matches("origin", "^[A-W]"),
        expect!["failed Error 1/4 `origin` matches `^[A-W]`: 1 of 4 rows do not, e.g. XXX"],
    );
}

#[test]
fn row_count_looks_at_the_whole() {
    let count = |min, max| rule("", Rule::RowCount { min, max });
    judged(count(Some(1), None), expect!["passed Error 0/4 4 rows"]);
    judged(count(Some(5_000), None), expect!["failed Error 0/4 4 rows, expected at least 5,000"]);
    judged(count(Some(1), Some(3)), expect!["failed Error 0/4 4 rows, expected between 1 and 3"]);
}

#[test]
fn freshness_is_measured_at_the_logical_clock() {
    let freshness = |column, warn_after, error_after| rule(column, Rule::Freshness { warn_after, error_after });
    judged(
        freshness("time", Some(7_200), Some(9_000)),
        expect!["passed Error 0/4 newest `time` is 2013-07-01T01:00:00Z, 2h 0m old"],
    );
    judged(
        freshness("time", Some(3_600), Some(9_000)),
        expect!["failed Warn 0/4 newest `time` is 2013-07-01T01:00:00Z, 2h 0m old; allowed are 1h"],
    );
    judged(
        freshness("time", Some(1_800), Some(3_600)),
        expect!["failed Error 0/4 newest `time` is 2013-07-01T01:00:00Z, 2h 0m old; allowed are 1h"],
    );
    judged(
        freshness("day", None, Some(3_600)),
        expect!["passed Error 0/4 newest `day` is 2013-07-04T00:00:00Z, in the future"],
    );
    let empty = run(freshness("time", None, Some(3_600)), &[flights().slice(0, 0)]);
    assert!(!empty.passed);
    expect!["there is no value of `time`, so freshness is unknown"].assert_eq(&empty.message);
}

#[test]
fn severity_and_tolerance_are_honoured() {
    let mut check = rule("carrier", Rule::NotNull);
    check.severity = Severity::Warn;
    judged(check.clone(), expect!["failed Warn 1/4 1 of 4 rows have no `carrier`"]);
    check.tolerance = 0.25;
    judged(check.clone(), expect!["passed Warn 1/4 1 of 4 rows have no `carrier`; within the tolerance of 25%"]);
    check.tolerance = 0.24;
    judged(check, expect!["failed Warn 1/4 1 of 4 rows have no `carrier`"]);
}

#[test]
fn empty_tables_pass_and_batches_add_up() {
    let check = between("dep_delay", None, Some(Literal::Int(2000)));
    let empty = run(check.clone(), &[]);
    assert!(empty.passed && empty.rows == 0 && empty.samples.is_empty());
    let three = run(check, &[flights(), flights().slice(0, 0), flights().slice(1, 2)]);
    assert_eq!((three.rows, three.failed_rows, three.samples.len()), (6, 2, 2));
}

#[test]
fn failing_rows_are_kept_as_json_and_as_masks() {
    let checks = [rule("carrier", Rule::NotNull), rule("share", Rule::NotNull), matches("tailnum", "^N")];
    let mut checker = RowChecker::new(&checks, &flights().schema()).unwrap();
    let mut failing = Vec::new();
    for _ in 0..7 {
        checker.update(&flights(), Some(&mut failing)).unwrap();
    }
    assert_eq!(failing.len(), 14);
    assert_eq!(failing[0].mask, BooleanArray::from(vec![false, true, false, false]));
    let results = checker.finish(now());
    assert_eq!((results[0].samples.len(), results[1].samples.len(), results[0].failed_rows), (5, 0, 7));
    expect![[r#"{"carrier":null,"tailnum":"X1","origin":"JFK","dep_delay":2312,"speed":null,"share":0.2,"price":null,"late":false,"time":null,"day":"2013-07-02","nothing":null}"#]].assert_eq(&results[2].samples[0].to_string());
}

#[test]
fn misfits_name_check_column_type_and_what_to_do() {
    refused(
        between("carrier", Some(Literal::Int(1)), None),
        expect![
            "check `the_check` does not fit column `carrier` of type Utf8: it holds text; put the values in quotes, or cast the column to a number in the query"
        ],
    );
    refused(
        between("dep_delay", Some(text("1")), None),
        expect![
            "check `the_check` does not fit column `dep_delay` of type Int64: it holds numbers; write numbers, without quotes"
        ],
    );
    refused(
        between("late", Some(Literal::Bool(true)), None),
        expect![
            "check `the_check` does not fit column `late` of type Boolean: it holds true and false, which have no range; use accepted_values"
        ],
    );
    refused(
        between("nothing", Some(Literal::Int(1)), None),
        expect![
            "check `the_check` does not fit column `nothing` of type Null: all of its values are null, so it has no type; declare the column's type in the contract or cast it in the query"
        ],
    );
    refused(
        between("day", Some(text("soon")), None),
        expect![
            "check `the_check` does not fit column `day` of type Date32: `soon` cannot be read as that type; write it as '2013-07-01' or '2013-07-01T12:00:00'"
        ],
    );
    refused(
        between("time", Some(Literal::Int(1)), None),
        expect![[
            r#"check `the_check` does not fit column `time` of type Timestamp(µs, "UTC"): it holds dates or times; write a date or time in quotes, such as '2013-07-01T12:00:00'"#
        ]],
    );
    refused(
        matches("dep_delay", "1"),
        expect![
            "check `the_check` does not fit column `dep_delay` of type Int64: a pattern needs text; use between or accepted_values, or cast the column to text"
        ],
    );
    refused(
        matches("carrier", "("),
        expect!["check `the_check` has an invalid pattern `(`; correct the regular expression"],
    );
    refused(
        rule("dep_delay", Rule::Freshness { warn_after: None, error_after: None }),
        expect![
            "check `the_check` does not fit column `dep_delay` of type Int64: freshness needs a date or a timestamp; name a time column, or cast it in the query"
        ],
    );
    refused(
        rule("carier", Rule::NotNull),
        expect![
            "check `the_check` reads unknown column `carier`; the table has `carrier`, `tailnum`, `origin`, `dep_delay`, `speed`, `share`, `price`, `late`, `time`, `day`, `nothing`"
        ],
    );
    refused(
        rule("", Rule::NotNull),
        expect!["check `the_check` names no column; write it under the column it is about"],
    );
    refused(
        rule("", Rule::Unique { columns: Vec::new() }),
        expect!["check `the_check` cannot be answered row by row; run it as a query"],
    );
}

#[test]
fn only_unfiltered_row_rules_are_taken() {
    let mut check = rule("carrier", Rule::NotNull);
    assert!(is_row_rule(&check));
    check.filter = Some("late".to_owned());
    assert!(!is_row_rule(&check));
    assert!(!is_row_rule(&rule("", Rule::Sql { query: "select 1".to_owned() })));
}
