//! Traces to a collector of OpenTelemetry: OTLP over HTTP, in protobuf.
//!
//! Start at [`OtlpSpans`]. [`options`] says where to and how by OpenTelemetry's own variables, [`encode`] has the form on the
//! wire, [`exporter`] the thread that sends. What a span is about it does not know.

mod encode;
mod exporter;
mod options;

pub use exporter::OtlpSpans;
pub use options::{TraceOptions, TraceOptionsError};
