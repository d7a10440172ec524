//! Instants and the clock. Library code asks [`Clock`] only, so that history can be replayed.

use chrono::{DateTime, TimeZone, Utc};

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
