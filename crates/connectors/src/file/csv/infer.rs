//! Types of CSV columns from all their values.
//!
//! A type is taken only if every value is the way that type writes itself, so nothing is lost: `007` and `+5` are
//! texts, not numbers, and so is a whole number beyond 64 bits.

use arrow::compute::kernels::cast_utils::{Parser as _, string_to_datetime};
use arrow::datatypes::{DataType, Date32Type, Float64Type, TimeUnit};

const INTEGER: u8 = 1;
const FLOAT: u8 = 2;
const BOOLEAN: u8 = 4;
const DATE: u8 = 8;
const TIMESTAMP: u8 = 16;

/// The types that all values of a column seen so far can have.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Candidates {
    /// `None` until the first value.
    possible: Option<u8>,
}

impl Candidates {
    /// Takes in a value that is not null.
    pub(crate) fn observe(&mut self, value: &str) {
        self.possible = match self.possible {
            Some(0) => Some(0),
            possible => Some(possible.unwrap_or(u8::MAX) & types_of(value)),
        };
    }

    /// Returns the narrowest type that holds all values; text if there was none or they have nothing in common.
    pub(crate) fn data_type(self) -> DataType {
        let possible = self.possible.unwrap_or(0);
        let types = [
            (INTEGER, DataType::Int64),
            (FLOAT, DataType::Float64),
            (BOOLEAN, DataType::Boolean),
            (DATE, DataType::Date32),
            (TIMESTAMP, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        ];
        let found = types.into_iter().find(|(bit, _)| possible & bit != 0);
        found.map_or(DataType::Utf8, |(_, data_type)| data_type)
    }
}

fn types_of(value: &str) -> u8 {
    let digits = value.strip_prefix('-').unwrap_or(value);
    match digits.as_bytes() {
        b"NaN" | b"inf" | b"Infinity" => FLOAT,
        // Leading zeros mean a code, not a number: a post code, an account, a time such as `0517`.
        [b'0', b'0'..=b'9', ..] => 0,
        bytes if !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit) => match value.parse::<i64>() {
            Ok(_) => INTEGER | FLOAT,
            Err(_) => 0,
        },
        [b'0'..=b'9' | b'.', .., b'0'..=b'9' | b'.'] if Float64Type::parse(value).is_some() => FLOAT,
        _ if value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false") => BOOLEAN,
        bytes if bytes.len() >= 10 && bytes[4] == b'-' && bytes[7] == b'-' => times_of(value),
        _ => 0,
    }
}

fn times_of(value: &str) -> u8 {
    if value.len() == 10 {
        return if Date32Type::parse(value).is_some() { DATE | TIMESTAMP } else { 0 };
    }
    if string_to_datetime(&chrono::Utc, value).is_ok() { TIMESTAMP } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: &DataType) {
        let mut candidates = Candidates::default();
        values.iter().for_each(|value| candidates.observe(value));
        assert_eq!(&candidates.data_type(), expected, "{values:?}");
    }

    #[test]
    fn the_narrowest_type_of_all_values_is_taken() {
        let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        check(&[], &DataType::Utf8);
        check(&["1", "-20", "0"], &DataType::Int64);
        check(&["1", "2.5"], &DataType::Float64);
        check(&["1e5", "-.5", "NaN"], &DataType::Float64);
        check(&["true", "False"], &DataType::Boolean);
        check(&["2013-01-01", "2013-12-31"], &DataType::Date32);
        check(&["2013-01-01", "2013-12-31 05:00:00"], &timestamp);
        check(&["2013-01-01T05:00:00Z", "2013-01-01T05:00:00.25+02:00"], &timestamp);
        check(&["1", "true"], &DataType::Utf8);
        check(&["1", "2", "three"], &DataType::Utf8);
    }

    #[test]
    fn what_a_number_or_date_would_lose_stays_text() {
        for value in ["007", "-01", "+5", "12345678901234567890", "1 ", "", "-", "1_000", "2013-13-01", "2013-1-1"] {
            check(&[value], &DataType::Utf8);
        }
    }
}
