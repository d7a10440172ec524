//! Points of metrics: every one is kept, the same one once.

mod history;
mod sample;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use baton_ledger::database::{Statement, Transaction, Value};

pub use self::history::RunPoint;
pub use self::sample::Steps;
use crate::error::{Result, TrackingError};
use crate::run::RunRow;
use crate::{logged_model, validate};

/// A point of a metric.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metric {
    /// The metric's key.
    pub key: String,
    /// The value; infinite ones are kept as the largest number, as MLflow does.
    pub value: f64,
    /// When it was measured, in milliseconds since 1970.
    pub timestamp: i64,
    /// The step of the training.
    pub step: i64,
    /// The logged model that it is about.
    pub model_id: Option<String>,
    /// The dataset on which it was measured.
    pub dataset_name: Option<String>,
    /// That dataset's digest.
    pub dataset_digest: Option<String>,
}

impl Metric {
    /// A point as it is stored.
    pub(crate) fn stored(key: String, value: f64, is_nan: i64, timestamp: i64, step: i64) -> Self {
        let value = if is_nan == 0 { value } else { f64::NAN };
        Self { key, value, timestamp, step, ..Self::default() }
    }

    /// Keeps to the rules; `path` says where it stands in a batch.
    pub(crate) fn check(&self, path: &str) -> Result<()> {
        validate::key(&format!("{path}name"), &self.key)?;
        if self.timestamp < 0 {
            let rule = format!(
                "metric '{}' (value={}). Timestamp must be a nonnegative long (64-bit integer) ",
                self.key,
                python_float(self.value)
            );
            return Err(validate::invalid_value(&format!("{path}timestamp"), &self.timestamp.to_string(), &rule));
        }
        validate::length("Metric name", &self.key, validate::KEY)
    }

    /// What is stored: whether it is NaN, and a finite number.
    pub(crate) fn storable(&self) -> (bool, f64) {
        let value = self.value;
        if value.is_nan() {
            return (true, 0.0);
        }
        // Minus zero is zero to every database, and a point that comes again must be found to be the same.
        (false, if value == 0.0 { 0.0 } else { value.clamp(f64::MIN, f64::MAX) })
    }
}

/// A number as Python writes it, where that differs: a whole one with its point.
fn python_float(value: f64) -> String {
    match value {
        value if value.is_nan() => "nan".to_owned(),
        value if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.to_owned(),
        value => format!("{value:?}"),
    }
}

/// A point's place among those of its key: the last one is what searches see.
type Place = (i64, i64, f64);

/// Writes points of a run that is there and not deleted; a point that is there already is left.
pub(crate) async fn write(transaction: &mut Transaction, run: &RunRow, metrics: &[Metric]) -> Result<()> {
    if metrics.is_empty() {
        return Ok(());
    }
    let mut points: Vec<&Metric> = metrics.iter().collect();
    // In the order of the table, so that neighbours are written together.
    points.sort_by(|one, other| (&one.key, one.timestamp, one.step).cmp(&(&other.key, other.timestamp, other.step)));
    let rows = points.iter().map(|metric| point(run, metric)).collect();
    let head = "INSERT INTO metrics (run, key, timestamp, step, value, is_nan) VALUES ";
    for insert in Statement::inserts(head, rows, " ON CONFLICT DO NOTHING") {
        transaction.execute(insert).await?;
    }
    logged_model::log_metrics(transaction, &run.run_id, metrics).await?;
    write_latest(transaction, run, &points).await
}

fn point(run: &RunRow, metric: &Metric) -> Vec<Value> {
    let (is_nan, value) = metric.storable();
    let Metric { key, timestamp, step, .. } = metric;
    vec![run.id.into(), key.into(), (*timestamp).into(), (*step).into(), value.into(), is_nan.into()]
}

async fn write_latest(transaction: &mut Transaction, run: &RunRow, points: &[&Metric]) -> Result<()> {
    let mut latest: HashMap<&str, (&Metric, Place)> = HashMap::new();
    for metric in points {
        let place = (metric.step, metric.timestamp, metric.storable().1);
        let kept = latest.entry(&metric.key).or_insert((metric, place));
        if place > kept.1 {
            *kept = (metric, place);
        }
    }
    let row = |metric: &Metric| {
        let (is_nan, value) = metric.storable();
        let Metric { key, timestamp, step, .. } = metric;
        let (run, experiment): (Value, Value) = (run.id.into(), run.experiment.into());
        let shown = if is_nan { "NaN".to_owned() } else { value.to_string() };
        vec![
            run,
            key.into(),
            experiment,
            value.into(),
            is_nan.into(),
            shown.into(),
            (*timestamp).into(),
            (*step).into(),
        ]
    };
    let mut rows: Vec<&Metric> = latest.into_values().map(|(metric, _)| metric).collect();
    rows.sort_by(|one, other| one.key.cmp(&other.key));
    let head = "INSERT INTO latest_metrics (run, key, experiment, value, is_nan, shown, timestamp, step) VALUES ";
    let tail = " ON CONFLICT (run, key) DO UPDATE SET value = excluded.value, is_nan = excluded.is_nan, shown = excluded.shown, \
                timestamp = excluded.timestamp, step = excluded.step \
                WHERE (excluded.step, excluded.timestamp, excluded.value) > \
                (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)";
    for insert in Statement::inserts(head, rows.into_iter().map(row).collect(), tail) {
        transaction.execute(insert).await?;
    }
    Ok(())
}

/// How many points are asked for, where that must be more than none.
pub(crate) fn positive(max_results: Option<i64>) -> Result<Option<usize>> {
    match max_results {
        None => Ok(None),
        Some(rows) => match usize::try_from(rows) {
            Ok(rows) if rows > 0 => Ok(Some(rows)),
            _ => Err(TrackingError::invalid(format!(
                "Invalid value {rows} for parameter 'max_results' supplied. It must be a positive integer."
            ))),
        },
    }
}
