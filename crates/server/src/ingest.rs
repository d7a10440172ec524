//! `POST /ingest/{source}`: rows that others send, on disk before they are answered.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest as _, Path, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::body::RequestBody;
use crate::intake::{Posted, Refusal};
use crate::problem::Problem;
use crate::state::Shared;

/// The header that makes it safe to send again (draft-ietf-httpapi-idempotency-key-header).
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The longest key.
const MAX_KEY: usize = 255;

pub(crate) async fn ingest(
    State(state): State<Shared>,
    Path(source): Path<String>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let intake = state
        .intake
        .clone()
        .ok_or_else(|| Problem::unavailable("this server takes no deliveries; `baton serve` starts one that does"))?;
    let headers = request.headers();
    let token =
        text(headers, AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
    // Before the body is read: strangers do not get to fill the memory.
    intake.admit(&source, token.as_deref()).await.map_err(|refusal| problem(&source, refusal))?;
    let (media_type, key) = (text(headers, CONTENT_TYPE.as_str()), key(headers)?);
    let RequestBody(body) = RequestBody::from_request(request, &()).await?;
    let posted = Posted { source: source.clone(), media_type, key, body };
    // What has begun is finished, even if the sender hangs up: the same key then gets the same receipt.
    let taken = tokio::spawn(async move { Arc::clone(&intake).take(posted).await }).await;
    let taken = taken.map_err(|error| Problem::unavailable(error.to_string()))?;
    taken.map(Json).map_err(|refusal| problem(&source, refusal))
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= MAX_KEY => Ok(Some(key.to_owned())),
        _ => Err(Problem::bad_request(format!("`Idempotency-Key` is not 1 to {MAX_KEY} visible characters"))),
    }
}

fn problem(source: &str, refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Unknown(nearest) => {
            let message = format!("there is no source `{source}` of connector `push`");
            let problem = Problem::new(StatusCode::NOT_FOUND, message);
            nearest.into_iter().fold(problem, |problem, near| problem.with_help(format!("did you mean `{near}`?")))
        }
        Refusal::Closed => Problem::new(StatusCode::FORBIDDEN, format!("source `{source}` has no token"))
            .with_help("give it one: `options: {token: \"${env:INGEST_TOKEN}\"}`"),
        Refusal::Unauthorized => Problem::new(StatusCode::UNAUTHORIZED, "the token is missing or wrong")
            .with_help("send `Authorization: Bearer TOKEN`"),
        Refusal::MediaType(media_type) => {
            let message = format!("media type `{media_type}` is not known");
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
                .with_help("send `application/x-ndjson` or `application/vnd.apache.arrow.stream`")
        }
        Refusal::Broken(reason) => Problem::bad_request(reason),
        Refusal::KeyReused(reason) => {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, reason).with_help("send what differs under a key of its own")
        }
        Refusal::Failed(reason) => Problem::unavailable(reason),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use expect_test::expect;
    use serde_json::json;
    use tower::ServiceExt as _;

    use super::*;
    use crate::testing::parts_with;

    /// Admits `t`, takes everything but `broken` and the key `used`, and says what it took.
    struct Clerk;

    #[async_trait::async_trait]
    impl crate::Intake for Clerk {
        async fn admit(&self, source: &str, token: Option<&str>) -> Result<(), Refusal> {
            match (source, token) {
                ("readings", Some("t")) => Ok(()),
                ("readings", _) => Err(Refusal::Unauthorized),
                ("closed", _) => Err(Refusal::Closed),
                _ => Err(Refusal::Unknown(Some("readings".to_owned()))),
            }
        }

        async fn take(&self, posted: Posted) -> Result<Value, Refusal> {
            if posted.key.as_deref() == Some("used") {
                return Err(Refusal::KeyReused("key came before".to_owned()));
            }
            let body = String::from_utf8_lossy(&posted.body).into_owned();
            match body.as_str() {
                "broken" => Err(Refusal::Broken("no line is a JSON object".to_owned())),
                _ => Ok(json!({"key": posted.key, "type": posted.media_type, "body": body})),
            }
        }
    }

    async fn told(router: &Router, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        format!("{status} {}\n", String::from_utf8_lossy(&body))
    }

    #[tokio::test]
    async fn deliveries_are_taken_from_those_who_may_send() {
        let router = crate::router(parts_with(Arc::new(Clerk)));
        let token = ("authorization", "Bearer t");
        let mut all = String::new();
        all += &told(
            &router,
            "/ingest/readings",
            &[token, ("idempotency-key", "k"), ("content-type", "application/x-ndjson")],
            "{}",
        )
        .await;
        all += &told(&router, "/ingest/readings", &[], "{}").await;
        all += &told(&router, "/ingest/readings", &[("authorization", "Bearer other")], "{}").await;
        all += &told(&router, "/ingest/closed", &[token], "{}").await;
        all += &told(&router, "/ingest/reading", &[token], "{}").await;
        all += &told(&router, "/ingest/readings", &[token], "broken").await;
        all += &told(&router, "/ingest/readings", &[token, ("idempotency-key", "used")], "{}").await;
        all += &told(&router, "/ingest/readings", &[token, ("idempotency-key", "")], "{}").await;
        all += &told(&router, "/ingest/readings", &[token], &" ".repeat(65 << 20)).await;
        expect![[r#"
            200 {"key":"k","type":"application/x-ndjson","body":"{}"}
            401 {"type":"/errors/A0101","title":"the request cannot be understood","status":401,"detail":"the token is missing or wrong","code":"A0101","labels":[],"help":["send `Authorization: Bearer TOKEN`"]}
            401 {"type":"/errors/A0101","title":"the request cannot be understood","status":401,"detail":"the token is missing or wrong","code":"A0101","labels":[],"help":["send `Authorization: Bearer TOKEN`"]}
            403 {"type":"/errors/A0101","title":"the request cannot be understood","status":403,"detail":"source `closed` has no token","code":"A0101","labels":[],"help":["give it one: `options: {token: \"${env:INGEST_TOKEN}\"}`"]}
            404 {"type":"/errors/A0102","title":"there is nothing at this address","status":404,"detail":"there is no source `reading` of connector `push`","code":"A0102","labels":[],"help":["did you mean `readings`?"]}
            400 {"type":"/errors/A0101","title":"the request cannot be understood","status":400,"detail":"no line is a JSON object","code":"A0101","labels":[],"help":[]}
            422 {"type":"/errors/A0101","title":"the request cannot be understood","status":422,"detail":"key came before","code":"A0101","labels":[],"help":["send what differs under a key of its own"]}
            400 {"type":"/errors/A0101","title":"the request cannot be understood","status":400,"detail":"`Idempotency-Key` is not 1 to 255 visible characters","code":"A0101","labels":[],"help":[]}
            413 {"type":"/errors/A0105","title":"the request is too large","status":413,"detail":"the request has more than 64 MiB; send fewer rows at a time","code":"A0105","labels":[],"help":[]}
        "#]].assert_eq(&all);
    }
}
