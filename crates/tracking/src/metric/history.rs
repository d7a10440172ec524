//! All points of a metric, in pages.

use baton_ledger::database::Statement;

use super::{Metric, positive};
use crate::Page;
use crate::error::Result;
use crate::page::{self, Column, Part};
use crate::store::TrackingStore;

/// A point, and the run that logged it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunPoint {
    /// The run.
    pub run_id: String,
    /// The point.
    pub metric: Metric,
}

/// Key, value, whether it is NaN, time, step.
pub(super) type Row = (String, f64, i64, i64, i64);

pub(super) fn of_row((key, value, is_nan, timestamp, step): Row) -> Metric {
    Metric::stored(key, value, is_nan, timestamp, step)
}

impl TrackingStore {
    /// Points of the metric `key` of a run, by time, step and value; all of them, or pages of `max_results`. There are none of
    /// a run that there is not.
    ///
    /// # Errors
    /// [`crate::TrackingError::Invalid`] for pages of nothing and a token that cannot be read.
    pub async fn metric_history(
        &self,
        run_id: &str,
        key: &str,
        max_results: Option<i64>,
        page_token: Option<&str>,
    ) -> Result<Page<Metric>> {
        let most = positive(max_results)?.unwrap_or(usize::MAX - 1);
        let text = "SELECT m.key, m.value, m.is_nan, m.timestamp, m.step FROM metrics m WHERE m.run = (SELECT id FROM runs WHERE run_id = $1) \
                    AND m.key = $2";
        let mut statement = Statement::new(text).bind(run_id).bind(key);
        let columns = ["m.timestamp", "m.step", "m.value", "m.is_nan"].map(|column| Column::new(column, true));
        if let Some(token) = page_token.filter(|token| !token.is_empty()) {
            page::behind(&mut statement, &columns, &page::decode(token, columns.len())?);
        }
        page::order_by(&mut statement, &columns);
        if max_results.is_some() {
            statement.push(" LIMIT ").push_bind(i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1));
        }
        let rows = self.all::<Row>(statement).await?.into_iter().map(of_row).collect();
        Ok(page::page(rows, most, |metric: &Metric| {
            let (is_nan, value) = metric.storable();
            let is_nan = Part::Integer(i64::from(is_nan));
            vec![Part::Integer(metric.timestamp), Part::Integer(metric.step), Part::Real(value.to_bits()), is_nan]
        }))
    }

    /// Points of the metric `key` of several runs, by run, time, step and value; the first `most` of all.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn metric_histories(&self, run_ids: &[String], key: &str, most: usize) -> Result<Vec<RunPoint>> {
        let mut run_ids = run_ids.to_vec();
        run_ids.sort();
        run_ids.dedup();
        let mut points = Vec::new();
        for run_id in run_ids {
            let rest = most.saturating_sub(points.len());
            if rest == 0 {
                break;
            }
            let page = self.metric_history(&run_id, key, i64::try_from(rest).ok(), None).await?;
            points.extend(page.rows.into_iter().map(|metric| RunPoint { run_id: run_id.clone(), metric }));
        }
        Ok(points)
    }
}
