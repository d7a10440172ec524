//! Telling people: a [`Notice`] in the forms of Alertmanager, Slack, PagerDuty and mail, and its delivery; delivery of OpenLineage events; spans to collectors of
//! OpenTelemetry.
//!
//! Start at [`Courier::deliver`] and [`OtlpSpans`]. The forms are pure; what a channel answered becomes an [`Answer`], which never holds a
//! secret. It does not know the outbox, schedules, or where secrets come from.

mod courier;
mod form;
mod guarded;
mod lineage;
mod mail;
mod notice;
mod traces;

pub use courier::{Answer, Courier};
pub use guarded::GuardedCourier;
pub use notice::{Notice, Severity};
pub use traces::{OtlpSpans, TraceOptions, TraceOptionsError};
