//! Instants as trackers write them.

use chrono::{DateTime, NaiveDateTime};

/// Milliseconds since 1970 of RFC 3339, or of a text such as `2024-01-31 12:00:00.123456`, which is taken as UTC.
pub(crate) fn milliseconds(text: &str) -> Option<i64> {
    let exact = DateTime::parse_from_rfc3339(text).map(|instant| instant.timestamp_millis());
    let plain =
        || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").map(|at| at.and_utc().timestamp_millis());
    exact.or_else(|_not_exact| plain()).ok()
}

/// An instant in the JSON of MLflow's protocol.
pub(crate) fn rfc3339(milliseconds: i64) -> String {
    let instant = DateTime::from_timestamp_millis(milliseconds).unwrap_or_default();
    instant.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_as_they_are_written() {
        assert_eq!(milliseconds("2026-11-21T20:07:08.350Z"), Some(1_795_291_628_350));
        assert_eq!(milliseconds("2026-11-21 20:07:08.350999"), Some(1_795_291_628_350));
        assert_eq!(milliseconds("yesterday"), None);
        assert_eq!(rfc3339(1_795_291_628_350), "2026-11-21T20:07:08.350Z");
    }
}
