//! Instants and the clock. Library code asks [`Clock`] only, so that history can be replayed.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};

/// An instant in UTC, kept to the microsecond.
pub type Timestamp = DateTime<Utc>;

/// Where time comes from: the machine's clock, or a logical one.
pub trait Clock: Send + Sync {
    /// The current instant.
    fn now(&self) -> Timestamp;
}

/// A clock that stands still at one instant.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// The instant `micros` microseconds after the Unix epoch; out-of-range values clamp to the range of [`Timestamp`].
pub fn timestamp_from_micros(micros: i64) -> Timestamp {
    match Utc.timestamp_micros(micros) {
        chrono::LocalResult::Single(instant) => instant,
        _ if micros < 0 => DateTime::<Utc>::MIN_UTC,
        _ => DateTime::<Utc>::MAX_UTC,
    }
}

/// The instant that people write as RFC 3339, as `2013-07-01` (midnight), `2013-07-01T12:00` or `2013-07-01 12:00:00`,
/// in UTC where no offset is given; `None` for anything else.
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.to_utc());
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f"];
    forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).map(|local| local.and_utc())
}
