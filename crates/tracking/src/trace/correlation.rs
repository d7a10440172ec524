//! How two conditions on traces go together.

use baton_ledger::database::{Statement, Transaction};

use super::{pattern, search};
use crate::filter::{self, Condition, Dialect};
use crate::{TrackingError, TrackingStore, search as places};

/// How many traces meet which of two conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Correlation {
    /// All that were looked at.
    pub total: i64,
    /// Those that meet the first.
    pub first: i64,
    /// Those that meet the second.
    pub second: i64,
    /// Those that meet both.
    pub both: i64,
}

impl TrackingStore {
    /// Counts the traces of experiments that meet `base`, and of them those that meet `first`, `second`, or both.
    ///
    /// # Errors
    /// When a filter cannot be understood.
    pub async fn correlate_traces(
        &self,
        experiment_ids: &[i64],
        first: &str,
        second: &str,
        base: &str,
    ) -> Result<Correlation, TrackingError> {
        let read = |text: &str| filter::parse(text, Dialect::Plain);
        let (base, first, second) = (read(base)?, read(first)?, read(second)?);
        let mut transaction = self.snapshot().await?;
        let mut counts = [0; 4];
        let sides = [vec![], vec![&first], vec![&second], vec![&first, &second]];
        for (count, side) in counts.iter_mut().zip(sides) {
            let parts = std::iter::once(&base).chain(side).cloned().collect();
            *count = number(&mut transaction, experiment_ids, Condition::All(parts)).await?;
        }
        let [total, first, second, both] = counts;
        Ok(Correlation { total, first, second, both })
    }
}

async fn number(
    transaction: &mut Transaction,
    experiments: &[i64],
    condition: Condition,
) -> Result<i64, TrackingError> {
    let condition = pattern::resolve(transaction, condition, experiments).await?;
    let mut select = Statement::new("SELECT count(*) FROM traces t WHERE t.experiment IN ");
    places::push_list(&mut select, experiments);
    select.push(" AND ");
    search::push_condition(&mut select, &condition)?;
    let found: Option<(i64,)> = transaction.one(select).await?;
    Ok(found.map_or(0, |(count,)| count))
}

impl Correlation {
    /// Normalized pointwise mutual information (Bouma 2009): -1 for conditions that never hold together, 0 for independent
    /// ones, 1 for those that always do; NaN where one is never met. `prior` is added to each of the four cells: 0.5 is
    /// Jeffreys' prior.
    pub fn information(self, prior: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts of traces are far below 2^52")]
        let cell = |count: i64| count as f64 + prior;
        if self.first == 0 || self.second == 0 {
            return f64::NAN;
        }
        let (only_first, only_second) = (self.first - self.both, self.second - self.both);
        let neither = self.total - self.first - only_second;
        if only_first == 0 && only_second == 0 && neither == 0 && prior == 0.0 {
            return 1.0;
        }
        let both = cell(self.both);
        if both == 0.0 {
            return -1.0;
        }
        let (first, second) = (both + cell(only_first), both + cell(only_second));
        let total = first + cell(only_second) + cell(neither);
        let shared = (both * total / (first * second)).ln();
        (shared / -(both / total).ln()).clamp(-1.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `mlflow server` 3.18 answered.
    #[test]
    fn information_is_what_mlflow_makes_of_the_same_counts() {
        let counts = Correlation { total: 15, first: 9, second: 3, both: 3 };
        assert!((counts.information(0.0) - 0.317_393_805_514_014_6).abs() < 1e-12);
        assert!((counts.information(0.5) - 0.251_255_505_758_433_8).abs() < 1e-12);
        let apart = Correlation { both: 0, ..counts };
        assert!((apart.information(0.0) + 1.0).abs() < 1e-12);
        assert!(Correlation { second: 0, ..apart }.information(0.5).is_nan());
        let always = Correlation { total: 3, first: 3, second: 3, both: 3 };
        assert!((always.information(0.0) - 1.0).abs() < 1e-12);
    }
}
