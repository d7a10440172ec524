//! Instants as people write them: RFC 3339, or a date, which is its midnight in UTC.

use baton_core::Timestamp;
use baton_core::time::parse_instant;

use crate::error::CliError;

/// Parses `2013-07-01`, `2013-07-01T12:00`, `2013-07-01T12:00:00` (both UTC) or RFC 3339.
///
/// # Errors
/// [`CliError::Instant`] for anything else.
pub(crate) fn parse(text: &str) -> Result<Timestamp, CliError> {
    parse_instant(text).ok_or_else(|| CliError::Instant { text: text.to_owned() })
}

/// An instant in a line of text.
pub(crate) fn show(instant: Timestamp) -> String {
    instant.format("%Y-%m-%d %H:%M UTC").to_string()
}
