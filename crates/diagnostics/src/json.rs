//! Diagnostics as JSON: for `--output json`, and as problem details (RFC 9457) for HTTP.

use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, Severity, count};

/// All diagnostics with their counts: `{"diagnostics": […], "errors": 1, "warnings": 0}`.
pub fn to_json(diagnostics: &[Diagnostic]) -> Value {
    json!({
        "diagnostics": diagnostics.iter().map(one).collect::<Vec<_>>(),
        "errors": count(diagnostics, Severity::Error),
        "warnings": count(diagnostics, Severity::Warning),
    })
}

/// A problem details object for the media type `application/problem+json`.
///
/// `type` is a relative reference to the code's page, `title` the code's title, `detail` the message; the extension
/// members `code`, `labels` and `help` carry the rest.
pub fn to_problem(diagnostic: &Diagnostic, status: u16, instance: Option<&str>) -> Value {
    let detail = match &diagnostic.detail {
        Some(more) => format!("{}. {more}", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    let mut problem = json!({
        "type": format!("/errors/{}", diagnostic.code),
        "title": diagnostic.code.info().title,
        "status": status,
        "detail": detail,
        "code": diagnostic.code,
        "labels": diagnostic.labels,
        "help": diagnostic.help,
    });
    if let Some(instance) = instance {
        problem["instance"] = Value::from(instance);
    }
    problem
}

fn one(diagnostic: &Diagnostic) -> Value {
    json!({
        "code": diagnostic.code,
        "title": diagnostic.code.info().title,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "labels": diagnostic.labels,
        "detail": diagnostic.detail,
        "help": diagnostic.help,
    })
}
