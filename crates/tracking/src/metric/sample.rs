//! A metric's course in few points: the first of each of as many parts of equal size as points are wanted, and the last of all.

use baton_ledger::database::Statement;

use super::RunPoint;
use super::history::{Row, of_row};
use crate::error::Result;
use crate::store::TrackingStore;

/// Steps, the first and the last of them included.
pub type Steps = std::ops::RangeInclusive<i64>;

impl TrackingStore {
    /// At most `most` points of the metric `key` of each run, evenly over its points by step, time and value; only those of
    /// `steps`, if they are given.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn sampled_histories(
        &self,
        run_ids: &[String],
        key: &str,
        steps: Option<Steps>,
        most: usize,
    ) -> Result<Vec<RunPoint>> {
        let mut points = Vec::new();
        for run_id in run_ids {
            let rows = self.sample(run_id, key, steps.clone(), most).await?;
            points.extend(rows.into_iter().map(|row| RunPoint { run_id: run_id.clone(), metric: of_row(row) }));
        }
        Ok(points)
    }

    async fn sample(&self, run_id: &str, key: &str, steps: Option<Steps>, most: usize) -> Result<Vec<Row>> {
        let (first, last) = steps.map_or((i64::MIN, i64::MAX), Steps::into_inner);
        let points = "FROM metrics WHERE run = (SELECT id FROM runs WHERE run_id = $1) AND key = $2 AND step >= $3 AND step <= $4";
        let bound = |text: String| Statement::new(text).bind(run_id).bind(key).bind(first).bind(last);
        let counted: Option<(i64,)> = self.one(bound(format!("SELECT count(*) {points}"))).await?;
        let numbers = places(counted.map_or(0, |(count,)| count), i64::try_from(most).unwrap_or(i64::MAX));
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let mut statement = bound(format!(
            "SELECT key, value, is_nan, timestamp, step FROM (SELECT key, value, is_nan, timestamp, step, \
             row_number() OVER (ORDER BY step, timestamp, value, is_nan) AS number {points}) AS numbered WHERE number IN ("
        ));
        for (place, number) in numbers.iter().enumerate() {
            statement.push(if place == 0 { "" } else { ", " }).push_bind(*number);
        }
        statement.push(") ORDER BY number");
        self.all(statement).await
    }
}

/// The numbers, from 1, of the points to take of `count`: the first of each of `most` parts, as SQL's `ntile` makes them (the
/// first ones have one more where it does not come out even), and the last point, in place of the last one taken where there are
/// `most` already.
fn places(count: i64, most: i64) -> Vec<i64> {
    if count <= 0 || most <= 0 {
        return Vec::new();
    }
    let n_parts = most.min(count);
    let (size, larger) = (count / n_parts, count % n_parts);
    let mut numbers: Vec<i64> = (0..n_parts).map(|part| part * size + part.min(larger) + 1).collect();
    if numbers.last() != Some(&count) {
        if numbers.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
            numbers.pop();
        }
        numbers.push(count);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::places;

    /// Expected by `_sample_rows_with_window_functions` of MLflow 3.18 over rows that are numbered from 1.
    #[test]
    fn parts_are_those_of_ntile() {
        assert_eq!(places(10, 5), [1, 3, 5, 7, 10]);
        assert_eq!(places(10, 4), [1, 4, 7, 10]);
        assert_eq!(places(3, 5), [1, 2, 3]);
        assert_eq!(places(10, 1), [10]);
        assert_eq!(places(0, 5), [0; 0]);
    }
}
