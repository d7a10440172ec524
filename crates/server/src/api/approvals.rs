//! Approvals: `GET /approvals` lists what waits for somebody's word, `POST /runs/{run}/approve` gives it; for those who hold
//! the server's token.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::schedules::authorize;
use crate::desk::{Said, ScheduleDesk, Taken};
use crate::problem::Problem;
use crate::state::{AppState, Shared};

/// An answer, as it is sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    /// The owner who says it.
    #[serde(rename = "as")]
    by: String,
    /// The asset or step of the run.
    step: Option<String>,
    #[serde(default)]
    reject: bool,
    reason: Option<String>,
}

pub(super) async fn list(State(state): State<Shared>, headers: HeaderMap) -> Result<Json<Value>, Problem> {
    authorize(&state, &headers)?;
    desk(&state)?.awaited().await.map(Json).map_err(Problem::unavailable)
}

pub(super) async fn approve(
    State(state): State<Shared>,
    Path(run): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    authorize(&state, &headers)?;
    let sent: Sent = serde_json::from_slice(&body).map_err(|error| {
        Problem::bad_request(format!(
            "the body is not `{{\"as\": OWNER, \"step\": …, \"reject\": …, \"reason\": …}}`: {error}"
        ))
    })?;
    let Sent { by, step, reject, reason } = sent;
    match desk(&state)?.answer(Said { run, step, by, approves: !reject, reason }).await {
        Taken::Counts(awaited) => Ok(Json(awaited)),
        Taken::Unknown(reason) => Err(Problem::new(StatusCode::NOT_FOUND, reason)),
        Taken::Refused(reason) => Err(Problem::new(StatusCode::CONFLICT, reason)),
        Taken::Failed(reason) => Err(Problem::unavailable(reason)),
    }
}

fn desk(state: &AppState) -> Result<&dyn ScheduleDesk, Problem> {
    let without = "this server runs no schedules; `baton serve` without `--no-scheduler` starts one that does";
    state.desk.as_deref().ok_or_else(|| Problem::unavailable(without))
}
