//! Good files: every format in every compression gives the same rows; what each format does with types and nulls.

use std::collections::BTreeSet;

use arrow::array::{Float64Array, Int64Array, StringArray};
use expect_test::expect;

use super::*;

const CSV: &str = "carrier,flight,delay,at\nUA,1545,2.5,2013-01-01T05:00:00Z\nAA,NA,,2013-01-01T06:00:00Z\n";
const JSON: &str = r#"{"carrier":"UA","flight":1545,"delay":2.5,"at":"2013-01-01T05:00:00Z"}
{"carrier":"AA","flight":null,"at":"2013-01-01T06:00:00Z"}
"#;

fn parquet_file() -> Vec<u8> {
    parquet_bytes(vec![
        ("carrier", array(StringArray::from(vec!["UA", "AA"]))),
        ("flight", array(Int64Array::from(vec![Some(1545), None]))),
        ("delay", array(Float64Array::from(vec![Some(2.5), None]))),
        ("at", array(StringArray::from(vec!["2013-01-01T05:00:00Z", "2013-01-01T06:00:00Z"]))),
    ])
}

#[test]
fn every_format_and_compression_gives_the_same_rows() {
    let contract = contract(&[
        ("carrier", DataType::Utf8),
        ("flight", DataType::Int32),
        ("delay", DataType::Float64),
        ("at", timestamp()),
    ]);
    let mut outcomes = BTreeSet::new();
    for (ending, content) in [("csv", CSV.into()), ("jsonl", JSON.into()), ("parquet", parquet_file())] {
        for (outer, bytes) in [("", content.clone()), (".gz", gzip(&content)), (".zst", zstd(&content))] {
            outcomes.insert(shown(read(&format!("flights.{ending}{outer}"), bytes, &contract)));
        }
    }
    expect![[r#"
        carrier string, flight int32, delay float64, at timestamp
        +---------+--------+-------+----------------------+
        | carrier | flight | delay | at                   |
        +---------+--------+-------+----------------------+
        | UA      | 1545   | 2.5   | 2013-01-01T05:00:00Z |
        | AA      |        |       | 2013-01-01T06:00:00Z |
        +---------+--------+-------+----------------------+
        2 rows, 0 rejected
    "#]]
    .assert_eq(&outcomes.into_iter().collect::<Vec<_>>().join("or\n"));
}

#[test]
fn csv_types_come_from_the_whole_file() {
    let text = "id,zip,delay,is_late,day,at,empty\n\
                1,00501,1,true,2013-01-01,2013-01-01 05:00:00,\n\
                2,10001,2,false,2013-01-02,2013-01-01,NA\n\
                3,10002,2.5,NA,2013-01-03,2013-01-02T00:00:00+01:00,\n";
    expect![[r#"
        id int64, zip string, delay float64, is_late bool, day date, at timestamp, empty string
        +----+-------+-------+---------+------------+----------------------+-------+
        | id | zip   | delay | is_late | day        | at                   | empty |
        +----+-------+-------+---------+------------+----------------------+-------+
        | 1  | 00501 | 1.0   | true    | 2013-01-01 | 2013-01-01T05:00:00Z |       |
        | 2  | 10001 | 2.0   | false   | 2013-01-02 | 2013-01-01T00:00:00Z |       |
        | 3  | 10002 | 2.5   |         | 2013-01-03 | 2013-01-01T23:00:00Z |       |
        +----+-------+-------+---------+------------+----------------------+-------+
        3 rows, 0 rejected
    "#]]
    .assert_eq(&shown(read("a.csv", text, &Contract::default())));
}

#[test]
fn csv_quotes_line_breaks_marks_and_delimiters() {
    let text = "\u{feff}name;note\r\n\"Ann \"\"A\"\" Lee\";\"two\r\nlines\"\r\n\r\nBob;plain";
    let mut contract = Contract::default();
    contract.options.insert("delimiter".to_owned(), ";".to_owned());
    expect![[r#"
        name string, note string
        +-------------+-------+
        | name        | note  |
        +-------------+-------+
        | Ann "A" Lee | two^  |
        |             | lines |
        | Bob         | plain |
        +-------------+-------+
        2 rows, 0 rejected
    "#]]
    .assert_eq(&shown(read("a.csv", text, &contract)));
    expect![[r#"
        a int64, b int64
        +---+---+
        | a | b |
        +---+---+
        | 1 | 2 |
        +---+---+
        1 rows, 0 rejected
    "#]]
    .assert_eq(&shown(read("a.tsv", "a\tb\n1\t2\n", &Contract::default())));
}

#[test]
fn csv_without_header_takes_the_names_of_the_contract() {
    let mut contract = contract(&[("carrier", DataType::Utf8)]);
    contract.options.insert("header".to_owned(), "false".to_owned());
    expect![[r#"
        carrier string, column_2 int64
        +---------+----------+
        | carrier | column_2 |
        +---------+----------+
        | UA      | 1        |
        | AA      | 2        |
        +---------+----------+
        change: new column `column_2` (int64)
        2 rows, 0 rejected
    "#]]
    .assert_eq(&shown(read("a.csv", "UA,1\nAA,2\n", &contract)));
}

#[test]
fn csv_with_a_header_only_has_a_schema_and_no_rows() {
    expect![[r#"
        a string, b string
        0 rows, 0 rejected
    "#]]
    .assert_eq(&shown(read("a.csv", "a,b\n", &Contract::default())));
}

#[test]
fn csv_null_values_can_be_chosen() {
    let contract = Contract { null_values: vec!["-".to_owned()], ..Contract::default() };
    expect![[r#"
        a int64, b string
        +---+----+
        | a | b  |
        +---+----+
        |   | NA |
        | 1 |    |
        +---+----+
        2 rows, 0 rejected
    "#]]
    .assert_eq(&shown(read("a.csv", "a,b\n-,NA\n1,\n", &contract)));
}

#[test]
fn json_types_come_from_all_lines() {
    let text = "\u{feff}{\"a\":1,\"b\":true,\"c\":[1,2.5],\"d\":{\"x\":null}}\n\n{\"a\":2.5,\"b\":\"yes\",\"d\":{\"x\":1},\"e\":null}\r\n";
    expect![[r#"
        a float64, b string, c list(float64), d struct("x": int64), e string
        +-----+------+------------+--------+---+
        | a   | b    | c          | d      | e |
        +-----+------+------------+--------+---+
        | 1.0 | true | [1.0, 2.5] | {x: }  |   |
        | 2.5 | yes  |            | {x: 1} |   |
        +-----+------+------------+--------+---+
        2 rows, 0 rejected
    "#]]
    .assert_eq(&shown(read("a.json", text, &Contract::default())));
}

#[test]
fn large_files_come_in_several_batches_with_right_row_numbers() {
    let n_rows = 100_000;
    let csv: String =
        "n\n".chars().chain((0..n_rows).flat_map(|n| format!("{n}\n").chars().collect::<Vec<_>>())).collect();
    let contract = contract(&[("n", DataType::Int32)]);
    let outcome = read("a.csv", csv.replace("\n77777\n", "\nseven\n"), &contract).unwrap();
    assert!(outcome.batches.len() > 1);
    assert_eq!(outcome.report.rows, n_rows - 1);
    let rejected = outcome.report.rejected.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(rejected, ["row 77779, column `n`: `seven` is not a whole number (int32)"]);
}

#[test]
fn rejected_rows_are_all_counted_but_not_all_kept() {
    let outcome = read("a.csv", format!("n\n{}", "x\n".repeat(1500)), &contract(&[("n", DataType::Int64)])).unwrap();
    assert_eq!(outcome.report.rejected.len(), crate::MAX_KEPT_REJECTED_ROWS);
    assert_eq!((outcome.report.rows, outcome.report.rejected_total), (0, 1500));
}

#[test]
fn a_long_rejected_row_is_kept_in_part() {
    let text = format!("{{\"a\":1}}\n{}\n", "x".repeat(1 << 20));
    let outcome = read("a.jsonl", text, &Contract::default()).unwrap();
    let row = &outcome.report.rejected[0];
    assert_eq!(row.value.chars().count(), 80);
    assert!(row.raw.to_string().len() < 20_000);
}
