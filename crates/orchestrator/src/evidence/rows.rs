//! Rows in memory, and whether two sets of them are the same as multisets.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::row::{RowConverter, SortField};
use baton_engine::{AVAILABLE_AT, BatchStream, TableInput, is_system_column};
use baton_lake::{conform, delta_schema};
use baton_plan::{ColumnChanges, Proven};
use futures::TryStreamExt as _;

use crate::error::RunError;

/// The rows of a table with its system columns, in the types that the lake stores.
#[derive(Debug, Clone)]
pub(super) struct Rows(RecordBatch);

impl Rows {
    /// All rows of `batches`.
    pub(super) fn of(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Self, RunError> {
        let stored = delta_schema(schema)?;
        let batches = batches.iter().map(|batch| conform(batch, &stored)).collect::<Result<Vec<_>, _>>()?;
        let all = concat_batches(&stored, &batches);
        Ok(Self(all.map_err(|error| RunError::Worker(error.to_string()))?))
    }

    /// The rows of a stream; `None` when there are more than `most`.
    pub(super) async fn at_most(most: u64, mut stream: BatchStream) -> Result<Option<Self>, RunError> {
        let schema = stream.schema();
        let (mut batches, mut count) = (Vec::new(), 0_u64);
        while let Some(batch) = stream.try_next().await? {
            count += batch.num_rows() as u64;
            if count > most {
                return Ok(None);
            }
            batches.push(batch);
        }
        Self::of(&schema, &batches).map(Some)
    }

    pub(super) fn count(&self) -> u64 {
        self.0.num_rows() as u64
    }

    /// What a session reads them from.
    pub(super) fn input(&self) -> TableInput {
        TableInput::Batches { schema: self.0.schema(), batches: vec![self.0.clone()] }
    }

    fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.0.column_by_name(name)
    }

    /// The rows over `columns`, each as comparable bytes, in one order.
    fn sorted(&self, columns: &[&str]) -> Option<Vec<Vec<u8>>> {
        let columns: Vec<ArrayRef> = columns.iter().map(|name| self.column(name).cloned()).collect::<Option<_>>()?;
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        let rows = RowConverter::new(fields).ok()?.convert_columns(&columns).ok()?;
        let mut rows: Vec<Vec<u8>> = rows.iter().map(|row| row.as_ref().to_vec()).collect();
        rows.sort_unstable();
        Some(rows)
    }

    fn same_over(&self, other: &Self, columns: &[&str]) -> bool {
        let here = self.sorted(columns);
        here.is_some() && here == other.sorted(columns)
    }
}

/// What of a change the rows before and after it show to stay; `None` when the rows that the change leaves alone are
/// others. When a row became known counts as one of its values, because readers go by it.
pub(super) fn proven(before: &Rows, now: &Rows, changes: &ColumnChanges) -> Option<Proven> {
    let type_in = |rows: &Rows, name: &str| -> Option<DataType> { Some(rows.column(name)?.data_type().clone()) };
    let same_type = |name: &str| type_in(before, name).is_some_and(|kind| type_in(now, name) == Some(kind));
    if !same_type(AVAILABLE_AT) || before.count() != now.count() {
        return None;
    }
    let schema = now.0.schema();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let is_named =
        |name: &str| [&changes.added, &changes.changed].iter().any(|named| named.iter().any(|one| one == name));
    let (open, mut kept): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| is_named(name));
    if !kept.iter().all(|name| same_type(name)) || !has_all(before, &kept, changes) || !before.same_over(now, &kept) {
        return None;
    }
    let mut proven = Proven { rows: true, ..Proven::default() };
    for name in open.into_iter().filter(|name| same_type(name)) {
        kept.push(name);
        if before.same_over(now, &kept) {
            proven.columns.insert(name.to_owned());
        } else {
            kept.pop();
        }
    }
    Some(proven)
}

