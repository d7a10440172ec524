//! Points of metrics.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use baton_tracking::metric::{Metric, RunPoint};
use serde::Serialize;

use super::error::{Answer, WireError};
use super::fields::Fields;
use super::state::Shared;
use super::wire::MetricMessage;

/// Points that one request for several runs answers.
const BULK: i64 = 25_000;
/// Points of a run that a request for a course answers.
const SAMPLE: i64 = 2500;
/// Runs that one request asks for.
const RUNS: usize = 100;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/metrics/get-history", get(history)).route("/metrics/get-history-bulk-interval", get(sampled))
}

/// What only browsers ask, below `/ajax-api`.
pub(super) fn of_browsers() -> Router<Shared> {
    Router::new().route("/metrics/get-history-bulk", get(histories))
}

#[derive(Serialize)]
struct Listed {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<MetricMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// Unlike messages of the protocol, an answer without points has an empty list.
#[derive(Serialize)]
struct Bulk {
    metrics: Vec<MetricMessage>,
}

/// A point as a request gives it; its step is 0 where it is not said.
pub(super) fn metric_of(fields: &Fields) -> Result<Metric, WireError> {
    let key = fields.required_text("key")?;
    let value = fields.double("value")?.ok_or_else(|| fields.missing("value"))?;
    let timestamp = fields.required_int("timestamp")?;
    let text = |name: &str| Ok::<_, WireError>(fields.text(name)?.filter(|text| !text.is_empty()));
    Ok(Metric {
        key,
        value,
        timestamp,
        step: fields.int("step")?.unwrap_or_default(),
        model_id: text("model_id")?,
        dataset_name: text("dataset_name")?,
        dataset_digest: text("dataset_digest")?,
    })
}

async fn history(State(tracking): State<Shared>, fields: Fields) -> Answer<Listed> {
    let (run_id, key) = (fields.run_id()?, fields.required_text("metric_key")?);
    let (max_results, token) = (fields.int("max_results")?, fields.text("page_token")?);
    let page = tracking.store.metric_history(&run_id, &key, max_results, token.as_deref()).await?;
    let metrics = page.rows.into_iter().map(MetricMessage::from).collect();
    Ok(Json(Listed { metrics, next_page_token: page.next }))
}

async fn histories(State(tracking): State<Shared>, fields: Fields) -> Answer<Bulk> {
    let run_ids = fields.texts("run_id")?;
    if run_ids.is_empty() {
        return Err(WireError::invalid("GetMetricHistoryBulk request must specify at least one run_id."));
    }
    if run_ids.len() > RUNS {
        return Err(WireError::invalid(format!(
            "GetMetricHistoryBulk request cannot specify more than {RUNS} run_ids. Received {} run_ids.",
            run_ids.len()
        )));
    }
    let missing = || WireError::invalid("GetMetricHistoryBulk request must specify a metric_key.");
    let key = fields.text("metric_key")?.ok_or_else(missing)?;
    let most = usize::try_from(fields.int("max_results")?.unwrap_or(BULK).min(BULK)).unwrap_or_default();
    let points = tracking.store.metric_histories(&run_ids, &key, most).await?;
    Ok(Json(Bulk { metrics: messages(points) }))
}

async fn sampled(State(tracking): State<Shared>, fields: Fields) -> Answer<Listed> {
    let run_ids = fields.texts("run_ids")?;
    if run_ids.is_empty() {
        return Err(fields.missing("run_ids"));
    }
    if run_ids.len() > RUNS {
        let message = format!("GetMetricHistoryBulkInterval request must specify at most {RUNS} run_ids.");
        return Err(fields.refused(&format!("{message} Received {} run_ids.", run_ids.len())));
    }
    let key = fields.required_text("metric_key")?;
    let (first, last) = (fields.int("start_step")?, fields.int("end_step")?);
    let most = fields.int("max_results")?.unwrap_or(SAMPLE);
    if !(1..=SAMPLE).contains(&most) {
        return Err(fields.refused(&format!("max_results must be between 1 and {SAMPLE}.")));
    }
    let steps = match (first, last) {
        (None, None) => None,
        (Some(first), Some(last)) if first <= last => Some(first..=last),
        (Some(first), Some(last)) => {
            return Err(WireError::invalid(format!(
                "end_step must be greater than start_step. Found start_step={first} and end_step={last}."
            )));
        }
        _ => {
            let message = "If either start step or end step are specified, both must be specified.";
            return Err(WireError::invalid(message));
        }
    };
    let most = usize::try_from(most).unwrap_or_default();
    let points = tracking.store.sampled_histories(&run_ids, &key, steps, most).await?;
    Ok(Json(Listed { metrics: messages(points), next_page_token: None }))
}

fn messages(points: Vec<RunPoint>) -> Vec<MetricMessage> {
    points.into_iter().map(|point| MetricMessage::of_run(point.metric, point.run_id)).collect()
}
