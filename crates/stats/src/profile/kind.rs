//! Which statistics a column gets: the kind of its values, and how they are shown.

use arrow::datatypes::DataType;
use baton_core::scalar::Scalar;
use chrono::{DateTime, NaiveDate, SecondsFormat};
use serde::{Deserialize, Serialize};

/// The kind of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    /// true and false, as 1 and 0.
    Boolean,
    /// Whole numbers that fit in 64 bits with a sign.
    Integer,
    /// Floating-point numbers, decimals and unsigned 64-bit numbers, as 64-bit floats.
    Real,
    /// Text.
    Text,
    /// Days since 1970-01-01.
    Date,
    /// Microseconds since 1970-01-01T00:00:00 on a clock without a zone.
    LocalTime,
    /// Microseconds since 1970-01-01T00:00:00Z.
    Instant,
    /// Anything else: only rows and nulls are counted.
    Other,
}

/// How a kind's values are held while they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// As `i64`.
    Whole,
    /// As `f64`.
    Real,
    /// As text.
    Text,
    /// Not at all.
    None,
}

impl ValueKind {
    /// The kind of an Arrow type; a dictionary has the kind of its values.
    pub fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::UInt64 | DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Real,
            integer if integer.is_integer() => Self::Integer,
            decimal if decimal.is_decimal() => Self::Real,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Text,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(_, None) => Self::LocalTime,
            DataType::Timestamp(_, Some(_)) => Self::Instant,
            DataType::Dictionary(_, values) => Self::of(values),
            _ => Self::Other,
        }
    }

    pub(super) fn lane(self) -> Lane {
        match self {
            Self::Boolean | Self::Integer | Self::Date | Self::LocalTime | Self::Instant => Lane::Whole,
            Self::Real => Lane::Real,
            Self::Text => Lane::Text,
            Self::Other => Lane::None,
        }
    }

    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::Boolean => 0,
            Self::Integer => 1,
            Self::Real => 2,
            Self::Text => 3,
            Self::Date => 4,
            Self::LocalTime => 5,
            Self::Instant => 6,
            Self::Other => 7,
        }
    }

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Boolean, Self::Integer, Self::Real, Self::Text, Self::Date, Self::LocalTime, Self::Instant, Self::Other]
            .into_iter()
            .find(|kind| kind.to_byte() == byte)
    }

    /// A whole number of this kind for people: a truth value, a date, an instant or the number.
    pub(super) fn show_whole(self, value: i64) -> Scalar {
        match self {
            Self::Boolean => Scalar::Bool(value != 0),
            Self::Date => shown_date(value),
            Self::LocalTime => shown_time(value, false),
            Self::Instant => shown_time(value, true),
            _ => Scalar::Int(value),
        }
    }

    /// A position on this kind's number line for people; whole kinds are rounded down.
    pub(super) fn show_position(self, position: f64) -> Scalar {
        match self {
            Self::Date | Self::LocalTime | Self::Instant => self.show_whole(position.floor() as i64),
            _ => Scalar::Float(position),
        }
    }
}

fn shown_date(days: i64) -> Scalar {
    let date = i32::try_from(days).ok().and_then(NaiveDate::from_epoch_days);
    date.map_or(Scalar::Int(days), |date| Scalar::Text(date.to_string()))
}

fn shown_time(microseconds: i64, zoned: bool) -> Scalar {
    let Some(instant) = DateTime::from_timestamp_micros(microseconds) else {
        return Scalar::Int(microseconds);
    };
    let text = instant.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    Scalar::Text(if zoned { text } else { text.trim_end_matches('Z').to_owned() })
}
