//! Durations as people write them: `90s`, `15m`, `36h`, `2d`, `1w`.

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write a whole number and a unit, such as 90s, 15m, 36h, 2d or 1w")]
pub struct InvalidDuration(pub String);

const UNITS: [(&str, i64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Parses `text` to seconds.
///
/// # Errors
/// [`InvalidDuration`] when it is not a whole number followed by one of `s m h d w`, or is too large.
pub fn parse_seconds(text: &str) -> Result<i64, InvalidDuration> {
    let invalid = || InvalidDuration(text.to_owned());
    let trimmed = text.trim();
    let (unit, seconds) = UNITS.iter().find(|(unit, _)| trimmed.ends_with(unit)).ok_or_else(invalid)?;
    let digits = trimmed.trim_end_matches(unit).trim();
    if digits.is_empty() || !digits.chars().all(|character| character.is_ascii_digit()) {
        return Err(invalid());
    }
    digits.parse::<i64>().ok().and_then(|count| count.checked_mul(*seconds)).ok_or_else(invalid)
}

/// Writes seconds in the largest unit that divides them: `7200` is `2h`.
pub fn format_seconds(seconds: i64) -> String {
    if seconds == 0 {
        return "0s".to_owned();
    }
    UNITS
        .iter()
        .filter(|(unit, _)| *unit != "w")
        .find(|(_, size)| seconds % size == 0)
        .map_or_else(|| format!("{seconds}s"), |(unit, size)| format!("{}{unit}", seconds / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(parse_seconds("36h"), Ok(129_600));
        assert_eq!(parse_seconds("2d"), Ok(172_800));
        for bad in ["", "h", "1.5h", "-1h", "10", "99999999999999999w"] {
            assert!(parse_seconds(bad).is_err(), "{bad}");
        }
        assert_eq!(format_seconds(7_200), "2h");
        assert_eq!(format_seconds(86_400 * 7), "7d");
        assert_eq!(format_seconds(61), "61s");
    }
}
