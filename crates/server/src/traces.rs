//! Spans of requests, and of the predictions in them. A request that comes with `traceparent` goes on with that trace.
//!
//! Source of the names: OpenTelemetry's semantic conventions for HTTP servers.

use std::sync::Arc;

use axum::http::{HeaderMap, Method, StatusCode};
use baton_core::ports::Spans;
use baton_core::span::{Span, SpanContext, SpanFailure, SpanId, SpanKind, SpanValue, TraceId};
use baton_core::{Clock, Timestamp};
use baton_serving::{Deployment, PredictResponse, ServingError};
use uuid::Uuid;

/// The header of W3C Trace Context.
const TRACEPARENT: &str = "traceparent";

tokio::task_local! {
    /// The request that this task answers, where its trace is kept.
    static REQUEST: Option<SpanContext>;
}

/// Makes spans; by default it makes none.
#[derive(Clone, Default)]
pub(crate) struct Tracer {
    parts: Option<(Arc<dyn Spans>, Arc<dyn Clock>)>,
}

/// A request that is being answered.
pub(crate) struct OpenRequest {
    context: SpanContext,
    parent: Option<SpanId>,
    began: Timestamp,
    method: Method,
    path: String,
}

impl Tracer {
    pub(crate) fn new(spans: Arc<dyn Spans>, clock: Arc<dyn Clock>) -> Self {
        Self { parts: Some((spans, clock)) }
    }

    /// Spans that were dropped so far; `None` where none are made.
    pub(crate) fn dropped(&self) -> Option<u64> {
        self.parts.as_ref().map(|(spans, _)| spans.dropped())
    }

    /// Begins the span of a request; `None` where its trace is not kept.
    pub(crate) fn begin(&self, headers: &HeaderMap, method: &Method, path: &str) -> Option<OpenRequest> {
        let (spans, clock) = self.parts.as_ref()?;
        let given = headers.get(TRACEPARENT).and_then(|value| SpanContext::parse(value.to_str().ok()?));
        let chance = Uuid::new_v4().to_string();
        let trace = given.map_or_else(|| TraceId::of(&["request", &chance]), |given| given.trace);
        let context = SpanContext { trace, span: SpanId::of(&["span", &chance]), is_sampled: true };
        spans.samples(trace, given.as_ref()).then(|| OpenRequest {
            context,
            parent: given.map(|given| given.span),
            began: clock.now(),
            method: method.clone(),
            path: path.to_owned(),
        })
    }

    /// Ends the span of a request.
    pub(crate) fn end(&self, request: Option<OpenRequest>, route: Option<&str>, status: StatusCode, name: &str) {
        let (Some((spans, clock)), Some(request)) = (&self.parts, request) else { return };
        let method = request.method.as_str();
        let mut attributes: Vec<(&'static str, SpanValue)> = vec![
            ("http.request.method", method.into()),
            ("url.path", request.path.into()),
            ("url.scheme", "http".into()),
            ("http.response.status_code", u32::from(status.as_u16()).into()),
            ("baton.request.id", name.into()),
        ];
        attributes.extend(route.map(|route| ("http.route", route.into())));
        let failure = || SpanFailure { kind: "server_error", message: format!("answered {status}") };
        spans.keep(Span {
            context: request.context,
            parent: request.parent,
            name: route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}")),
            kind: SpanKind::Server,
            began: request.began,
            ended: clock.now(),
            attributes,
            failure: status.is_server_error().then(failure),
        });
    }

    /// The machine's instant, where the request of this task has a span.
    pub(crate) fn begin_prediction(&self) -> Option<(SpanContext, Timestamp)> {
        let (_, clock) = self.parts.as_ref()?;
        let request = REQUEST.try_with(|request| *request).ok().flatten()?;
        Some((request, clock.now()))
    }

    /// Ends the span of a prediction, below that of its request.
    pub(crate) fn end_prediction(
        &self,
        begun: Option<(SpanContext, Timestamp)>,
        deployment: &Deployment,
        answer: &Result<PredictResponse, ServingError>,
    ) {
        let (Some((spans, clock)), Some((request, began))) = (&self.parts, begun) else { return };
        let chance = Uuid::new_v4().to_string();
        let failure = answer.as_ref().err();
        spans.keep(Span {
            context: SpanContext { span: SpanId::of(&["prediction", &chance]), ..request },
            parent: Some(request.span),
            name: format!("predict {}", deployment.endpoint()),
            kind: SpanKind::Internal,
            began,
            ended: clock.now(),
            attributes: attributes_of(deployment, answer.as_ref().ok()),
            failure: failure.map(|error| SpanFailure { kind: "prediction_failed", message: error.to_string() }),
        });
    }
}

