//! Going on by a cursor column of an API: what to ask for, and which of the records that come are new.
//!
//! Records come in any order, and an API may answer with more than it was asked for. So a record counts when its cursor
//! is not older than what was asked for and its hash is not among those that were pulled before.

use std::cmp::Ordering;
use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::config::{CursorFormat, Incremental};
use crate::{ConnectorError, PullSource};

/// Hashes that a position holds at most where rows that come again meet the landed ones by key; otherwise it holds all.
const MAX_SEEN: usize = 20_000;
const MICROS: i64 = 1_000_000;

/// Where an incremental pull goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SincePosition {
    /// The newest cursor that was pulled, as the API writes it.
    newest: Value,
    /// Hashes of pulled records that may be answered again.
    #[serde(default)]
    seen: Vec<String>,
}

/// A cursor's value; those of one source are all of one kind.
#[derive(Debug, Clone, PartialEq)]
enum Moment {
    Whole(i64),
    Fraction(f64),
    /// Microseconds since 1970.
    Instant(i64),
    Text(String),
}

impl Moment {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_i64().map(Self::Whole).or_else(|| number.as_f64().map(Self::Fraction)),
            Value::String(text) => Some(instant(text).map_or_else(|| Self::Text(text.clone()), Self::Instant)),
            _ => None,
        }
    }

    /// Which is newer; `None` for kinds that cannot be compared.
    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) | (Self::Instant(one), Self::Instant(other)) => Some(one.cmp(other)),
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            (Self::Whole(_) | Self::Fraction(_), Self::Whole(_) | Self::Fraction(_)) => {
                self.number().partial_cmp(&other.number())
            }
            _ => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "only where a fraction is met, which has no more digits either")]
    fn number(&self) -> f64 {
        match self {
            Self::Whole(number) | Self::Instant(number) => *number as f64,
            Self::Fraction(number) => *number,
            Self::Text(_) => f64::NAN,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a lag is a few days of seconds")]
    fn less(&self, lag: i64) -> Self {
        match self {
            Self::Whole(number) => Self::Whole(number.saturating_sub(lag)),
            Self::Fraction(number) => Self::Fraction(number - lag as f64),
            Self::Instant(micros) => Self::Instant(micros.saturating_sub(lag.saturating_mul(MICROS))),
            Self::Text(text) => Self::Text(text.clone()),
        }
    }
}

/// Reads RFC 3339, `2024-01-31 23:59:59`, and days, in UTC where no zone is named.
fn instant(text: &str) -> Option<i64> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_micros());
    }
    let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"));
    let local = local.ok().or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
    local.map(|local| local.and_utc().timestamp_micros())
}

/// What is asked for: the parameter's text, and the oldest cursor that it lets through.
fn asked(newest: &Value, lag: i64, format: CursorFormat) -> Result<(String, Moment), ConnectorError> {
    let wrong = |reason: &str| ConnectorError::position(format!("says `{newest}`, {reason}"));
    let newest_moment = Moment::of(newest).ok_or_else(|| wrong("which is no cursor"))?;
    if lag > 0 && matches!(newest_moment, Moment::Text(_)) {
        return Err(wrong("and `lag` needs a cursor that is a time or a number"));
    }
    let from = newest_moment.less(lag);
    let plain = |moment: &Moment| match moment {
        Moment::Whole(number) => number.to_string(),
        Moment::Fraction(number) => number.to_string(),
        Moment::Text(text) => text.clone(),
        Moment::Instant(micros) => written(*micros),
    };
    let micros = match (format, &from) {
        (CursorFormat::AsIs, _) if lag == 0 => {
            let text = newest.as_str().map_or_else(|| newest.to_string(), str::to_owned);
            return Ok((text, from));
        }
        (CursorFormat::AsIs, _) => return Ok((plain(&from), from)),
        (_, Moment::Instant(micros)) => *micros,
        _ => return Err(wrong("which is no time, so it cannot be written as one; use `format: as_is`")),
    };
    // What is written with fewer digits asks for a little more, and that is what comes.
    let (text, oldest) = match format {
        CursorFormat::Date => {
            let day = micros.div_euclid(86_400 * MICROS) * 86_400 * MICROS;
            (written(day).get(..10).unwrap_or_default().to_owned(), day)
        }
        CursorFormat::Unix => {
            let seconds = micros.div_euclid(MICROS);
            (seconds.to_string(), seconds * MICROS)
        }
        CursorFormat::UnixMs => {
            let millis = micros.div_euclid(1_000);
            (millis.to_string(), millis * 1_000)
        }
        CursorFormat::AsIs | CursorFormat::Rfc3339 => (written(micros), micros),
    };
    Ok((text, Moment::Instant(oldest)))
}

