//! What tables hold after batches: late rows, rows out of order, deletions, the same batch again.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow::util::pretty::pretty_format_batches;
use baton_core::asset::{Deletes, Keep, Materialize, Table};
use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

/// `id`, `name`, when it changed and when it became known (microseconds), whether it is a deletion.
type Row = (i64, &'static str, i64, i64, bool);

fn rows(rows: &[Row]) -> RecordBatch {
    let columns: [(&str, ArrayRef); 5] = [
        ("id", Arc::new(rows.iter().map(|row| Some(row.0)).collect::<Int64Array>())),
        ("name", Arc::new(rows.iter().map(|row| Some(row.1)).collect::<StringArray>())),
        ("changed", instants(rows.iter().map(|row| Some(row.2)).collect())),
        ("gone", Arc::new(rows.iter().map(|row| Some(row.4)).collect::<BooleanArray>())),
        (AVAILABLE_AT, instants(rows.iter().map(|row| Some(row.3)).collect())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap()
}

fn table(materialize: Materialize, keep: Keep) -> Table {
    Table {
        sql: String::new(),
        file: String::new(),
        line_offset: 0,
        materialize,
        time: Some("changed".to_owned()),
        grain: vec!["id".to_owned()],
        lookback: 0,
        batch: 86_400,
        columns: Vec::new(),
        keep,
        python: None,
        command: None,
        for_each: None,
    }
}

fn by_change() -> Keep {
    Keep { updated_at: Some("changed".to_owned()), delete_when: Some("gone".to_owned()), ..Keep::default() }
}

/// The table after `batches`, each at its clock; a batch is all that the query yields when `whole`.
fn after(table: &Table, whole: bool, batches: &[(i64, &[Row])]) -> RecordBatch {
    let mut stored = Vec::new();
    for (clock, batch) in batches {
        let keeping = Keeping { table, clock: *clock, interval: None, whole };
        stored = materialize(&stored, &[rows(batch)], &keeping).unwrap();
    }
    concatenated(&stored[0].schema(), &stored).unwrap()
}

/// Rows as sorted text: the instant as its microseconds.
fn lines(batch: &RecordBatch) -> Vec<String> {
    let wanted = ["id", "name", "valid_from", "valid_to", "_valid_to_available_at", SNAPSHOT_AT];
    let cell = |name: &&str, row: usize| {
        let column = batch.column_by_name(name)?;
        let number = || arrow::compute::cast(column, &DataType::Int64).unwrap();
        let shown = if *name == "name" { Arc::clone(column) } else { number() };
        let text = arrow::util::display::array_value_to_string(&shown, row).unwrap();
        Some(if text.is_empty() { "-".to_owned() } else { text })
    };
    let line = |row| wanted.iter().filter_map(|name| cell(name, row)).collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = (0..batch.num_rows()).map(line).collect();
    lines.sort();
    lines
}

fn check(found: &RecordBatch, expected: &Expect) {
    expected.assert_eq(&lines(found).join("\n"));
}

#[test]
fn merge_keeps_the_newest_row_of_a_key_and_late_ones_change_nothing() {
    let table = table(Materialize::Merge, Keep { delete_when: Some("gone".to_owned()), ..Keep::default() });
    let batches: &[(i64, &[Row])] = &[
        (10, &[(1, "ada", 1, 2, false), (2, "grace", 1, 2, false), (3, "edsger", 1, 2, false)]),
        (20, &[(1, "ada l.", 12, 13, false), (3, "edsger", 14, 14, true)]),
        (30, &[(1, "late", 11, 25, false), (2, "grace h.", 22, 23, false), (4, "alan", 24, 24, false)]),
    ];
    check(
        &after(&table, false, batches),
        &expect![[r#"
            1 ada l.
            2 grace h.
            4 alan"#]],
    );
}

#[test]
fn two_rows_of_a_key_without_an_order_are_refused() {
    let table = Table { time: None, ..table(Materialize::Merge, Keep::default()) };
    let keeping = Keeping { table: &table, clock: 9, interval: None, whole: true };
    let batch = rows(&[(7, "a", 1, 2, false), (7, "b", 1, 2, false)]);
    let error = materialize(&[], &[batch], &keeping).unwrap_err();
    expect![
        "the rows cannot be kept as the table says: different rows share the key id=7, and nothing says which is newer: make `grain` unique, or say the `time`"
    ]
    .assert_eq(&error.to_string());
}

#[test]
fn append_adds_each_row_once() {
    let by_key = table(Materialize::Append, Keep::default());
    let batches: &[(i64, &[Row])] = &[
        (10, &[(1, "ada", 1, 2, false), (2, "grace", 1, 2, false)]),
        (20, &[(2, "other", 1, 2, false), (3, "late", 0, 15, false), (3, "late", 0, 15, false)]),
    ];
    check(
        &after(&by_key, true, batches),
        &expect![[r#"
            1 ada
            2 grace
            3 late"#]],
    );
    let by_content = Table { grain: Vec::new(), ..by_key };
    let batches: &[(i64, &[Row])] = &[
        (10, &[(1, "ada", 1, 2, false), (1, "ada", 1, 2, false)]),
        (20, &[(1, "ada", 1, 2, false), (1, "ada", 1, 2, false), (1, "ada", 1, 2, false)]),
    ];
    check(
        &after(&by_content, true, batches),
        &expect![[r#"
            1 ada
            1 ada
            1 ada"#]],
    );
}

#[test]
fn history_puts_late_states_and_deletions_in_their_place() {
    let table = table(Materialize::History, by_change());
    let batches: &[(i64, &[Row])] = &[
        (100, &[(1, "a", 10, 11, false), (2, "x", 10, 11, false)]),
        (200, &[(1, "c", 150, 151, false), (2, "x", 160, 161, true)]),
        (300, &[(1, "b", 120, 290, false), (2, "y", 250, 251, false)]),
    ];
    check(
        &after(&table, false, batches),
        &expect![[r#"
            1 a 10 120 290
            1 b 120 150 151
            1 c 150 - -
            2 x 10 160 161
            2 y 250 - -"#]],
    );
}

#[test]
fn history_by_comparison_follows_the_clock() {
    let keep = Keep { check: vec!["name".to_owned()], deletes: Deletes::Close, ..Keep::default() };
    let table = table(Materialize::History, keep);
    let batches: &[(i64, &[Row])] = &[
        (100, &[(1, "a", 1, 1, false), (2, "x", 1, 1, false)]),
        (200, &[(1, "a", 2, 2, false), (2, "y", 1, 1, false), (3, "new", 1, 1, false)]),
        (300, &[(1, "a", 2, 2, false)]),
        (400, &[(1, "a", 2, 2, false), (2, "y", 1, 1, false)]),
    ];
    check(
        &after(&table, true, batches),
        &expect![[r#"
            1 a 100 - -
            2 x 100 200 200
            2 y 200 300 300
            2 y 400 - -
            3 new 200 300 300"#]],
    );
}

#[test]
fn history_reopens_a_key_that_is_back_unchanged() {
    let keep = Keep { updated_at: Some("changed".to_owned()), deletes: Deletes::Close, ..Keep::default() };
    let table = table(Materialize::History, keep);
    let both: &[Row] = &[(1, "a", 10, 11, false), (2, "x", 10, 11, false)];
    let batches: &[(i64, &[Row])] = &[(100, both), (200, &both[..1]), (300, &both[..1]), (400, both), (500, both)];
    check(
        &after(&table, true, batches),
        &expect![[r#"
            1 a 10 - -
            2 x 10 200 200
            2 x 400 - -"#]],
    );
}

#[test]
fn nothing_new_touches_nothing() {
    let batch: &[Row] = &[(1, "a", 10, 11, false), (1, "b", 20, 21, false), (2, "x", 10, 11, true)];
    for (kind, keep) in [(Materialize::Merge, Keep::default()), (Materialize::History, by_change())] {
        let table = table(kind, keep);
        let stored = after(&table, false, &[(100, batch)]);
        let keeping = Keeping { table: &table, clock: 200, interval: None, whole: false };
        let effect = effect(&[stored], &[rows(batch)], &keeping).unwrap();
        assert_eq!((effect.gone.num_rows(), effect.rows.num_rows()), (0, 0), "{kind:?}");
    }
}

#[test]
fn snapshots_stand_beside_each_other() {
    let table = table(Materialize::Snapshot, Keep::default());
    let found = after(&table, true, &[(100, &[(1, "a", 1, 1, false)]), (200, &[(1, "b", 2, 2, false)])]);
    check(
        &found,
        &expect![[r#"
            1 a 100
            1 b 200"#]],
    );
    let known = rows::known(&found).unwrap();
    assert_eq!(known, [Some(100), Some(200)], "a snapshot is known since it was taken");
    assert!(pretty_format_batches(&[found]).is_ok());
}

#[test]
fn incremental_replaces_its_interval() {
    let table = table(Materialize::Incremental, Keep::default());
    let mut stored = vec![rows(&[(1, "a", 5, 5, false), (2, "b", 15, 15, false)])];
    let interval = Some(Interval { start: 10, end: 20 });
    let keeping = Keeping { table: &table, clock: 30, interval, whole: false };
    stored = materialize(&stored, &[rows(&[(3, "c", 12, 25, false)])], &keeping).unwrap();
    check(
        &concatenated(&stored[0].schema(), &stored).unwrap(),
        &expect![[r#"
            1 a
            3 c"#]],
    );
}

const NAMES: [&str; 3] = ["a", "b", "c"];

prop_compose! {
    /// Rows of a log: at most one for a key and an instant.
    fn any_log()(found in prop::collection::btree_map((0i64..4, 1i64..12), (0usize..3, any::<bool>()), 0..24)) -> Vec<Row> {
        found.into_iter().map(|((id, at), (name, gone))| (id, NAMES[name], at, at, gone && at % 3 == 0)).collect()
    }
}

proptest! {
    #[test]
    fn history_is_the_same_in_any_order_and_any_batches(
        log in any_log(), cuts in prop::collection::vec(0usize..24, 0..4), seed in any::<u64>(),
    ) {
        let table = table(Materialize::History, Keep { delete_when: None, ..by_change() });
        let mut shuffled = log.clone();
        let length = shuffled.len().max(1) as u64;
        for index in 0..shuffled.len() {
            shuffled.swap(index, (seed.rotate_left(index as u32) % length) as usize);
        }
        let mut ends: Vec<usize> = cuts.into_iter().map(|cut| cut.min(log.len())).chain([log.len()]).collect();
        ends.sort_unstable();
        let mut start = 0;
        let mut batches: Vec<(i64, &[Row])> = Vec::new();
        for (clock, end) in ends.into_iter().enumerate() {
            batches.push((100 + clock as i64, &shuffled[start..end]));
            start = end;
        }
        let once = after(&table, false, &[(100, &log)]);
        prop_assert_eq!(lines(&once), lines(&after(&table, false, &batches)));
    }

    #[test]
    fn states_of_a_key_never_overlap(log in any_log()) {
        let table = table(Materialize::History, by_change());
        let found = after(&table, false, &[(100, &log)]);
        let (from, until) = (rows::micros(&found, VALID_FROM).unwrap(), rows::micros(&found, VALID_TO).unwrap());
        let ids = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(found.column(0)).values().to_vec();
        for a in 0..found.num_rows() {
            prop_assert!(until[a].is_none_or(|end| end > from[a].unwrap()));
            for b in (0..found.num_rows()).filter(|b| *b != a && ids[*b] == ids[a]) {
                let before = until[a].is_some_and(|end| end <= from[b].unwrap());
                prop_assert!(before || until[b].is_some_and(|end| end <= from[a].unwrap()));
            }
        }
    }

    #[test]
    fn merge_is_the_newest_row_however_rows_come(log in any_log(), cut in 0usize..24) {
        let table = table(Materialize::Merge, Keep::default());
        let cut = cut.min(log.len());
        let once = after(&table, false, &[(100, &log)]);
        let turned = after(&table, false, &[(100, &log[cut..]), (101, &log[..cut])]);
        prop_assert_eq!(lines(&once), lines(&turned));
        let newest: std::collections::BTreeMap<i64, &str> = log.iter().map(|row| (row.0, row.1)).collect();
        let expected: Vec<String> = newest.iter().map(|(id, name)| format!("{id} {name}")).collect();
        prop_assert_eq!(lines(&once), expected);
    }
}