fn attributes_of(deployment: &Deployment, answer: Option<&PredictResponse>) -> Vec<(&'static str, SpanValue)> {
    let main = deployment.main();
    let mut attributes: Vec<(&'static str, SpanValue)> =
        vec![("baton.endpoint", deployment.endpoint().into()), ("baton.model", (&*main.model).into())];
    let Some(answer) = answer else { return attributes };
    attributes.push(("baton.endpoint.revision", answer.revision.into()));
    attributes.push(("baton.rows", (answer.predictions.len() as u64).into()));
    // Of the first row, where several versions answer.
    attributes.extend(answer.predictions.first().map(|row| ("baton.model.version", row.version.into())));
    attributes.extend(answer.commit.as_ref().map(|commit| ("baton.commit", (&**commit).into())));
    attributes
}

/// Answers a request, whose span those of the work within it stand below.
pub(crate) async fn within<F: Future>(request: Option<&OpenRequest>, answering: F) -> F::Output {
    REQUEST.scope(request.map(|request| request.context), answering).await
}

#[cfg(test)]
mod tests {
    use baton_core::ports::MemorySpans;

    use crate::testing::TestServer;

    use super::*;

    const TRACEPARENT_OF_CALLER: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    async fn spans_of(path: &str, headers: &[&str], body: &'static str) -> Vec<Span> {
        let spans = Arc::new(MemorySpans::default());
        let server = TestServer::traced(Arc::clone(&spans) as Arc<dyn Spans>);
        server.post(path, &[&["content-type: application/json"], headers].concat(), body).await;
        spans.kept()
    }

    fn said(span: &Span, name: &str) -> SpanValue {
        span.attributes.iter().find(|(known, _)| *known == name).unwrap().1.clone()
    }

    const ROWS: &str = r#"{"rows": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}"#;

    #[tokio::test]
    async fn a_request_goes_on_with_the_callers_trace_and_its_prediction_stands_below() {
        let spans = spans_of("/api/v1/endpoints/amount/predict", &[TRACEPARENT_OF_CALLER], ROWS).await;
        let [prediction, request] = spans.as_slice() else { panic!("{spans:?}") };
        assert_eq!(request.context.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(request.parent.unwrap().to_string(), "00f067aa0ba902b7");
        assert_eq!((request.kind, request.failure.as_ref()), (SpanKind::Server, None));
        assert_eq!(request.name, "POST /api/v1/endpoints/{endpoint}/predict");
        assert_eq!(said(request, "http.response.status_code"), SpanValue::Count(200));
        assert_eq!((prediction.parent, prediction.context.trace), (Some(request.context.span), request.context.trace));
        assert_eq!(prediction.name, "predict amount");
        assert_eq!(said(prediction, "baton.model.version"), SpanValue::Count(3));
        assert_eq!(said(prediction, "baton.rows"), SpanValue::Count(2));
    }

    #[tokio::test]
    async fn a_caller_that_keeps_no_trace_gets_none() {
        let unkept = TRACEPARENT_OF_CALLER.replace("-01", "-00");
        assert!(spans_of("/api/v1/endpoints/amount/predict", &[&unkept], ROWS).await.is_empty());
    }

    #[tokio::test]
    async fn requests_without_a_trace_begin_one_and_failures_are_told() {
        let spans = spans_of("/api/v1/endpoints/broken/predict", &[], r#"{"rows": [{"a": 1}]}"#).await;
        let request = spans.last().unwrap();
        assert_eq!(request.parent, None);
        assert_eq!(request.failure.as_ref().unwrap().message, "answered 500 Internal Server Error");
        let spans = spans_of("/nowhere", &[], "").await;
        assert_eq!((spans[0].name.as_str(), spans[0].failure.as_ref()), ("POST", None));
    }
}
