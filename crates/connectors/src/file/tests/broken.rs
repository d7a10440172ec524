//! Bad files: each way to be broken, with the exact words the user reads.

use arrow::array::{Float64Array, Int64Array, StringArray, TimestampMillisecondArray};
use expect_test::{Expect, expect};

use super::*;

fn check(path: &str, content: impl AsRef<[u8]>, expected: Expect) {
    expected.assert_eq(&shown(read(path, content, &Contract::default())));
}

fn parquet_file() -> Vec<u8> {
    parquet_bytes(vec![("n", array(Int64Array::from_iter_values(0..1000)))])
}

#[test]
fn whole_files_that_cannot_be_read() {
    let parquet = parquet_file();
    let text = gzip("a,b\n".to_owned() + &"1,2\n".repeat(50_000));
    check(
        "empty.csv",
        "",
        expect![[r#"
        error: cannot read `empty.csv`: the file is empty; remove it, or let its writer finish
    "#]],
    );
    check(
        "empty.parquet",
        "",
        expect![[r#"
        error: cannot read `empty.parquet`: the file is empty; remove it, or let its writer finish
    "#]],
    );
    check(
        "empty.csv.gz",
        gzip(""),
        expect![[r#"
        error: cannot read `empty.csv.gz`: the file is empty inside its compression; remove it, or let its writer finish
    "#]],
    );
    check(
        "blank.csv",
        "\n\r\n",
        expect![[r#"
        error: cannot read `blank.csv`: the file holds only blank lines; write a header line
    "#]],
    );
    check(
        "cut.parquet",
        &parquet[..parquet.len() / 2],
        expect![[r#"
        error: cannot read `cut.parquet`: the Parquet footer is missing, so the file was cut off or is still being written; copy or write it again
    "#]],
    );
    check(
        "text.parquet",
        "a,b\n1,2\n",
        expect![[r#"
        error: cannot read `text.parquet`: the file is not Parquet, it does not begin with `PAR1`; mend its name, or set option `format`
    "#]],
    );
    check(
        "cut.csv.gz",
        &text[..text.len() / 2],
        expect![[r#"
        error: cannot read `cut.csv.gz`, row 24319: the gzip stream ends in the middle, so the file was cut off; copy it again from where it came
    "#]],
    );
    check(
        "cut.csv.zst",
        &zstd("a,b\n1,2\n".repeat(1000))[..20],
        expect![[r#"
        error: cannot read `cut.csv.zst`: the zstd stream ends in the middle, so the file was cut off; copy it again from where it came
    "#]],
    );
    check(
        "plain.csv.gz",
        "a,b\n1,2\n",
        expect![[r#"
            error: cannot read `plain.csv.gz`: the file is not compressed with gzip; mend its name, or set option `compression`
        "#]],
    );
    check(
        "packed.csv",
        gzip("a,b\n"),
        expect![[r#"
        error: cannot read `packed.csv`: the file is compressed with gzip; name it `.gz`, or set option `compression: gzip`
    "#]],
    );
    check(
        "really.csv",
        &parquet,
        expect![[r#"
        error: cannot read `really.csv`: the file is Parquet; name it `.parquet`, or set option `format: parquet`
    "#]],
    );
    check(
        "utf16.csv",
        b"\xff\xfea\0,\0b\0\n\0",
        expect![[r#"
        error: cannot read `utf16.csv`: the file is UTF-16 text; save it as UTF-8
    "#]],
    );
    check(
        "twice.csv",
        "a,b,a\n1,2,3\n",
        expect![[r#"
        error: cannot read `twice.csv`, row 1: column `a` appears twice in the header; rename one of the two
    "#]],
    );
    check(
        "semicolon.csv",
        "a;b\n1;2\n",
        expect![[r#"
        error: cannot read `semicolon.csv`, row 1: the header is one column, `a;b`; set option `delimiter: ";"` if that separates the fields, or `delimiter: ","` if not
    "#]],
    );
    check(
        "list.json",
        "[{\"a\":1}]",
        expect![[r#"
        error: cannot read `list.json`, row 1: the file is a JSON list; write one object a line, as `jq -c '.[]'` does
    "#]],
    );
}

#[test]
fn a_damaged_parquet_page_names_the_row() {
    let mut bytes = parquet_file();
    let footer = bytes.len() - 200;
    bytes[10..footer].fill(0xff);
    let error = shown(read("a.parquet", bytes, &Contract::default()));
    assert!(error.starts_with("error: cannot read `a.parquet`"), "{error}");
}

#[test]
fn csv_rows_are_set_aside_one_by_one() {
    check(
        "ragged.csv",
        "a,b\n1,2\n3\n4,5,6\n7,8\n",
        expect![[r#"
        a int64, b int64
        +---+---+
        | a | b |
        +---+---+
        | 1 | 2 |
        | 7 | 8 |
        +---+---+
        row 3: the row has 1 field, the header has 2 <- ["3"]
        row 4: the row has 3 fields, the header has 2 <- ["4","5","6"]
        2 rows, 2 rejected
    "#]],
    );
    check(
        "encoding.csv",
        b"a,b\n1,caf\xe9\n2,tea\n",
        expect![[r#"
        a int64, b string
        +---+-----+
        | a | b   |
        +---+-----+
        | 2 | tea |
        +---+-----+
        row 2, column `b`: the text is not UTF-8; save the file as UTF-8 <- ["1","caf�"]
        1 rows, 1 rejected
    "#]],
    );
    check(
        "quote.csv",
        "a,b\n1,2\n3,\"open\n4,5\n6,7\n",
        expect![[r#"
            error: cannot read `quote.csv`, row 3: the row opens a quote that is never closed, so all that follows would be part of it; close the quote; if the file was cut off, copy it again
        "#]],
    );
    let contract = contract(&[("a", DataType::Utf8), ("delay", DataType::Int32), ("at", timestamp())]);
    let text =
        "a,delay,at\nx,1,2013-01-01T05:00:00Z\nx,soon,2013-01-01T05:00:00Z\nx,1.5,NA\nx,99999999999,NA\nx,2,noon\n";
    expect![[r#"
        a string, delay int32, at timestamp
        +---+-------+----------------------+
        | a | delay | at                   |
        +---+-------+----------------------+
        | x | 1     | 2013-01-01T05:00:00Z |
        +---+-------+----------------------+
        row 3, column `delay`: `soon` is not a whole number (int32) <- {"a":"x","delay":"soon","at":"2013-01-01T05:00:00Z"}
        row 4, column `delay`: `1.5` is not a whole number (int32) <- {"a":"x","delay":"1.5","at":null}
        row 5, column `delay`: `99999999999` does not fit int32 <- {"a":"x","delay":"99999999999","at":null}
        row 6, column `at`: `noon` is not a timestamp (ISO 8601) <- {"a":"x","delay":"2","at":"noon"}
        1 rows, 4 rejected
    "#]].assert_eq(&shown(read("types.csv", text, &contract)));
}

#[test]
fn json_lines_are_set_aside_one_by_one() {
    let text = b"{\"a\":1}\n{\"a\":\n[1]\n{\"a\":\"\xe9\"}\n{\"a\":2}{\"a\":3}\n{\"a\":[4]}\n{\"a\":5}\n";
    check(
        "a.jsonl",
        text,
        expect![[r#"
        a int64
        +---+
        | a |
        +---+
        | 1 |
        | 5 |
        +---+
        row 2: the line is not JSON, see its character 5 <- "{\"a\":"
        row 3: the line is not a JSON object <- "[1]"
        row 4: the text is not UTF-8; save the file as UTF-8 <- "{\"a\":\"�\"}"
        row 5: the line is not JSON, see its character 8 <- "{\"a\":2}{\"a\":3}"
        row 6, column `a`: `[4]` is not int64, which the first values of the column are <- {"a":[4]}
        2 rows, 5 rejected
    "#]],
    );
    let text = "{\"n\":1,\"at\":\"2013-01-01\"}\n{\"n\":1e10}\n{\"n\":2.5}\n{\"n\":3,\"at\":\"noon\"}\n";
    let contract = contract(&[("n", DataType::Int32), ("at", timestamp())]);
    expect![[r#"
        n int32, at timestamp
        +---+----------------------+
        | n | at                   |
        +---+----------------------+
        | 1 | 2013-01-01T00:00:00Z |
        +---+----------------------+
        row 2, column `n`: `10000000000.0` is not a whole number (int32) <- {"n":10000000000.0,"at":null}
        row 3, column `n`: `2.5` is not a whole number (int32) <- {"n":2.5,"at":null}
        row 4, column `at`: `noon` is not a timestamp (ISO 8601) <- {"n":3.0,"at":"noon"}
        1 rows, 3 rejected
    "#]]
    .assert_eq(&shown(read("b.jsonl", text, &contract)));
    check(
        "garbage.jsonl",
        "one\ntwo\n",
        expect![[r#"
        error: cannot read `garbage.jsonl`: no line of the file is a JSON object; write one object a line
    "#]],
    );
}

#[test]
fn parquet_rows_are_set_aside_one_by_one() {
    let bytes = parquet_bytes(vec![
        ("small", array(Int64Array::from(vec![Some(1), Some(1 << 40), None, Some(4)]))),
        ("whole", array(Float64Array::from(vec![Some(1.0), Some(2.0), None, Some(4.5)]))),
        ("at", array(StringArray::from(vec!["2013-01-01 05:00:00", "", "x", "2013-01-01"]))),
        ("day", array(TimestampMillisecondArray::from(vec![0, 86_400_000, 0, 5]))),
    ]);
    let contract = contract(&[
        ("small", DataType::Int32),
        ("whole", DataType::Int64),
        ("at", timestamp()),
        ("day", DataType::Date32),
    ]);
    expect![[r#"
        small int32, whole int64, at timestamp, day date
        +-------+-------+----------------------+------------+
        | small | whole | at                   | day        |
        +-------+-------+----------------------+------------+
        | 1     | 1     | 2013-01-01T05:00:00Z | 1970-01-01 |
        +-------+-------+----------------------+------------+
        change: column `whole` is float64 instead of int64
        change: column `day` is timestamp without zone instead of date
        row 2, column `small`: `1099511627776` does not fit int32 <- {"small":1099511627776,"whole":2.0,"at":"","day":"1970-01-02T00:00:00"}
        row 3, column `at`: `x` is not a timestamp (ISO 8601) <- {"small":null,"whole":null,"at":"x","day":"1970-01-01T00:00:00"}
        row 4, column `whole`: `4.5` is not a whole number (int64) <- {"small":4,"whole":4.5,"at":"2013-01-01","day":"1970-01-01T00:00:00.005"}
        1 rows, 3 rejected
    "#]].assert_eq(&shown(read("a.parquet", bytes, &contract)));
}

#[test]
fn a_null_where_none_may_be_sets_the_row_aside() {
    let mut contract = contract(&[("a", DataType::Int64), ("b", DataType::Utf8)]);
    contract.columns[0].nullable = false;
    expect![[r#"
        a int64 not null, b string
        +---+---+
        | a | b |
        +---+---+
        | 1 | x |
        +---+---+
        row 3, column `a`: null where the contract allows none <- {"a":null,"b":"y"}
        1 rows, 1 rejected
    "#]]
    .assert_eq(&shown(read("a.csv", "a,b\n1,x\nNA,y\n", &contract)));
    expect![[r#"
        error: cannot read `a.csv`, column `a`: the column is missing, and the contract allows no null in it; mend the file, or change the column's entry in the source
    "#]].assert_eq(&shown(read("a.csv", "b\nx\n", &contract)));
}

#[test]
fn the_error_of_the_receiver_is_passed_on() {
    let project = Project::with("a.csv", "a\n1\n");
    let unit = &project.units("a.csv").unwrap()[0];
    let outcome = FileConnector.read(unit, &Contract::default(), &mut |_| Err(ConnectorError::sink("disk full")));
    assert!(matches!(outcome, Err(ConnectorError::Sink { source }) if source.to_string() == "disk full"));
}

#[test]
fn a_file_that_changed_since_discovery_is_not_landed() {
    let project = Project::with("a.csv", "a\n1\n");
    let unit = project.units("a.csv").unwrap().remove(0);
    let project = project.file("a.csv", "a\n1\n2\n");
    expect![[r#"
        error: `a.csv` changed while it was read; let its writer finish under another name and rename it then
    "#]]
    .assert_eq(&shown(read_unit(&unit, &Contract::default())));
    drop(project);
}
