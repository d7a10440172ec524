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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use baton_core::Clock;
    use baton_core::time::{FixedClock, timestamp_from_micros};
    use baton_tracking::input::{Dataset, DatasetInput};
    use baton_tracking::run::NewRun;
    use baton_tracking::{StoreOptions, TrackingStore};
    use tower::ServiceExt as _;

    use crate::desk::{QueryAnswer, QueryDesk, QueryRefusal, RowFormat};
    use crate::testing::bare_parts;
    use crate::{Tracking, router};

    /// Repeats what it is asked.
    struct Echo;

    #[async_trait]
    impl QueryDesk for Echo {
        async fn query(&self, sql: &str, at: Option<&str>, format: RowFormat) -> Result<QueryAnswer, QueryRefusal> {
            if sql == "wrong" {
                return Err(QueryRefusal::Query("there is no table `wrong`".to_owned()));
            }
            let dataset = Dataset {
                name: "flights".to_owned(),
                digest: "d1".to_owned(),
                source_type: "delta_table".to_owned(),
                source: "{}".to_owned(),
                schema: None,
                profile: None,
            };
            let body = format!("{sql} {at:?} {format:?}").into_bytes();
            let inputs = vec![DatasetInput { dataset, tags: Vec::new() }];
            Ok(QueryAnswer { body, commit: "c-1".to_owned(), inputs })
        }
    }

    struct Asked {
        router: Router,
        store: TrackingStore,
        _folder: tempfile::TempDir,
    }

    async fn server(token: Option<&str>) -> Asked {
        let folder = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(FixedClock(timestamp_from_micros(1_000_000_000)));
        let options = StoreOptions { clock, artifact_root: "mlflow-artifacts:/".to_owned() };
        let store = TrackingStore::open(&folder.path().join("tracking.db"), options).await.unwrap();
        let parts = bare_parts().with_queries(Arc::new(Echo)).with_tracking(Tracking::new(store.clone()));
        let router = router(parts.with_token(token.map(str::to_owned)));
        Asked { router, store, _folder: folder }
    }

    impl Asked {
        async fn ask(&self, body: &str, headers: &[(&str, &str)]) -> (u16, String, String) {
            let mut request =
                Request::builder().method("POST").uri("/api/v1/query").header("content-type", "application/json");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let request = request.body(Body::from(body.to_owned())).unwrap();
            let response = self.router.clone().oneshot(request).await.unwrap();
            let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
            let status = response.status().as_u16();
            let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            (status, kind, String::from_utf8(body.to_vec()).unwrap())
        }
    }

    #[tokio::test]
    async fn rows_come_in_the_form_that_is_accepted() {
        let server = server(None).await;
        let (status, kind, body) = server.ask(r#"{"sql": "q", "at": "dev"}"#, &[]).await;
        assert_eq!((status, kind.as_str(), body.as_str()), (200, "application/json", "q Some(\"dev\") Json"));
        for (accepted, format) in [("text/csv", "Csv"), ("application/vnd.apache.arrow.stream", "Arrow")] {
            let (_, kind, body) = server.ask(r#"{"sql": "q"}"#, &[("accept", accepted)]).await;
            assert_eq!((kind.as_str(), body), (accepted, format!("q None {format}")));
        }
        assert_eq!(server.ask(r#"{"sql": "q"}"#, &[("accept", "image/png")]).await.0, 400);
        let (status, _, body) = server.ask(r#"{"sql": "wrong"}"#, &[]).await;
        assert!(status == 400 && body.contains("there is no table `wrong`"), "{body}");
        assert_eq!(server.ask(r#"{"query": "q"}"#, &[]).await.0, 400);
    }

    #[tokio::test]
    async fn what_a_run_reads_becomes_its_input() {
        let server = server(None).await;
        let run = server.store.create_run(NewRun::default()).await.unwrap().info.run_id;
        assert_eq!(server.ask(r#"{"sql": "q"}"#, &[("mlflow-run-id", &run)]).await.0, 200);
        assert_eq!(server.store.run(&run).await.unwrap().datasets[0].dataset.name, "flights");
        let missing = "0123456789abcdef0123456789abcdef";
        let (status, _, body) = server.ask(r#"{"sql": "q"}"#, &[("mlflow-run-id", missing)]).await;
        assert!(status == 400 && body.contains("not found"), "{body}");
    }

    #[tokio::test]
    async fn who_shows_no_token_or_asks_by_a_strange_name_is_refused() {
        let guarded = server(Some("sesame")).await;
        assert_eq!(guarded.ask(r#"{"sql": "q"}"#, &[]).await.0, 401);
        assert_eq!(guarded.ask(r#"{"sql": "q"}"#, &[("authorization", "Bearer sesame")]).await.0, 200);
        let open = server(None).await;
        assert_eq!(open.ask(r#"{"sql": "q"}"#, &[("host", "evil.example")]).await.0, 400);
        assert_eq!(open.ask(r#"{"sql": "q"}"#, &[("host", "localhost:8080")]).await.0, 200);
    }
}
