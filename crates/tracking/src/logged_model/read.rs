//! Logged models from their rows.

use std::collections::HashMap;

use baton_ledger::database::{Statement, Transaction};
use baton_ledger::record;

use super::{LoggedModel, LoggedModelMetric, LoggedModelStatus};
use crate::{Param, Tag, TrackingError, TrackingStore, search};

/// The columns of [`Row`].
pub(super) const COLUMNS: &str = "m.id, m.model_id, m.experiment, m.name, m.artifact_uri, m.creation_time, m.last_update_time, \
                                  m.status, m.status_message, m.model_type, m.source_run_id";

record! {
    pub(super) struct Row {
        pub(super) id: i64,
        pub(super) model_id: String,
        pub(super) experiment: i64,
        pub(super) name: String,
        pub(super) artifact_uri: String,
        pub(super) creation_time: i64,
        pub(super) last_update_time: i64,
        pub(super) status: i64,
        pub(super) status_message: Option<String>,
        pub(super) model_type: String,
        pub(super) source_run_id: String,
    }
}

record! {
    struct Pair {
        model: i64,
        key: String,
        value: String,
    }
}

record! {
    struct MetricRow {
        model: i64,
        key: String,
        step: i64,
        timestamp: i64,
        run_id: String,
        dataset_name: String,
        dataset_digest: String,
        value: f64,
        is_nan: i64,
    }
}

impl TrackingStore {
    /// A model that was logged; deleted ones only if they are asked for.
    ///
    /// # Errors
    /// When there is no such model.
    pub async fn logged_model(&self, model_id: &str, allow_deleted: bool) -> Result<LoggedModel, TrackingError> {
        let mut transaction = self.snapshot().await?;
        let row = any_row(&mut transaction, model_id, allow_deleted).await?;
        one(&mut transaction, row).await
    }
}

/// A model that was logged and not deleted.
pub(crate) async fn find(transaction: &mut Transaction, model_id: &str) -> Result<LoggedModel, TrackingError> {
    let row = row(transaction, model_id).await?;
    one(transaction, row).await
}

/// The row of a model that was not deleted.
pub(super) async fn row(transaction: &mut Transaction, model_id: &str) -> Result<Row, TrackingError> {
    any_row(transaction, model_id, false).await
}

async fn any_row(transaction: &mut Transaction, model_id: &str, allow_deleted: bool) -> Result<Row, TrackingError> {
    let select = format!("SELECT {COLUMNS} FROM logged_models m WHERE model_id = $1 AND deleted <= $2");
    let found = transaction.one(Statement::new(select).bind(model_id).bind(allow_deleted)).await?;
    found.ok_or_else(|| TrackingError::missing(format!("Logged model with ID '{model_id}' not found.")))
}

async fn one(transaction: &mut Transaction, row: Row) -> Result<LoggedModel, TrackingError> {
    let gone = || TrackingError::Internal("a logged model was read and is gone".to_owned());
    whole(transaction, vec![row]).await?.pop().ok_or_else(gone)
}

/// Models with all that belongs to them, in the order of `rows`.
pub(super) async fn whole(transaction: &mut Transaction, rows: Vec<Row>) -> Result<Vec<LoggedModel>, TrackingError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut tags = pairs(transaction, "logged_model_tags", &ids).await?;
    let mut params = pairs(transaction, "logged_model_params", &ids).await?;
    let mut metrics = metrics(transaction, &ids).await?;
    let models = rows.into_iter().map(|row| LoggedModel {
        tags: take(&mut tags, row.id).map(|pair| Tag { key: pair.key, value: pair.value }).collect(),
        params: take(&mut params, row.id).map(|pair| Param { key: pair.key, value: pair.value }).collect(),
        metrics: take(&mut metrics, row.id).map(metric).collect(),
        model_id: row.model_id,
        experiment_id: row.experiment,
        name: row.name,
        artifact_uri: row.artifact_uri,
        creation_time: row.creation_time,
        last_update_time: row.last_update_time,
        status: LoggedModelStatus::of_number(row.status),
        status_message: row.status_message,
        model_type: row.model_type,
        source_run_id: row.source_run_id,
    });
    Ok(models.collect())
}

fn take<T>(by_model: &mut HashMap<i64, Vec<T>>, id: i64) -> std::vec::IntoIter<T> {
    by_model.remove(&id).unwrap_or_default().into_iter()
}

async fn pairs(
    transaction: &mut Transaction,
    table: &'static str,
    ids: &[i64],
) -> Result<HashMap<i64, Vec<Pair>>, TrackingError> {
    let mut found: HashMap<i64, Vec<Pair>> = HashMap::new();
    for some in ids.chunks(search::MOST_PLACES) {
        let mut select = Statement::new(format!("SELECT model, key, value FROM {table} WHERE model IN "));
        search::push_list(&mut select, some);
        select.push(" ORDER BY model, key");
        for pair in transaction.all::<Pair>(select).await? {
            found.entry(pair.model).or_default().push(pair);
        }
    }
    Ok(found)
}

async fn metrics(transaction: &mut Transaction, ids: &[i64]) -> Result<HashMap<i64, Vec<MetricRow>>, TrackingError> {
    let mut found: HashMap<i64, Vec<MetricRow>> = HashMap::new();
    for some in ids.chunks(search::MOST_PLACES) {
        let mut select = Statement::new(
            "SELECT model, key, step, timestamp, run_id, dataset_name, dataset_digest, value, is_nan
               FROM logged_model_metrics WHERE model IN ",
        );
        search::push_list(&mut select, some);
        select.push(" ORDER BY model, key, step, timestamp, run_id");
        for row in transaction.all::<MetricRow>(select).await? {
            found.entry(row.model).or_default().push(row);
        }
    }
    Ok(found)
}

fn metric(row: MetricRow) -> LoggedModelMetric {
    let said = |text: String| (!text.is_empty()).then_some(text);
    LoggedModelMetric {
        value: if row.is_nan == 0 { row.value } else { f64::NAN },
        key: row.key,
        timestamp: row.timestamp,
        step: row.step,
        run_id: row.run_id,
        dataset_name: said(row.dataset_name),
        dataset_digest: said(row.dataset_digest),
    }
}
