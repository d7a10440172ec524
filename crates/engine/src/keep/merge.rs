//! Rows by key: for each key the newest.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::compute::take_record_batch;
use arrow::datatypes::Schema;

use super::rows::{Compared, failed, flags, key_text, known, micros, visible};
use super::{Effect, Keeping};
use crate::error::EngineError;

/// Newest is the row with the latest time; where there is no time, or times are equal, the one that became known last.
/// Stored rows with a later time stay. A row that is the newest and a deletion takes its key away. A row that is as
/// stored in the columns of `own`, which the query yields, is left with what only the table still has.
pub(super) fn merge(
    stored: &RecordBatch,
    rows: &RecordBatch,
    keeping: &Keeping<'_>,
    own: &Schema,
) -> Result<Effect, EngineError> {
    let table = keeping.table;
    let keys = Compared::of(stored, rows, &table.grain)?;
    let contents = Compared::of(stored, rows, &visible(own, &[]))?;
    let times = [times_of(stored, keeping)?, times_of(rows, keeping)?];
    let deleted = flags(rows, table.keep.delete_when.as_deref())?;
    let winners = newest(rows, keeping, &keys, &contents)?;
    let mut there: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for row in 0..stored.num_rows() {
        there.entry(keys.stored.row(row)).or_default().push(row);
    }
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for (key, row) in winners {
        let before = there.get(&key).map(Vec::as_slice).unwrap_or_default();
        let is_late = before.iter().any(|old| times[0][*old] > times[1][row]);
        let is_same = matches!(before, [old] if contents.stored.row(*old) == contents.new.row(row));
        if is_late || (is_same && !deleted[row]) || (before.is_empty() && deleted[row]) {
            continue;
        }
        gone.push(row as u64);
        if !deleted[row] {
            come.push(row as u64);
        }
    }
    Ok(Effect { gone: keys_at(rows, &table.grain, gone)?, rows: rows_at(rows, come)? })
}

/// For each key among `rows` its newest row.
///
/// # Errors
/// [`EngineError::Kept`] when different rows of one key are equally new.
pub(super) fn newest<'k>(
    rows: &RecordBatch,
    keeping: &Keeping<'_>,
    keys: &'k Compared,
    contents: &Compared,
) -> Result<BTreeMap<arrow::row::Row<'k>, usize>, EngineError> {
    let (times, known) = (times_of(rows, keeping)?, known(rows)?);
    let mut winners = BTreeMap::new();
    let mut tied = BTreeMap::new();
    for row in 0..rows.num_rows() {
        let key = keys.new.row(row);
        let Some(best) = winners.get(&key).copied() else {
            winners.insert(key, row);
            continue;
        };
        let order = (times[row], known[row]).cmp(&(times[best], known[best]));
        if order.is_gt() {
            winners.insert(key, row);
            tied.remove(&key);
        } else if order.is_eq() && contents.new.row(row) != contents.new.row(best) {
            tied.insert(key, row);
        }
    }
    match tied.into_values().min() {
        None => Ok(winners),
        Some(row) => Err(EngineError::Kept {
            reason: format!(
                "different rows share the key {}, and nothing says which is newer: make `grain` unique, or say the `time`",
                key_text(rows, &keeping.table.grain, row)
            ),
        }),
    }
}

fn times_of(batch: &RecordBatch, keeping: &Keeping<'_>) -> Result<Vec<Option<i64>>, EngineError> {
    match &keeping.table.time {
        Some(time) => micros(batch, time),
        None => Ok(vec![None; batch.num_rows()]),
    }
}

/// The keys of some rows.
pub(super) fn keys_at(rows: &RecordBatch, grain: &[String], at: Vec<u64>) -> Result<RecordBatch, EngineError> {
    let schema = rows.schema();
    let columns = grain.iter().filter_map(|name| schema.index_of(name).ok()).collect::<Vec<_>>();
    rows_at(&rows.project(&columns).map_err(failed)?, at)
}

fn rows_at(rows: &RecordBatch, at: Vec<u64>) -> Result<RecordBatch, EngineError> {
    take_record_batch(rows, &arrow::array::UInt64Array::from(at)).map_err(failed)
}
