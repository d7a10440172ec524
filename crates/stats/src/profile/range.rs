//! Least and greatest value, and lengths of texts.

use baton_core::scalar::Scalar;

use super::bytes::{ByteReader, ByteWriter};
use super::kind::ValueKind;
use crate::error::StatsError;

/// Least and greatest value in the lane of the column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Range {
    Empty,
    Whole(i64, i64),
    Real(f64, f64),
    Text(String, String),
}

impl Range {
    pub(super) fn take_whole(&mut self, values: &[i64]) {
        let Some(first) = values.first() else { return };
        let least = values.iter().fold(*first, |least, value| least.min(*value));
        let greatest = values.iter().fold(*first, |greatest, value| greatest.max(*value));
        self.merge(&Self::Whole(least, greatest));
    }

    /// Takes in finite numbers.
    pub(super) fn take_real(&mut self, values: &[f64]) {
        let Some(first) = values.first() else { return };
        let least = values.iter().fold(*first, |least, value| if *value < least { *value } else { least });
        let greatest = values.iter().fold(*first, |greatest, value| if *value > greatest { *value } else { greatest });
        self.merge(&Self::Real(least, greatest));
    }

    #[inline]
    pub(super) fn take_text(&mut self, text: &str) {
        match self {
            Self::Text(least, greatest) => {
                if text < least.as_str() {
                    text.clone_into(least);
                } else if text > greatest.as_str() {
                    text.clone_into(greatest);
                }
            }
            _ => *self = Self::Text(text.to_owned(), text.to_owned()),
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        match (&mut *self, other) {
            (_, Self::Empty) => {}
            (Self::Whole(least, greatest), Self::Whole(low, high)) => {
                *least = (*least).min(*low);
                *greatest = (*greatest).max(*high);
            }
            (Self::Real(least, greatest), Self::Real(low, high)) => {
                *least = least.min(*low);
                *greatest = greatest.max(*high);
            }
            (Self::Text(..), Self::Text(low, high)) => {
                self.take_text(low);
                self.take_text(high);
            }
            _ => *self = other.clone(),
        }
    }

    pub(super) fn least(&self, kind: ValueKind) -> Option<Scalar> {
        match self {
            Self::Empty => None,
            Self::Whole(least, _) => Some(kind.show_whole(*least)),
            Self::Real(least, _) => Some(Scalar::Float(*least)),
            Self::Text(least, _) => Some(Scalar::Text(least.clone())),
        }
    }

    pub(super) fn greatest(&self, kind: ValueKind) -> Option<Scalar> {
        match self {
            Self::Empty => None,
            Self::Whole(_, greatest) => Some(kind.show_whole(*greatest)),
            Self::Real(_, greatest) => Some(Scalar::Float(*greatest)),
            Self::Text(_, greatest) => Some(Scalar::Text(greatest.clone())),
        }
    }

    /// Both ends as numbers; none for texts and empty ranges.
    pub(super) fn bounds(&self) -> Option<(f64, f64)> {
        match self {
            Self::Whole(least, greatest) => Some((*least as f64, *greatest as f64)),
            Self::Real(least, greatest) => Some((*least, *greatest)),
            Self::Empty | Self::Text(..) => None,
        }
    }

    pub(super) fn write(&self, writer: &mut ByteWriter) {
        match self {
            Self::Empty => writer.byte(0),
            Self::Whole(least, greatest) => {
                writer.byte(1);
                writer.word(*least as u64);
                writer.word(*greatest as u64);
            }
            Self::Real(least, greatest) => {
                writer.byte(2);
                writer.float(*least);
                writer.float(*greatest);
            }
            Self::Text(least, greatest) => {
                writer.byte(3);
                writer.text(least);
                writer.text(greatest);
            }
        }
    }

    pub(super) fn read(reader: &mut ByteReader<'_>) -> Result<Self, StatsError> {
        let range = match reader.byte()? {
            0 => Self::Empty,
            1 => Self::Whole(reader.word()? as i64, reader.word()? as i64),
            2 => Self::Real(reader.float()?, reader.float()?),
            3 => Self::Text(reader.text()?.to_owned(), reader.text()?.to_owned()),
            _ => return Err(reader.failure("unknown kind of range")),
        };
        if range.bounds().is_none_or(|(least, greatest)| least <= greatest) {
            return Ok(range);
        }
        Err(reader.failure("a range ends before it starts"))
    }
}

/// Lengths of texts in characters.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Lengths {
    count: u64,
    total: u64,
    least: u64,
    greatest: u64,
}

impl Lengths {
    #[inline]
    pub(super) fn take(&mut self, length: u64) {
        self.least = if self.count == 0 { length } else { self.least.min(length) };
        self.greatest = self.greatest.max(length);
        self.total += length;
        self.count += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.least = if self.count == 0 { other.least } else { self.least.min(other.least) };
        self.greatest = self.greatest.max(other.greatest);
        self.total += other.total;
        self.count += other.count;
    }

    /// Least, mean and greatest length; none without texts.
    pub(super) fn shown(&self) -> Option<(u64, f64, u64)> {
        (self.count > 0).then(|| (self.least, self.total as f64 / self.count as f64, self.greatest))
    }

    pub(super) fn write(&self, writer: &mut ByteWriter) {
        for number in [self.count, self.total, self.least, self.greatest] {
            writer.varint(number);
        }
    }

    pub(super) fn read(reader: &mut ByteReader<'_>) -> Result<Self, StatsError> {
        Ok(Self {
            count: reader.varint()?,
            total: reader.varint()?,
            least: reader.varint()?,
            greatest: reader.varint()?,
        })
    }
}
