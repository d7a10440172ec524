//! Metrics of runs that are metrics of a model too.

use std::collections::HashMap;

use baton_ledger::database::{Statement, Transaction};

use super::read;
use crate::TrackingError;
use crate::metric::Metric;

/// Logs those of `metrics` that say which model they are of.
///
/// # Errors
/// When there is no such model.
pub(crate) async fn log_metrics(
    transaction: &mut Transaction,
    run_id: &str,
    metrics: &[Metric],
) -> Result<(), TrackingError> {
    let mut models: HashMap<&str, i64> = HashMap::new();
    let mut rows = Vec::new();
    for metric in metrics {
        let Some(model_id) = metric.model_id.as_deref().filter(|id| !id.is_empty()) else { continue };
        let model = match models.get(model_id) {
            Some(id) => *id,
            None => read::row(transaction, model_id).await?.id,
        };
        models.insert(model_id, model);
        let (is_nan, value) = metric.storable();
        rows.push(vec![
            model.into(),
            metric.key.as_str().into(),
            metric.step.into(),
            metric.timestamp.into(),
            run_id.into(),
            metric.dataset_name.as_deref().unwrap_or_default().into(),
            metric.dataset_digest.as_deref().unwrap_or_default().into(),
            value.into(),
            is_nan.into(),
        ]);
    }
    let head = "INSERT INTO logged_model_metrics
                (model, key, step, timestamp, run_id, dataset_name, dataset_digest, value, is_nan) VALUES ";
    let tail = " ON CONFLICT (model, key, step, timestamp, run_id, dataset_name, dataset_digest)
                 DO UPDATE SET value = excluded.value, is_nan = excluded.is_nan";
    for statement in Statement::inserts(head, rows, tail) {
        transaction.execute(statement).await?;
    }
    Ok(())
}
