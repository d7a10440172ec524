//! Turns the exact ranges of a file into the rough ones that the planner estimates with.
//!
//! Instants are widened to whole days: the planner follows a cast to a date and back, and fails (DataFusion 55,
//! "Selectivity is out of limit") when that leads outside the range that it started from.

use datafusion::common::stats::Precision;
use datafusion::common::{ScalarValue, Statistics};

const SECONDS_A_DAY: i64 = 86_400;

/// Marks every range of `bounds` as rough, instants widened to whole days.
pub(super) fn estimates_of(bounds: &Statistics) -> Statistics {
    let mut estimates = bounds.clone();
    for column in &mut estimates.column_statistics {
        column.min_value = rough(&column.min_value, |value, day| value.checked_sub(value.rem_euclid(day)));
        column.max_value =
            rough(&column.max_value, |value, day| value.checked_add(day - 1)?.checked_sub(value.rem_euclid(day)));
    }
    estimates
}

/// Marks both ends of every range of `bounds` as rough, where they are.
pub(super) fn inexact_ends(bounds: &Statistics) -> Statistics {
    let mut ends = bounds.clone();
    for column in &mut ends.column_statistics {
        column.min_value = std::mem::take(&mut column.min_value).to_inexact();
        column.max_value = std::mem::take(&mut column.max_value).to_inexact();
    }
    ends
}

/// An end that cannot be widened is not known.
fn rough(end: &Precision<ScalarValue>, widen: impl Fn(i64, i64) -> Option<i64>) -> Precision<ScalarValue> {
    let Some(value) = end.get_value() else {
        return Precision::Absent;
    };
    widened(value.clone(), widen).map_or(Precision::Absent, Precision::Inexact)
}

fn widened(value: ScalarValue, widen: impl Fn(i64, i64) -> Option<i64>) -> Option<ScalarValue> {
    use ScalarValue::{TimestampMicrosecond, TimestampMillisecond, TimestampNanosecond, TimestampSecond};
    Some(match value {
        TimestampSecond(Some(at), zone) => TimestampSecond(Some(widen(at, SECONDS_A_DAY)?), zone),
        TimestampMillisecond(Some(at), zone) => TimestampMillisecond(Some(widen(at, SECONDS_A_DAY * 1_000)?), zone),
        TimestampMicrosecond(Some(at), zone) => TimestampMicrosecond(Some(widen(at, SECONDS_A_DAY * 1_000_000)?), zone),
        TimestampNanosecond(Some(at), zone) => {
            TimestampNanosecond(Some(widen(at, SECONDS_A_DAY * 1_000_000_000)?), zone)
        }
        other => other,
    })
}