fn written(micros: i64) -> String {
    DateTime::<Utc>::from_timestamp_micros(micros)
        .map_or_else(String::new, |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is new.
    Take,
    /// It was pulled before, or is older than what was asked for.
    Skip,
    /// It would never be asked for again, for this reason: it is set aside.
    SetAside(String),
}

/// The records of one incremental pull.
pub(super) struct Since {
    column: String,
    lag: i64,
    format: CursorFormat,
    may_repeat: bool,
    /// The parameter and its text; none the first time without `start`.
    pub(super) asked: Option<(String, String)>,
    oldest: Option<Moment>,
    newest: Option<(Value, Moment)>,
    known: HashMap<String, usize>,
    /// Records that may be answered again, with this pull's.
    again: Vec<(Moment, String)>,
}

impl Since {
    /// Goes on after `position`.
    pub(super) fn new(
        source: &PullSource,
        column: &str,
        how: &Incremental,
        position: Option<SincePosition>,
    ) -> Result<Self, ConnectorError> {
        let mut since = Self {
            column: column.to_owned(),
            lag: source.lag,
            format: how.format,
            // Who asks again for what is landed has a key and merges; the project's reader sees to it.
            may_repeat: source.lag > 0,
            asked: how.start.clone().map(|start| (how.param.clone(), start)),
            oldest: None,
            newest: None,
            known: HashMap::new(),
            again: Vec::new(),
        };
        if let Some(position) = position {
            let (text, oldest) = asked(&position.newest, source.lag, how.format)?;
            since.asked = Some((how.param.clone(), text));
            since.newest = Moment::of(&position.newest).map(|moment| (position.newest, moment));
            since.oldest = Some(oldest);
            for hash in position.seen {
                *since.known.entry(hash).or_default() += 1;
            }
        }
        Ok(since)
    }

    /// Says what to do with a record.
    pub(super) fn look(&mut self, record: &Map<String, Value>) -> Verdict {
        let value = record.get(&self.column).unwrap_or(&Value::Null);
        let Some(moment) = Moment::of(value) else {
            return Verdict::SetAside("null in the cursor, by which records are asked for".to_owned());
        };
        let against = |other: Option<&Moment>| other.map_or(Some(Ordering::Greater), |other| moment.compare(other));
        let (Some(to_oldest), Some(to_newest)) =
            (against(self.oldest.as_ref()), against(self.newest.as_ref().map(|(_, newest)| newest)))
        else {
            return Verdict::SetAside("a cursor of another kind than those before".to_owned());
        };
        if to_oldest == Ordering::Less {
            return Verdict::Skip;
        }
        if to_newest == Ordering::Greater {
            self.newest = Some((value.clone(), moment.clone()));
        }
        let hash = hash_of(record);
        self.again.push((moment, hash.clone()));
        if self.again.len() > 4 * MAX_SEEN && self.again.len().is_power_of_two() {
            self.forget();
        }
        match self.known.get_mut(&hash).filter(|count| **count > 0) {
            Some(count) => {
                *count -= 1;
                Verdict::Skip
            }
            None => Verdict::Take,
        }
    }

    /// Drops those that will not be answered again.
    fn forget(&mut self) {
        let Some((newest, _)) = &self.newest else { return };
        if let Ok((_, oldest)) = asked(newest, self.lag, self.format) {
            self.again.retain(|(moment, _)| moment.compare(&oldest) != Some(Ordering::Less));
        }
    }

    /// Where the next pull goes on; `None` when nothing was ever pulled.
    pub(super) fn position(mut self) -> Option<SincePosition> {
        self.forget();
        let (newest, _) = self.newest?;
        let seen = if self.may_repeat && self.again.len() > MAX_SEEN { Vec::new() } else { self.again };
        Some(SincePosition { newest, seen: seen.into_iter().map(|(_, hash)| hash).collect() })
    }
}

/// The first 128 bits of a hash over the record, whatever the order of its columns.
fn hash_of(record: &Map<String, Value>) -> String {
    let mut columns: Vec<(&String, &Value)> = record.iter().collect();
    columns.sort_unstable_by_key(|(name, _)| *name);
    let mut hasher = blake3::Hasher::new();
    for (name, value) in columns {
        hasher.update(format!("{}:{name}={value};", name.len()).as_bytes());
    }
    hasher.finalize().to_hex().get(..32).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written_as(newest: Value, lag: i64, format: CursorFormat) -> String {
        asked(&newest, lag, format).map_or_else(|error| error.to_string(), |(text, _)| text)
    }

    #[test]
    fn the_newest_value_is_written_as_the_api_wants_it() {
        let newest = json!("2024-03-01T00:00:30.250+01:00");
        assert_eq!(written_as(newest.clone(), 0, CursorFormat::AsIs), "2024-03-01T00:00:30.250+01:00");
        assert_eq!(written_as(newest.clone(), 60, CursorFormat::AsIs), "2024-02-29T22:59:30.250Z");
        assert_eq!(written_as(newest.clone(), 0, CursorFormat::Rfc3339), "2024-02-29T23:00:30.250Z");
        assert_eq!(written_as(newest.clone(), 0, CursorFormat::Date), "2024-02-29");
        assert_eq!(written_as(newest.clone(), 1, CursorFormat::Unix), "1709247629");
        assert_eq!(written_as(newest, 0, CursorFormat::UnixMs), "1709247630250");
        assert_eq!(written_as(json!(9_007_199_254_740_993_i64), 0, CursorFormat::AsIs), "9007199254740993");
        assert!(written_as(json!(7), 0, CursorFormat::Date).contains("which is no time"));
    }
}