/// Whether every column that was there is among `kept` or named as changed.
fn has_all(before: &Rows, kept: &[&str], changes: &ColumnChanges) -> bool {
    let is_named = |name: &String| changes.changed.contains(name) || changes.removed.contains(name);
    let schema = before.0.schema();
    schema
        .fields()
        .iter()
        .all(|field| kept.contains(&field.name().as_str()) || is_named(field.name()) || is_system_column(field.name()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::{Field, Schema, TimeUnit};

    use super::*;

    /// Rows of `id`, `x` and `y`, known at these microseconds.
    fn rows(id: &[i64], x: &[Option<f64>], y: &[&str], known: &[i64]) -> Rows {
        let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("x", DataType::Float64, true),
            Field::new("y", DataType::Utf8, true),
            Field::new(AVAILABLE_AT, instant, true),
        ]));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(id.to_vec())),
            Arc::new(Float64Array::from(x.to_vec())),
            Arc::new(StringArray::from(y.to_vec())),
            Arc::new(TimestampMicrosecondArray::from(known.to_vec()).with_timezone("UTC")),
        ];
        Rows::of(&schema, &[RecordBatch::try_new(schema.clone(), columns).unwrap()]).unwrap()
    }

    fn changed(columns: &[&str]) -> ColumnChanges {
        let changed = columns.iter().map(|column| (*column).to_owned()).collect();
        ColumnChanges { changed, ..ColumnChanges::default() }
    }

    fn columns(found: Option<Proven>) -> Option<Vec<String>> {
        found.map(|found| found.columns.into_iter().collect())
    }

    #[test]
    fn order_does_not_matter_and_what_differs_is_no_part_of_the_proof() {
        let before = rows(&[1, 2], &[Some(0.5), None], &["a", "b"], &[7, 8]);
        let now = rows(&[2, 1], &[None, Some(0.5)], &["b", "A"], &[8, 7]);
        assert_eq!(columns(proven(&before, &now, &changed(&["x", "y"]))), Some(vec!["x".to_owned()]));
        assert_eq!(columns(proven(&before, &now, &changed(&["x"]))), None, "`y` was said to stay");
    }

    #[test]
    fn columns_stay_together_or_not_at_all() {
        // Each column has the values of before, but not beside the same values of the other.
        let before = rows(&[1, 1], &[Some(1.0), Some(2.0)], &["a", "b"], &[7, 7]);
        let now = rows(&[1, 1], &[Some(1.0), Some(2.0)], &["b", "a"], &[7, 7]);
        assert_eq!(columns(proven(&before, &now, &changed(&["x", "y"]))), Some(vec!["x".to_owned()]));
    }

    #[test]
    fn other_rows_and_rows_that_are_known_at_another_time_prove_nothing() {
        let before = rows(&[1], &[Some(1.0)], &["a"], &[7]);
        let twice = rows(&[1, 1], &[Some(1.0), Some(1.0)], &["a", "a"], &[7, 7]);
        let later = rows(&[1], &[Some(1.0)], &["a"], &[8]);
        assert_eq!(proven(&before, &twice, &changed(&["x"])), None);
        assert_eq!(proven(&before, &later, &changed(&["x"])), None);
        assert_eq!(columns(proven(&before, &before.clone(), &changed(&[]))), Some(Vec::new()));
    }

    #[test]
    fn a_column_of_another_type_changes_and_one_that_goes_must_be_named() {
        let before = rows(&[1], &[Some(1.0)], &["a"], &[7]);
        let kept: Vec<usize> = vec![0, 1, 3];
        let narrow = Rows(before.0.project(&kept).unwrap());
        assert_eq!(proven(&before, &narrow, &changed(&[])), None);
        let removed = ColumnChanges { removed: vec!["y".to_owned()], ..ColumnChanges::default() };
        assert_eq!(columns(proven(&before, &narrow, &removed)), Some(Vec::new()));
        let whole = arrow::compute::cast(before.column("x").unwrap(), &DataType::Int64).unwrap();
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("x", DataType::Int64, true),
            before.0.schema().field(3).clone(),
        ]);
        let columns_now = vec![narrow.0.column(0).clone(), whole, narrow.0.column(2).clone()];
        let retyped = Rows(RecordBatch::try_new(Arc::new(schema), columns_now).unwrap());
        assert_eq!(columns(proven(&narrow, &retyped, &changed(&["x"]))), Some(Vec::new()));
        assert_eq!(proven(&narrow, &retyped, &changed(&[])), None);
    }
}
