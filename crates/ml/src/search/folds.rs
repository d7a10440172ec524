//! Cross-validation by time: every fold trains on what came before and is judged on what came next.
//!
//! Knows row numbers and times only.

use crate::error::{MlError, Result};
use std::ops::Range;

/// One fold: two row ranges, the first wholly before the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeFold {
    /// The rows to train on: all rows up to some time.
    pub train: Range<usize>,
    /// The rows to judge on: the next block.
    pub validate: Range<usize>,
}

/// Expanding-window folds over rows in time order. The first half is always trained on, the second half is cut
/// into `folds` blocks of the same size; fold `i` trains on every row before block `i`. Rows of one instant stay in
/// one block, and rows less than `embargo` before a block are left out of its training (labels that arrive late).
///
/// # Errors
///
/// [`MlError::NotEnoughData`] when there are fewer than two rows a block or the times do not allow the cut,
/// [`MlError::Shape`] when there is not one time a row, [`MlError::Labels`] when the times are not sorted.
pub fn time_folds(n_rows: usize, times: Option<&[i64]>, folds: usize, embargo: i64) -> Result<Vec<TimeFold>> {
    if folds == 0 || n_rows < folds * 4 {
        return Err(not_enough(n_rows, folds, "each fold needs four rows or more"));
    }
    let Some(times) = times else {
        return Ok(cut(n_rows, folds, |row| row, |row| row));
    };
    check_times(times, n_rows)?;
    let next_instant = |row: usize| times.partition_point(|time| *time < times[row]).max(next_after(times, row));
    let known_before = |row: usize| {
        let first = times[row];
        times.partition_point(|time| *time < first && *time <= first.saturating_sub(embargo))
    };
    let made = cut(n_rows, folds, next_instant, known_before);
    if made.is_empty() {
        return Err(not_enough(n_rows, folds, "too few different instants, or the embargo is too long"));
    }
    Ok(made)
}

/// The first row at or after `row` that starts a new instant.
fn next_after(times: &[i64], row: usize) -> usize {
    if row == 0 || times[row - 1] < times[row] {
        return row;
    }
    times.partition_point(|time| *time <= times[row])
}

fn cut(
    n_rows: usize,
    folds: usize,
    start_of_block: impl Fn(usize) -> usize,
    end_of_training: impl Fn(usize) -> usize,
) -> Vec<TimeFold> {
    let half = n_rows / 2;
    let edge = |block: usize| match half + block * (n_rows - half) / folds {
        edge if edge < n_rows => start_of_block(edge),
        _ => n_rows,
    };
    let fold = |block: usize| {
        let validate = edge(block)..edge(block + 1);
        let train = 0..if validate.is_empty() { 0 } else { end_of_training(validate.start) };
        TimeFold { train, validate }
    };
    (0..folds).map(fold).filter(|fold| !fold.train.is_empty() && !fold.validate.is_empty()).collect()
}

fn check_times(times: &[i64], n_rows: usize) -> Result<()> {
    if times.len() != n_rows {
        return Err(MlError::Shape { what: "the times of the rows".to_owned(), expected: n_rows, found: times.len() });
    }
    match times.windows(2).position(|pair| pair[0] > pair[1]) {
        None => Ok(()),
        Some(row) => Err(MlError::NotEnoughData {
            purpose: "split rows by time".to_owned(),
            reason: format!("row {} is earlier than the row before it; sort the rows by time", row + 1),
        }),
    }
}

fn not_enough(n_rows: usize, folds: usize, reason: &str) -> MlError {
    MlError::NotEnoughData {
        purpose: format!("cross-validate {n_rows} rows in {folds} folds by time"),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn check(n_rows: usize, times: Option<&[i64]>, folds: usize, embargo: i64, expected: Expect) {
        let shown = match time_folds(n_rows, times, folds, embargo) {
            Ok(folds) => {
                let lines = folds.iter().map(|fold| format!("{:?} then {:?}", fold.train, fold.validate));
                lines.collect::<Vec<_>>().join("\n")
            }
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn windows_expand() {
        check(
            12,
            None,
            3,
            0,
            expect![[r#"
            0..6 then 6..8
            0..8 then 8..10
            0..10 then 10..12"#]],
        );
    }

    #[test]
    fn rows_of_one_instant_stay_together_and_late_labels_are_left_out() {
        let times = [1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 6, 6];
        check(
            12,
            Some(&times),
            2,
            0,
            expect![[r#"
            0..7 then 7..9
            0..9 then 9..12"#]],
        );
        check(
            12,
            Some(&times),
            2,
            2,
            expect![[r#"
            0..4 then 7..9
            0..7 then 9..12"#]],
        );
    }

    #[test]
    fn impossible_cuts_say_why() {
        check(
            5,
            None,
            3,
            0,
            expect!["not enough data to cross-validate 5 rows in 3 folds by time: each fold needs four rows or more"],
        );
        check(
            8,
            Some(&[7; 8]),
            1,
            0,
            expect![
                "not enough data to cross-validate 8 rows in 1 folds by time: too few different instants, or the embargo is too long"
            ],
        );
        check(
            8,
            Some(&[1, 2, 3, 2, 5, 6, 7, 8]),
            1,
            0,
            expect![
                "not enough data to split rows by time: row 3 is earlier than the row before it; sort the rows by time"
            ],
        );
    }

    proptest! {
        #[test]
        fn training_is_always_earlier(
            mut times in prop::collection::vec(0i64..60, 16..200), folds in 1usize..4, embargo in 0i64..10
        ) {
            times.sort_unstable();
            let Ok(made) = time_folds(times.len(), Some(&times), folds, embargo) else { return Ok(()) };
            let mut end = 0;
            for fold in made {
                let first_judged = times[fold.validate.start];
                prop_assert!(times[fold.train.clone()].iter().all(|time| *time < first_judged));
                prop_assert!(times[fold.train].iter().all(|time| *time + embargo <= first_judged));
                prop_assert!(fold.validate.start >= end);
                end = fold.validate.end;
            }
        }
    }
}
