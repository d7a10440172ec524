//! Events of other tools: `POST /lineage` and `POST /lineage/batch` as receivers of OpenLineage have them, for those who hold
//! the server's token.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::Value;

use super::schedules::authorize;
use crate::desk::{LineageDesk, NotTaken};
use crate::problem::Problem;
use crate::state::{AppState, Shared};

/// How the events of a batch were taken.
#[derive(Debug, Serialize)]
pub(super) struct BatchAnswer {
    status: &'static str,
    summary: Summary,
    failed_events: Vec<FailedEvent>,
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    received: usize,
    successful: usize,
    failed: usize,
    retriable: usize,
    non_retriable: usize,
}

#[derive(Debug, Serialize)]
struct FailedEvent {
    index: usize,
    reason: String,
    retriable: bool,
}

/// Takes one event.
pub(super) async fn take(State(state): State<Shared>, headers: HeaderMap, body: Bytes) -> Result<StatusCode, Problem> {
    let desk = desk(&state, &headers)?;
    let event: Value = parse(&body)?;
    match desk.take(&event).await {
        Ok(()) => Ok(StatusCode::CREATED),
        Err(NotTaken::Invalid(reason)) => Err(Problem::bad_request(reason)),
        Err(NotTaken::Failed(reason)) => Err(Problem::unavailable(reason)),
    }
}

/// Takes events in order, and says of each that was not taken why.
pub(super) async fn take_batch(
    State(state): State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<BatchAnswer>, Problem> {
    let desk = desk(&state, &headers)?;
    let events: Vec<Value> = parse(&body)?;
    let mut summary = Summary { received: events.len(), ..Summary::default() };
    let mut failed_events = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let (reason, retriable) = match desk.take(event).await {
            Ok(()) => {
                summary.successful += 1;
                continue;
            }
            Err(NotTaken::Invalid(reason)) => (reason, false),
            Err(NotTaken::Failed(reason)) => (reason, true),
        };
        summary.failed += 1;
        *(if retriable { &mut summary.retriable } else { &mut summary.non_retriable }) += 1;
        failed_events.push(FailedEvent { index, reason, retriable });
    }
    let status = if failed_events.is_empty() { "success" } else { "partial_success" };
    Ok(Json(BatchAnswer { status, summary, failed_events }))
}

fn desk<'s>(state: &'s AppState, headers: &HeaderMap) -> Result<&'s dyn LineageDesk, Problem> {
    authorize(state, headers)?;
    state.lineage.as_deref().ok_or_else(|| Problem::unavailable("this server takes no events of other tools"))
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("the body is not as expected: {error}")))
}
