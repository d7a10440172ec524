//! Traces from their rows.

use std::collections::HashMap;

use baton_ledger::database::{Statement, Transaction};
use baton_ledger::record;
use serde_json::Value;

use super::TraceInfo;
use crate::{Tag, TrackingError, TrackingStore, search};

/// The columns of [`Row`], of `traces t`.
pub(super) const COLUMNS: &str = "t.id, t.trace_id, t.experiment, t.request_time, t.execution_duration, t.state, \
                                  t.client_request_id, t.request_preview, t.response_preview, t.is_told";

record! {
    pub(super) struct Row {
        pub(super) id: i64,
        pub(super) trace_id: String,
        pub(super) experiment: i64,
        pub(super) request_time: i64,
        pub(super) execution_duration: Option<i64>,
        pub(super) state: String,
        pub(super) client_request_id: Option<String>,
        pub(super) request_preview: Option<String>,
        pub(super) response_preview: Option<String>,
        pub(super) is_told: i64,
    }
}

record! {
    struct Pair {
        trace: i64,
        key: String,
        value: String,
    }
}

record! {
    struct Body {
        trace: i64,
        body: String,
    }
}

impl TrackingStore {
    /// What a trace was about.
    ///
    /// # Errors
    /// When there is no such trace.
    pub async fn trace_info(&self, trace_id: &str) -> Result<TraceInfo, TrackingError> {
        info(&mut self.snapshot().await?, trace_id).await
    }

    /// Those of `trace_ids` that are there, in that order.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn trace_infos(&self, trace_ids: &[String]) -> Result<Vec<TraceInfo>, TrackingError> {
        let mut transaction = self.snapshot().await?;
        let mut rows = Vec::new();
        for trace_id in trace_ids {
            rows.extend(find_row(&mut transaction, trace_id).await?);
        }
        whole(&mut transaction, rows).await
    }

    /// A trace and its spans in the order in which they began, in the protocol's JSON.
    ///
    /// # Errors
    /// When there is no such trace.
    pub async fn trace(&self, trace_id: &str) -> Result<(TraceInfo, Vec<Value>), TrackingError> {
        let mut transaction = self.snapshot().await?;
        let Some(row) = find_row(&mut transaction, trace_id).await? else {
            return Err(TrackingError::missing(format!("Trace with ID {trace_id} is not found.")));
        };
        let spans = "SELECT trace, content AS body FROM spans WHERE trace = $1 ORDER BY start_time, span_id";
        let spans: Vec<Body> = transaction.all(Statement::new(spans).bind(row.id)).await?;
        let spans = spans.iter().map(|span| json(&span.body)).collect::<Result<_, _>>()?;
        let gone = || TrackingError::Internal("a trace was read and is gone".to_owned());
        Ok((whole(&mut transaction, vec![row]).await?.pop().ok_or_else(gone)?, spans))
    }
}

pub(super) fn json(text: &str) -> Result<Value, TrackingError> {
    let damaged = |error| TrackingError::Internal(format!("a stored message cannot be read: {error}"));
    serde_json::from_str(text).map_err(damaged)
}

pub(super) async fn find_row(transaction: &mut Transaction, trace_id: &str) -> Result<Option<Row>, TrackingError> {
    let select = format!("SELECT {COLUMNS} FROM traces t WHERE t.trace_id = $1");
    Ok(transaction.one(Statement::new(select).bind(trace_id)).await?)
}

pub(super) async fn row(transaction: &mut Transaction, trace_id: &str) -> Result<Row, TrackingError> {
    let missing = || TrackingError::missing(format!("Trace with ID '{trace_id}' not found."));
    find_row(transaction, trace_id).await?.ok_or_else(missing)
}

pub(super) async fn info(transaction: &mut Transaction, trace_id: &str) -> Result<TraceInfo, TrackingError> {
    let row = row(transaction, trace_id).await?;
    let gone = || TrackingError::Internal("a trace was read and is gone".to_owned());
    whole(transaction, vec![row]).await?.pop().ok_or_else(gone)
}

/// Traces with tags, metadata and assessments, in the order of `rows`.
pub(super) async fn whole(transaction: &mut Transaction, rows: Vec<Row>) -> Result<Vec<TraceInfo>, TrackingError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut tags = pairs(transaction, "trace_tags", &ids).await?;
    let mut metadata = pairs(transaction, "trace_metadata", &ids).await?;
    let mut assessments = assessments(transaction, &ids).await?;
    let infos = rows.into_iter().map(|row| TraceInfo {
        tags: tags.remove(&row.id).unwrap_or_default(),
        metadata: metadata.remove(&row.id).unwrap_or_default(),
        assessments: assessments.remove(&row.id).unwrap_or_default(),
        trace_id: row.trace_id,
        client_request_id: row.client_request_id,
        experiment_id: row.experiment,
        request_preview: row.request_preview,
        response_preview: row.response_preview,
        request_time: row.request_time,
        execution_duration: row.execution_duration,
        state: row.state,
    });
    Ok(infos.collect())
}

async fn pairs(
    transaction: &mut Transaction,
    table: &'static str,
    ids: &[i64],
) -> Result<HashMap<i64, Vec<Tag>>, TrackingError> {
    let mut found: HashMap<i64, Vec<Tag>> = HashMap::new();
    for some in ids.chunks(search::MOST_PLACES) {
        let mut select = Statement::new(format!("SELECT trace, key, value FROM {table} WHERE trace IN "));
        search::push_list(&mut select, some);
        select.push(" ORDER BY trace, key");
        for pair in transaction.all::<Pair>(select).await? {
            found.entry(pair.trace).or_default().push(Tag { key: pair.key, value: pair.value });
        }
    }
    Ok(found)
}

async fn assessments(transaction: &mut Transaction, ids: &[i64]) -> Result<HashMap<i64, Vec<Value>>, TrackingError> {
    let mut found: HashMap<i64, Vec<Value>> = HashMap::new();
    for some in ids.chunks(search::MOST_PLACES) {
        let mut select = Statement::new("SELECT trace, body FROM assessments WHERE trace IN ");
        search::push_list(&mut select, some);
        select.push(" ORDER BY trace, id");
        for row in transaction.all::<Body>(select).await? {
            found.entry(row.trace).or_default().push(json(&row.body)?);
        }
    }
    Ok(found)
}
