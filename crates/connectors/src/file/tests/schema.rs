//! Contracts: selection, new, missing and changed columns under each policy.

use arrow::array::{Int64Array, StringArray, StringDictionaryBuilder, TimestampMicrosecondArray};
use arrow::datatypes::Int32Type;
use expect_test::{Expect, expect};

use super::*;
use crate::OnSchemaChange;

fn check(policy: OnSchemaChange, path: &str, content: impl AsRef<[u8]>, expected: Expect) {
    let contract = Contract {
        on_schema_change: policy,
        ..contract(&[("carrier", DataType::Utf8), ("delay", DataType::Int32), ("gate", DataType::Utf8)])
    };
    expected.assert_eq(&shown(read(path, content, &contract)));
}

const CHANGED: &str = "{\"delay\":\"5\",\"carrier\":\"UA\",\"weather\":1.5}\n{\"delay\":\"late\",\"carrier\":\"AA\"}\n";

#[test]
fn evolve_lands_new_columns_and_nulls_for_missing_ones() {
    check(
        OnSchemaChange::Evolve,
        "a.jsonl",
        CHANGED,
        expect![[r#"
        carrier string, delay int32, gate string, weather float64
        +---------+-------+------+---------+
        | carrier | delay | gate | weather |
        +---------+-------+------+---------+
        | UA      | 5     |      | 1.5     |
        +---------+-------+------+---------+
        change: column `delay` is string instead of int32
        change: missing column `gate` (string)
        change: new column `weather` (float64)
        row 2, column `delay`: `late` is not a whole number (int32) <- {"delay":"late","carrier":"AA","weather":null}
        1 rows, 1 rejected
    "#]],
    );
    check(
        OnSchemaChange::Evolve,
        "a.csv",
        "weather,carrier,delay\n1.5,UA,5\n",
        expect![[r#"
        carrier string, delay int32, gate string, weather float64
        +---------+-------+------+---------+
        | carrier | delay | gate | weather |
        +---------+-------+------+---------+
        | UA      | 5     |      | 1.5     |
        +---------+-------+------+---------+
        change: missing column `gate` (string)
        change: new column `weather` (float64)
        1 rows, 0 rejected
    "#]],
    );
}

#[test]
fn freeze_and_quarantine_refuse_the_file_and_name_the_columns() {
    check(
        OnSchemaChange::Freeze,
        "a.jsonl",
        CHANGED,
        expect![[r#"
        error: `a.jsonl` breaks the frozen schema: column `delay` is string instead of int32, missing column `gate` (string), new column `weather` (float64); change the columns of the source, or mend the file
    "#]],
    );
    check(
        OnSchemaChange::Quarantine,
        "a.csv",
        "weather,carrier,delay\n1.5,UA,5\n",
        expect![[r#"
        error: `a.csv` is set aside, its schema differs: missing column `gate` (string), new column `weather` (float64); mend the file, or change the columns of the source
    "#]],
    );
    check(
        OnSchemaChange::Freeze,
        "a.csv",
        "gate,carrier,delay\nB2,UA,5\n",
        expect![[r#"
        carrier string, delay int32, gate string
        +---------+-------+------+
        | carrier | delay | gate |
        +---------+-------+------+
        | UA      | 5     | B2   |
        +---------+-------+------+
        1 rows, 0 rejected
    "#]],
    );
}

#[test]
fn text_holds_times_without_a_change_but_numbers_never_do() {
    let frozen = Contract { on_schema_change: OnSchemaChange::Freeze, ..contract(&[("at", timestamp())]) };
    let text = parquet_bytes(vec![("at", array(StringArray::from(vec!["2013-01-01T05:00:00Z"])))]);
    let number = parquet_bytes(vec![("at", array(Int64Array::from(vec![1])))]);
    expect![[r#"
        at timestamp
        +----------------------+
        | at                   |
        +----------------------+
        | 2013-01-01T05:00:00Z |
        +----------------------+
        1 rows, 0 rejected
    "#]]
    .assert_eq(&shown(read("a.parquet", text, &frozen)));
    expect![[r#"
        error: `a.parquet` breaks the frozen schema: column `at` is int64 instead of timestamp; change the columns of the source, or mend the file
    "#]].assert_eq(&shown(read("a.parquet", &number, &frozen)));
    let evolving = contract(&[("at", timestamp())]);
    expect![[r#"
        error: cannot read `a.parquet`, column `at`: the file holds int64, which cannot be read as timestamp; mend the file, or change the column's entry in the source
    "#]].assert_eq(&shown(read("a.parquet", &number, &evolving)));
}

#[test]
fn inferred_parquet_types_are_plain() {
    let mut carriers = StringDictionaryBuilder::<Int32Type>::new();
    ["UA", "UA", "AA"].iter().for_each(|carrier| carriers.append_value(carrier));
    let bytes = parquet_bytes(vec![
        ("carrier", array(carriers.finish())),
        ("at", array(TimestampMicrosecondArray::from(vec![Some(0), None, Some(1)]).with_timezone("UTC"))),
    ]);
    expect![[r#"
        carrier string, at timestamp
        +---------+-----------------------------+
        | carrier | at                          |
        +---------+-----------------------------+
        | UA      | 1970-01-01T00:00:00Z        |
        | UA      |                             |
        | AA      | 1970-01-01T00:00:00.000001Z |
        +---------+-----------------------------+
        3 rows, 0 rejected
    "#]]
    .assert_eq(&shown(read("a.parquet", bytes, &Contract::default())));
}

#[test]
fn only_selected_columns_land() {
    let select = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let mut contract = contract(&[("carrier", DataType::Utf8), ("delay", DataType::Int32)]);
    contract.select = select(&["delay", "weather"]);
    expect![[r#"
        delay int32, weather float64
        +-------+---------+
        | delay | weather |
        +-------+---------+
        | 5     | 1.5     |
        +-------+---------+
        change: new column `weather` (float64)
        1 rows, 0 rejected
    "#]]
    .assert_eq(&shown(read("a.csv", "weather,carrier,delay,other\n1.5,UA,5,x\n", &contract)));
    contract.select = select(&["wether"]);
    expect![[r#"
        error: cannot read `a.csv`, column `wether`: the column is selected, but neither the file nor the contract has it; mend the name, or take it out of the selected columns
    "#]].assert_eq(&shown(read("a.csv", "weather,carrier,delay,other\n1.5,UA,5,x\n", &contract)));
}
