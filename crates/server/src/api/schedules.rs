//! Schedules: `POST /schedules/{name}/trigger`, for those who hold the server's token.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use baton_core::Fingerprint;
use baton_core::parameter::shown;
use serde::{Deserialize, Serialize};

use crate::desk::Asked;
use crate::problem::Problem;
use crate::state::{AppState, Shared};

/// A request that was taken.
#[derive(Debug, Serialize)]
pub(super) struct Waiting {
    schedule: String,
    /// Its number in the queue; null when a request of the schedule waited already.
    request: Option<u64>,
}

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    parameters: BTreeMap<String, serde_json::Value>,
}

pub(super) async fn trigger(
    State(state): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Waiting>), Problem> {
    authorize(&state, &headers)?;
    let desk = state.desk.as_ref().ok_or_else(|| {
        Problem::unavailable(
            "this server runs no schedules; `baton serve` without `--no-scheduler` starts one that does",
        )
    })?;
    match desk.ask(&name, parameters(&body)?).await {
        Asked::Waits(number) => {
            let request = (number > 0).then_some(number);
            Ok((StatusCode::ACCEPTED, Json(Waiting { schedule: name, request })))
        }
        Asked::Unknown(nearest) => {
            let problem = Problem::new(StatusCode::NOT_FOUND, format!("there is no schedule `{name}`"));
            Err(nearest.into_iter().fold(problem, |problem, near| problem.with_help(format!("did you mean `{near}`?"))))
        }
        Asked::Refused(reason) => Err(Problem::bad_request(reason)),
        Asked::Failed(reason) => Err(Problem::unavailable(reason)),
    }
}

/// The parameters in a body such as `{"parameters": {"region": "eu"}}`; none without a body.
fn parameters(body: &[u8]) -> Result<BTreeMap<String, String>, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(BTreeMap::new());
    }
    let wanted: Wanted = serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("the body is not `{{\"parameters\": {{…}}}}`: {error}")))?;
    Ok(wanted.parameters.into_iter().map(|(name, value)| (name, shown(&value))).collect())
}

/// Lets those through who send the server's token. Without a token nobody is let through.
pub(super) fn authorize(state: &AppState, headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |message: &str| Problem::new(StatusCode::UNAUTHORIZED, message);
    let Some(token) = &state.token else {
        return Err(refused("this server has no token").with_help("start it with BATON_TOKEN set"));
    };
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    // Hashes are compared, so that the time that it takes tells nothing of the token.
    match given {
        Some(given) if Fingerprint::of([given]) == Fingerprint::of([token.as_str()]) => Ok(()),
        _ => Err(refused("the token is missing or wrong").with_help("send `Authorization: Bearer TOKEN`")),
    }
}
