//! Answers of queries: asked of the handlers of version 2, whose messages are then shown by the schema's types. A field that a
//! message leaves out has protobuf's default.

use std::pin::Pin;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request};
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use super::plan::Chosen;
use super::schema::{Kind, Schema};
use crate::mlflow::state::Shared;
use crate::mlflow::{artifacts, experiments, inputs, metrics, model_versions, runs};

/// Makes an answer, and keeps what went wrong: what a handler refuses is null.
pub(super) struct Answering {
    schema: &'static Schema,
    handlers: Router,
    /// What went wrong.
    pub(super) errors: Vec<String>,
}

/// A value that is made by and by.
type Made<'a> = Pin<Box<dyn Future<Output = Value> + Send + 'a>>;

/// Where a field is answered that its object does not hold.
struct Source {
    method: Method,
    path: &'static str,
    /// What is sent.
    body: Value,
    /// The part of the answer that is the field; the whole without it.
    part: Option<&'static str>,
}

impl Answering {
    /// Answers from `tracking`.
    pub(super) fn new(schema: &'static Schema, tracking: Shared) -> Self {
        let handlers = Router::new()
            .merge(experiments::routes())
            .merge(runs::routes())
            .merge(metrics::routes())
            .merge(inputs::routes())
            .merge(artifacts::routes())
            .merge(model_versions::routes())
            .with_state(tracking);
        Self { schema, handlers, errors: Vec::new() }
    }

    /// What is chosen of an object of the type `kind`, which came as `value`.
    pub(super) fn object<'a>(&'a mut self, kind: &'static str, value: &'a Value, chosen: &'a [Chosen]) -> Made<'a> {
        Box::pin(async move {
            let mut shown = Map::new();
            for field in chosen {
                let value = self.field(kind, value, field).await;
                shown.insert(field.key.clone(), value);
            }
            Value::Object(shown)
        })
    }

    async fn field(&mut self, object: &'static str, value: &Value, field: &Chosen) -> Value {
        // The only field without a type is the name of the object's own.
        let Some(kind) = field.kind else { return object.into() };
        let Some(source) = source(object, value, field) else {
            return self.shown(kind, value.get(snake(&field.name)), &field.chosen).await;
        };
        let part = source.part;
        match self.ask(source).await {
            Ok(answer) => {
                let answer = part.map_or(Some(&answer), |part| answer.get(part));
                self.shown(kind, answer, &field.chosen).await
            }
            Err(error) => {
                self.errors.push(error);
                Value::Null
            }
        }
    }

    /// `value` as one of the type.
    fn shown<'a>(&'a mut self, kind: &'static Kind, value: Option<&'a Value>, chosen: &'a [Chosen]) -> Made<'a> {
        Box::pin(async move {
            match kind {
                Kind::List(inner) => {
                    let mut items = Vec::new();
                    for item in value.and_then(Value::as_array).into_iter().flatten() {
                        items.push(self.shown(inner, Some(item), chosen).await);
                    }
                    Value::Array(items)
                }
                Kind::Named("ApiError") => Value::Null,
                Kind::Named(name) if self.schema.is_object(name) => {
                    self.object(name, value.unwrap_or(&Value::Null), chosen).await
                }
                Kind::Named(name) if self.schema.is_enumeration(name) => value.cloned().unwrap_or_default(),
                Kind::Named(name) => scalar(name, value),
            }
        })
    }

    /// What a handler answers, or the text of what it refuses.
    async fn ask(&self, Source { method, path, body, .. }: Source) -> Result<Value, String> {
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body.to_string())).map_err(|error| error.to_string())?;
        let Ok(response) = self.handlers.clone().oneshot(request).await;
        let is_refused = !response.status().is_success();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.map_err(|error| error.to_string())?;
        let answer: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if !is_refused {
            return Ok(answer);
        }
        let message = answer.get("message").or_else(|| answer.get("detail")).and_then(Value::as_str);
        Err(message.map_or_else(|| answer.to_string(), str::to_owned))
    }
}

fn source(object: &str, value: &Value, field: &Chosen) -> Option<Source> {
    let given = || field.arguments.get("input").filter(|input| !input.is_null()).cloned().unwrap_or_else(|| json!({}));
    let get = |path| Source { method: Method::GET, path, body: given(), part: None };
    let post = |path| Source { method: Method::POST, path, body: given(), part: None };
    let info = |name: &str| value.pointer(&format!("/info/{name}")).and_then(Value::as_str).unwrap_or_default();
    Some(match (object, field.name.as_str()) {
        ("Query", "mlflowGetExperiment") => get("/experiments/get"),
        ("Query", "mlflowGetRun") => get("/runs/get"),
        ("Query", "mlflowGetMetricHistoryBulkInterval") => get("/metrics/get-history-bulk-interval"),
        ("Query", "mlflowListArtifacts") => get("/artifacts/list"),
        ("Query", "mlflowSearchModelVersions") => get("/model-versions/search"),
        ("Query" | "Mutation", "mlflowSearchRuns") => post("/runs/search"),
        ("Mutation", "mlflowSearchDatasets") => post("/experiments/search-datasets"),
        ("MlflowRunExtension", "experiment") => {
            let body = json!({"experiment_id": info("experiment_id")});
            Source { method: Method::GET, path: "/experiments/get", body, part: Some("experiment") }
        }
        ("MlflowRunExtension", "modelVersions") => {
            let body = json!({"filter": format!("run_id='{}'", info("run_id"))});
            Source { method: Method::GET, path: "/model-versions/search", body, part: Some("model_versions") }
        }
        _ => return None,
    })
}

/// A value of one of the smallest types. Numbers that JSON has no word for are null.
fn scalar(name: &str, value: Option<&Value>) -> Value {
    match (name, value) {
        ("LongString", Some(Value::Number(number))) => number.to_string().into(),
        ("LongString", None) => "0".into(),
        ("Float", None) => 0.0.into(),
        ("Float", Some(value)) => value.as_number().cloned().map_or(Value::Null, Value::Number),
        ("Boolean", None) => false.into(),
        ("Int", None) => 0.into(),
        (_, None) => "".into(),
        (_, Some(value)) => value.clone(),
    }
}

/// `runId` as `run_id`.
fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
