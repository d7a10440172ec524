//! Where an axis is marked, and how its numbers are written.

use chrono::{DateTime, Utc};

/// Round numbers within `low` to `high`, about `wanted` of them: steps of 1, 2 or 5 of a power of ten.
pub(crate) fn linear(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let rough = (high - low) / wanted.max(1) as f64;
    if !rough.is_finite() || rough <= 0.0 {
        return vec![low];
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    // Multiples of the step, so that 0.3 is 0.3.
    (first..=last).map(|count| round_to(count as f64 * step, step)).collect()
}

/// Powers of ten within `low` to `high`; with their double and fivefold where there are few.
pub(crate) fn logarithmic(low: f64, high: f64) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let factors: &[f64] = if last - first <= 3 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let every = ((last - first) / 8 + 1).max(1);
    let powers = (first..=last).filter(|power| power % every == 0);
    let ticks = powers.flat_map(|power| factors.iter().map(move |factor| factor * 10f64.powi(power)));
    ticks.filter(|tick| (low * 0.999..=high * 1.001).contains(tick)).collect()
}

fn round_to(value: f64, step: f64) -> f64 {
    let digits = (2.0 - step.log10().floor()).clamp(0.0, 300.0) as i32;
    let factor = 10f64.powi(digits);
    let rounded = (value * factor).round() / factor;
    if rounded.is_finite() && digits < 300 { rounded } else { value }
}

/// A number in few signs.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e6).contains(&size) {
        let text = format!("{value:.2e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{power}", trimmed(digits));
    }
    let digits = (4 - size.log10().floor() as i32).clamp(0, 8) as usize;
    trimmed(&format!("{value:.digits$}"))
}

fn trimmed(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

/// An instant in seconds since 1970, as fine as `span` seconds ask for.
pub(crate) fn instant(seconds: f64, span: f64) -> String {
    let at: DateTime<Utc> = DateTime::from_timestamp(seconds as i64, 0).unwrap_or_default();
    let form = match span {
        span if span > 4.0 * 86_400.0 => "%Y-%m-%d",
        span if span > 3.0 * 3600.0 => "%m-%d %H:%M",
        _ => "%H:%M:%S",
    };
    at.format(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(linear(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(linear(-3.0, 12.0, 5), [0.0, 5.0, 10.0]);
        assert_eq!(linear(0.21, 0.34, 4), [0.25, 0.3]);
        assert_eq!(linear(5.0, 5.0, 4), [5.0]);
        assert_eq!(logarithmic(1e-5, 0.1), [1e-5, 1e-4, 1e-3, 1e-2, 0.1]);
        assert_eq!(logarithmic(0.9, 30.0), [1.0, 2.0, 5.0, 10.0, 20.0]);
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.30000000000000004, 1234567.0, 1e-5, 123.456, -0.25, 100000.0].map(number);
        assert_eq!(texts, ["0", "0.3", "1.23e6", "1e-5", "123.46", "-0.25", "100000"]);
        assert_eq!(instant(1_700_000_000.0, 60.0), "22:13:20");
        assert_eq!(instant(1_700_000_000.0, 1e7), "2023-11-14");
    }
}
