//! Digests depend on the rows, and on nothing else.

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, ListArray, StringArray};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Int32Type, Schema};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

type Row = (Option<i64>, Option<String>, Option<f64>);

fn batch_of(rows: &[Row]) -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("b_number", DataType::Int64, true),
        Field::new("a_text", DataType::Utf8, true),
        Field::new("c_float", DataType::Float64, true),
    ]);
    let numbers = Int64Array::from_iter(rows.iter().map(|row| row.0));
    let texts = StringArray::from_iter(rows.iter().map(|row| row.1.clone()));
    let floats = Float64Array::from_iter(rows.iter().map(|row| row.2));
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(numbers), Arc::new(texts), Arc::new(floats)]).unwrap()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    vec((option::of(-3..3_i64), option::of("[ab]{0,2}"), option::of(-1.0..1.0)), 1..30)
}

proptest! {
    #[test]
    fn splitting_and_ordering_do_not_matter(rows in rows(), cut in 0..30_usize, seed in 0..1000_usize) {
        let batch = batch_of(&rows);
        let cut = cut.min(rows.len());
        let parts = RowDigest::of(&batch.slice(0, cut)).unwrap().and(RowDigest::of(&batch.slice(cut, rows.len() - cut)).unwrap());
        prop_assert_eq!(parts, RowDigest::of(&batch).unwrap());
        let mut order: Vec<i32> = (0..rows.len() as i32).collect();
        order.rotate_left(seed % rows.len());
        order.reverse();
        let order = arrow::array::PrimitiveArray::<Int32Type>::from(order);
        let shuffled = take_record_batch(&batch, &order).unwrap();
        prop_assert_eq!(RowDigest::of(&shuffled).unwrap(), RowDigest::of(&batch).unwrap());
    }

    #[test]
    fn other_rows_have_another_digest(left in rows(), right in rows()) {
        let mut sorted = [left.clone(), right.clone()];
        sorted.iter_mut().for_each(|rows| rows.sort_by(|a, b| a.partial_cmp(b).unwrap()));
        let same_digest = RowDigest::of(&batch_of(&left)).unwrap() == RowDigest::of(&batch_of(&right)).unwrap();
        prop_assert_eq!(same_digest, sorted[0] == sorted[1]);
    }

    #[test]
    fn a_missing_or_duplicated_row_shows(rows in rows()) {
        let whole = RowDigest::of(&batch_of(&rows)).unwrap();
        prop_assert_ne!(RowDigest::of(&batch_of(&rows[1..])).unwrap(), whole);
        let twice = concat_batches(&batch_of(&rows).schema(), [&batch_of(&rows), &batch_of(&rows[..1])]).unwrap();
        prop_assert_ne!(RowDigest::of(&twice).unwrap(), whole);
    }
}

#[test]
fn the_order_of_columns_and_empty_or_system_columns_do_not_matter() {
    let batch = batch_of(&[(Some(1), Some("a".to_owned()), None), (None, None, Some(0.5))]);
    let digest = RowDigest::of(&batch).unwrap();
    assert_eq!(RowDigest::of(&batch.project(&[2, 0, 1]).unwrap()).unwrap(), digest);
    let with = |name: &str, values: Vec<Option<i64>>| {
        let mut columns: Vec<(String, ArrayRef)> = batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .zip(batch.columns().iter().cloned())
            .collect();
        columns.push((name.to_owned(), Arc::new(Int64Array::from(values))));
        RowDigest::of(&RecordBatch::try_from_iter(columns).unwrap()).unwrap()
    };
    assert_eq!(with("new", vec![None, None]), digest);
    assert_eq!(with("_loaded_at", vec![Some(7), Some(8)]), digest);
    assert_ne!(with("new", vec![None, Some(1)]), digest);
}

#[test]
fn a_value_counts_in_its_own_column_only() {
    let of = |name: &str| {
        let columns: Vec<(&str, ArrayRef)> = vec![(name, Arc::new(Int64Array::from(vec![1])))];
        RowDigest::of(&RecordBatch::try_from_iter(columns).unwrap()).unwrap()
    };
    assert_ne!(of("left"), of("right"));
}

#[test]
fn nested_values_count() {
    let of = |lists: Vec<Option<Vec<Option<i32>>>>| {
        let array: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists));
        RowDigest::of(&RecordBatch::try_from_iter(vec![("list", array)]).unwrap()).unwrap()
    };
    assert_eq!(of(vec![Some(vec![Some(1)]), None]), of(vec![None, Some(vec![Some(1)])]));
    assert_ne!(of(vec![Some(vec![Some(1), Some(2)])]), of(vec![Some(vec![Some(1)]), Some(vec![Some(2)])]));
}

/// The definition, spelled out a row at a time with the crate of the authors of BLAKE3: digests are recorded, and must
/// stay what they are.
#[test]
fn recorded_digests_stay_valid() {
    let rows: Vec<Row> = (0..61_i64)
        .map(|row| {
            let text = (row % 5 != 0).then(|| "x".repeat(usize::try_from(row * row % 190).unwrap()));
            ((row % 3 != 0).then_some(row - 30), text, (row % 7 != 0).then_some(row as f64 / 4.0))
        })
        .collect();
    let tag = |code: u8, name: &str| {
        let hash = blake3::hash(&[&[code], name.as_bytes()].concat());
        hash.as_bytes()[..8].to_vec()
    };
    let (text, number, float) = (tag(9, "a_text"), tag(5, "b_number"), tag(7, "c_float"));
    let mut sum = 0_u128;
    for (whole, words, real) in &rows {
        let mut cells = Vec::new();
        if let Some(words) = words {
            cells.extend([text.as_slice(), &(words.len() as u32).to_le_bytes(), words.as_bytes()].concat());
        }
        cells.extend(whole.iter().flat_map(|whole| [number.as_slice(), &whole.to_le_bytes()].concat()));
        cells.extend(real.iter().flat_map(|real| [float.as_slice(), &real.to_le_bytes()].concat()));
        let hash = blake3::hash(&cells);
        sum = sum.wrapping_add(u128::from_le_bytes(hash.as_bytes()[..16].try_into().unwrap()));
    }
    assert_eq!(RowDigest::of(&batch_of(&rows)).unwrap().to_string(), format!("{sum:032x}"));
    let sliced = batch_of(&rows).slice(3, 50);
    let apart = RowDigest::of(&batch_of(&rows[3..53])).unwrap();
    assert_eq!(RowDigest::of(&sliced).unwrap(), apart);
}

#[test]
fn a_digest_is_read_back_from_its_text() {
    let digest = RowDigest::of(&batch_of(&[(Some(1), None, None)])).unwrap();
    assert_eq!(RowDigest::parse(&digest.to_string()), Some(digest));
    assert_eq!(RowDigest::parse("+0000000000000000000000000000001"), None);
    assert_eq!(RowDigest::default().to_string(), "0".repeat(32));
}
