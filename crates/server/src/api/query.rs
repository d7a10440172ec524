//! `POST /query`: SQL over the environment, for notebooks and programs. A request that names a tracked run is an input of it: the run
//! says which table versions it read.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use baton_tracking::TrackingError;
use serde::Deserialize;

use super::schedules::authorize;
use crate::desk::{QueryRefusal, RowFormat};
use crate::problem::Problem;
use crate::state::{AppState, Shared};

/// The header that names the run for which a query reads.
const RUN_ID: &str = "mlflow-run-id";
/// The header of the answer that says which commit was read.
const COMMIT: HeaderName = HeaderName::from_static("baton-commit");

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueryRequest {
    /// A read-only statement.
    sql: String,
    /// A commit, a tag or another environment.
    at: Option<String>,
}

pub(super) async fn query(
    State(state): State<Shared>,
    headers: HeaderMap,
    body: Result<Json<QueryRequest>, JsonRejection>,
) -> Result<Response, Problem> {
    let Some(desk) = &state.queries else {
        return Err(Problem::unavailable("this server answers no queries; `baton serve` starts one that does"));
    };
    admit(&state, &headers)?;
    let Json(asked) = body.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let (format, media_type) = format_of(&headers)?;
    let run = headers.get(RUN_ID).and_then(|value| value.to_str().ok());
    let answer = desk.query(&asked.sql, asked.at.as_deref(), format).await.map_err(|refusal| match refusal {
        QueryRefusal::Query(message) => Problem::bad_request(message),
        QueryRefusal::Failed(message) => Problem::unavailable(message),
    })?;
    if let Some(run) = run {
        tie(&state, run, answer.inputs).await?;
    }
    let mut response = answer.body.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(commit) = HeaderValue::from_str(&answer.commit) {
        response.headers_mut().insert(COMMIT, commit);
    }
    Ok(response)
}

/// Where the server has a token, who asks must show it; and no page of somebody else's site may ask by a name that was pointed here.
fn admit(state: &AppState, headers: &HeaderMap) -> Result<(), Problem> {
    if state.token.is_some() {
        authorize(state, headers)?;
    }
    let is_known = state.tracking.as_ref().is_none_or(|tracking| tracking.lets(headers));
    if is_known {
        return Ok(());
    }
    let problem = Problem::bad_request("the header `Host` names no host of this server");
    Err(problem.with_help("start it with `--allowed-hosts` and that name"))
}

fn format_of(headers: &HeaderMap) -> Result<(RowFormat, &'static str), Problem> {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let known = [
        (RowFormat::Arrow, "application/vnd.apache.arrow.stream"),
        (RowFormat::Json, "application/json"),
        (RowFormat::Csv, "text/csv"),
    ];
    let named = known.into_iter().find(|(_, media_type)| accepted.contains(media_type));
    match named {
        Some(found) => Ok(found),
        None if accepted.contains("*/*") => Ok(known[1]),
        None => {
            let known: Vec<&str> = known.iter().map(|(_, media_type)| *media_type).collect();
            Err(Problem::bad_request(format!("rows are answered as one of {}", known.join(", "))))
        }
    }
}

async fn tie(state: &AppState, run: &str, inputs: Vec<baton_tracking::input::DatasetInput>) -> Result<(), Problem> {
    let Some(tracking) = &state.tracking else {
        return Err(Problem::bad_request("this server tracks no runs, and the request names one"));
    };
    tracking.tie(run, inputs).await.map_err(|error| match error {
        TrackingError::Storage(message) | TrackingError::Internal(message) => Problem::unavailable(message),
        error => Problem::bad_request(error.to_string()),
    })
}
