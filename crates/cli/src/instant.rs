//! Instants as people write them: RFC 3339, or a date, which is its midnight in UTC.

use baton_core::Timestamp;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

use crate::error::CliError;

/// Parses `2013-07-01`, `2013-07-01T12:00`, `2013-07-01T12:00:00` (both UTC) or RFC 3339.
///
/// # Errors
/// [`CliError::Instant`] for anything else.
pub(crate) fn parse(text: &str) -> Result<Timestamp, CliError> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(instant.to_utc());
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Ok(date.and_time(NaiveTime::MIN).and_utc());
    }
    let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"];
    let found = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    found.map(|local| local.and_utc()).ok_or_else(|| CliError::Instant { text: text.to_owned() })
}

/// An instant in a line of text.
pub(crate) fn show(instant: Timestamp) -> String {
    instant.format("%Y-%m-%d %H:%M UTC").to_string()
}
