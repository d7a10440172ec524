//! Over which time the rows of stored files reach, and what a version's files say of it: from statistics alone, no row
//! is read.

use arrow::array::ArrayRef;
use baton_core::Pin;
use baton_engine::AVAILABLE_AT;
use baton_engine::keep::VALID_TO_AVAILABLE_AT;
use baton_lake::{ColumnStats, Snapshot, StagedFile};

/// `pin` with the rows and the digest of its version, and with the newest instant at which a row of it became known.
pub(crate) fn measured(pin: Pin, snapshot: &Snapshot) -> Pin {
    let newest = |column: &str| newest_in(snapshot.files(), column);
    Pin {
        rows: Some(snapshot.rows()),
        digest: Some(snapshot.digest().to_string()),
        // The end of a state is a fact that becomes known like a row.
        known_through: newest(AVAILABLE_AT).max(newest(VALID_TO_AVAILABLE_AT)),
        ..pin
    }
}

/// The oldest value, in microseconds, of a timestamp column.
pub(crate) fn oldest_in<'f>(files: impl IntoIterator<Item = &'f StagedFile>, column: &str) -> Option<i64> {
    bounds(files, column, |stats| stats.min.as_ref()).min()
}

/// The newest value, in microseconds, of a timestamp column.
pub(crate) fn newest_in<'f>(files: impl IntoIterator<Item = &'f StagedFile>, column: &str) -> Option<i64> {
    bounds(files, column, |stats| stats.max.as_ref()).max()
}

/// One bound of every file that has one.
fn bounds<'f>(
    files: impl IntoIterator<Item = &'f StagedFile>,
    column: &str,
    bound: impl Fn(&ColumnStats) -> Option<&ArrayRef>,
) -> impl Iterator<Item = i64> {
    let of_file = move |file: &StagedFile| crate::values::micros_at(bound(file.stats().columns.get(column)?)?, 0);
    files.into_iter().filter_map(of_file)
}
