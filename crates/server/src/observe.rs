//! Around every request: its name, its time, its place in the metrics.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::request_id::{RequestId, X_REQUEST_ID};
use crate::state::Shared;
use crate::traces;

/// What requests for no known route are counted under: a path is the client's text and must not become a label.
const NO_ROUTE: &str = "none";

pub(crate) async fn observe(State(state): State<Shared>, mut request: Request, next: Next) -> Response {
    let start = Instant::now();
    let id = RequestId::of(request.headers());
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(id.clone());
    let span = state.tracer.begin(request.headers(), request.method(), request.uri().path());
    let mut response = traces::within(span.as_ref(), next.run(request)).await;
    if let Some(value) = id.header() {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    state.tracer.end(span, route.as_ref().map(MatchedPath::as_str), response.status(), id.as_text());
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    state.metrics.answered(route, response.status().as_u16(), start.elapsed());
    response
}
