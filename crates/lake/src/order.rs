//! Which columns of a file never go down from one row to the next: noticed while rows are written, recorded with the file.
//!
//! Tables that come in the order of an instant or of a key are common, and whoever reads one need not sort it or hold all
//! of its groups at once. Only whole numbers, decimals, dates and instants without nulls are looked at, and a column no
//! longer from its first step down on, so that a column without an order costs next to nothing. It does not know how
//! files lie to each other.

use std::collections::BTreeSet;

use arrow::array::{Array as _, ArrayRef, ArrowPrimitiveType, AsArray as _, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};

/// The tag of a Delta `add` action that holds the names of the columns that never go down, as a JSON list.
pub(crate) const ASCENDING_TAG: &str = "baton.ascending";

/// The columns that did not go down in the rows so far.
pub(crate) struct AscendingColumns(Vec<Candidate>);

struct Candidate {
    column: usize,
    /// The last row's value.
    last: Option<i128>,
}

impl AscendingColumns {
    /// Before the first row of a file with so many columns.
    pub(crate) fn new(n_columns: usize) -> Self {
        Self((0..n_columns).map(|column| Candidate { column, last: None }).collect())
    }

    /// Takes in the next rows.
    pub(crate) fn append(&mut self, batch: &RecordBatch) {
        if batch.num_rows() > 0 {
            self.0.retain_mut(|candidate| candidate.goes_on(batch.column(candidate.column)));
        }
    }

    /// The names of the columns, as [`ASCENDING_TAG`] holds them; `None` when there are none.
    pub(crate) fn tag(&self, batch_schema: &arrow::datatypes::Schema) -> Option<String> {
        let names: Vec<&str> =
            self.0.iter().map(|candidate| batch_schema.field(candidate.column).name().as_str()).collect();
        (!names.is_empty()).then(|| serde_json::json!(names).to_string())
    }
}

impl Candidate {
    fn goes_on(&mut self, array: &ArrayRef) -> bool {
        let Some((first, last)) = ends(array) else { return false };
        let before = self.last.replace(last);
        before.is_none_or(|before| before <= first)
    }
}

/// Reads [`ASCENDING_TAG`]; a text that is none says nothing.
pub(crate) fn ascending_columns(tag: &str) -> BTreeSet<String> {
    serde_json::from_str(tag).unwrap_or_default()
}

/// The first and the last value of `array`; `None` when one is null or lower than the one before, and for other types.
fn ends(array: &ArrayRef) -> Option<(i128, i128)> {
    match array.data_type() {
        DataType::Int8 => ends_of::<Int8Type>(array),
        DataType::Int16 => ends_of::<Int16Type>(array),
        DataType::Int32 => ends_of::<Int32Type>(array),
        DataType::Int64 => ends_of::<Int64Type>(array),
        DataType::Decimal128(..) => ends_of::<Decimal128Type>(array),
        DataType::Date32 => ends_of::<Date32Type>(array),
        DataType::Timestamp(TimeUnit::Microsecond, _) => ends_of::<TimestampMicrosecondType>(array),
        _ => None,
    }
}

fn ends_of<T: ArrowPrimitiveType<Native: Into<i128>>>(array: &ArrayRef) -> Option<(i128, i128)> {
    let array = array.as_primitive::<T>();
    let values = array.values();
    let goes_up = array.null_count() == 0 && values.is_sorted();
    goes_up.then(|| Some(((*values.first()?).into(), (*values.last()?).into()))).flatten()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Date32Array, Decimal128Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, StringArray,
        TimestampMicrosecondArray,
    };
    use proptest::prelude::*;

    use super::*;

    fn tag_of<'b>(batches: impl IntoIterator<Item = &'b RecordBatch>) -> BTreeSet<String> {
        let mut tag = None;
        let mut columns: Option<AscendingColumns> = None;
        for batch in batches {
            let columns = columns.get_or_insert_with(|| AscendingColumns::new(batch.num_columns()));
            columns.append(batch);
            tag = columns.tag(&batch.schema());
        }
        tag.map(|tag| ascending_columns(&tag)).unwrap_or_default()
    }

    #[test]
    fn every_kind_of_number_may_go_up() {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("byte", Arc::new(Int8Array::from(vec![i8::MIN, 0, 0, i8::MAX]))),
            ("short", Arc::new(Int16Array::from(vec![-2, -1, 1, 1]))),
            ("int", Arc::new(Int32Array::from(vec![1, 2, 3, 4]))),
            ("same", Arc::new(Int64Array::from(vec![7; 4]))),
            ("price", Arc::new(Decimal128Array::from(vec![i128::MIN, 1, 2, i128::MAX]))),
            ("day", Arc::new(Date32Array::from(vec![-1, 0, 1, 2]))),
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![1, 2, 2, 3]).with_timezone("UTC"))),
            ("down", Arc::new(Int64Array::from(vec![4, 3, 2, 1]))),
            ("once down", Arc::new(Int64Array::from(vec![1, 2, 1, 2]))),
            ("null", Arc::new(Int64Array::from(vec![Some(1), None, Some(3), Some(4)]))),
            ("float", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 4.0]))),
            ("text \" é", Arc::new(StringArray::from(vec!["a", "b", "c", "d"]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let expected = ["at", "byte", "day", "int", "price", "same", "short"];
        assert_eq!(tag_of([&batch]).into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn names_of_any_kind_come_back() {
        let name = "a \"quoted\", é ]";
        let batch = RecordBatch::try_from_iter([(name, Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        assert_eq!(tag_of([&batch]), BTreeSet::from([name.to_owned()]));
        assert_eq!(ascending_columns("changed by hand"), BTreeSet::new());
    }

    proptest! {
        #[test]
        fn a_column_goes_up_when_all_its_rows_do(batches in prop::collection::vec(prop::collection::vec(prop::option::weighted(0.97, -3_i64..4), 0..4), 1..5), sorted in any::<bool>()) {
            let mut rows: Vec<Option<i64>> = batches.concat();
            if sorted {
                rows.sort_unstable();
            }
            let mut rest = rows.as_slice();
            let written: Vec<RecordBatch> = batches.iter().map(|batch| {
                let (part, after) = rest.split_at(batch.len());
                rest = after;
                RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(part.to_vec())) as ArrayRef)]).unwrap()
            }).collect();
            let goes_up = rows.iter().all(Option::is_some) && rows.windows(2).all(|pair| pair[0] <= pair[1]);
            prop_assert_eq!(!tag_of(&written).is_empty(), goes_up);
        }
    }
}
