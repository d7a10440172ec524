//! Traces: what a program did for a request, as spans, with tags and judgements.
//!
//! A client tells of a trace when it has ended, and of its spans as they end; either may come first. Spans and assessments are
//! kept in the JSON in which clients read them, so that reading them is no work. It does not know OTLP.

mod assessments;
mod correlation;
mod metrics;
mod pattern;
mod read;
mod search;
mod spans;
mod tags;
mod transfer;
mod write;

pub use assessments::AssessmentChange;
pub use correlation::Correlation;
pub use metrics::{Aggregation, MetricPoint, MetricQuery, View as MetricView};
pub use search::TraceSearch;
pub use spans::NewSpan;
pub use transfer::WholeTrace;

use serde_json::Value;

use crate::Tag;

/// The tag that holds a trace's name.
pub(crate) const NAME_TAG: &str = "mlflow.traceName";
/// The tag that lists the prompts that a trace used.
const PROMPTS_TAG: &str = "mlflow.linkedPrompts";
/// The tag that says where the trace's files are.
const LOCATION_TAG: &str = "mlflow.artifactLocation";
/// The tag that says where the spans are, with what it says of spans that are kept here.
const SPANS_TAG: (&str, &str) = ("mlflow.trace.spansLocation", "TRACKING_STORE");

/// What a trace was about.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TraceInfo {
    /// `tr-` and 32 hex digits.
    pub trace_id: String,
    /// What the program's own caller named the request.
    pub client_request_id: Option<String>,
    /// The experiment.
    pub experiment_id: i64,
    /// The beginning of what was asked.
    pub request_preview: Option<String>,
    /// The beginning of what was answered.
    pub response_preview: Option<String>,
    /// Milliseconds since 1970.
    pub request_time: i64,
    /// Milliseconds, once it ended.
    pub execution_duration: Option<i64>,
    /// `OK`, `ERROR`, `IN_PROGRESS` or `STATE_UNSPECIFIED`.
    pub state: String,
    /// What the client says and nobody changes, by key.
    pub metadata: Vec<Tag>,
    /// By key.
    pub tags: Vec<Tag>,
    /// Judgements, in the protocol's JSON.
    pub assessments: Vec<Value>,
}
