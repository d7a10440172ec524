//! Automatic bands for counts by day: log scale, weekly season, trimmed level, MAD with a floor.
//!
//! The rule and its measured false-alarm rates are in the contract `detectors.md`, section 4.3. The tested point is
//! never part of its own history. What is done with the verdicts is said in [`crate::volume`].

/// The verdict on the newest point of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// What was expected.
    pub expected: f64,
    /// Least value inside the band.
    pub low: f64,
    /// Greatest value inside the band.
    pub high: f64,
    /// Whole cycles of history behind it; fewer than [`CYCLES_TO_PAGE`] only show, they do not page.
    pub cycles: usize,
}

/// Cycles of history from which on a breach may page.
pub const CYCLES_TO_PAGE: usize = 4;

const PERIOD: usize = 7;
const MOST_CYCLES: usize = 8;

impl Band {
    /// Whether `value` lies outside.
    pub fn breached_by(&self, value: f64) -> bool {
        value < self.low || value > self.high
    }
}

/// The band for the point after `history` (daily counts, oldest first); `None` below two cycles of seven days.
///
/// A day of the history without a count takes no part: that is how flagged days are left out. Changes below the share
/// `floor` never leave the band, however calm the history.
pub fn daily_band(history: &[Option<f64>], floor: f64) -> Option<Band> {
    let cycles = (history.len() / PERIOD).min(MOST_CYCLES);
    if cycles < 2 {
        return None;
    }
    let used = &history[history.len() - cycles * PERIOD..];
    let logs: Vec<Option<f64>> = used.iter().map(|count| count.map(|count| count.max(0.0).ln_1p())).collect();
    let season = season_index(&logs);
    let levels: Vec<Option<f64>> =
        logs.iter().enumerate().map(|(day, value)| value.map(|value| value - season[day % PERIOD])).collect();
    let newest: Vec<Option<f64>> = levels.iter().copied().filter(Option::is_some).rev().take(PERIOD).collect();
    let level = trimmed_mean(&newest).filter(|_| newest.len() == PERIOD)?;
    let residuals: Vec<f64> = (PERIOD..levels.len())
        .filter_map(|day| Some(levels[day]? - trimmed_mean(&levels[day - PERIOD..day])?))
        .collect();
    let centre = median(&residuals)?;
    let deviations: Vec<f64> = residuals.iter().map(|residual| (residual - centre).abs()).collect();
    let width = threshold(cycles);
    let spread = (1.4826 * median(&deviations)?).max(floor / width);
    // The tested point falls on the weekday of the first used one.
    let expected = level + season[0] + centre;
    let back = |log: f64| log.exp_m1().max(0.0);
    Some(Band {
        expected: back(expected),
        low: back(expected - width * spread),
        high: back(expected + width * spread),
        cycles,
    })
}

/// Wider bands for shorter histories, as measured in the contract.
fn threshold(cycles: usize) -> f64 {
    match cycles {
        0..=2 => 6.0,
        3 => 5.0,
        4 | 5 => 4.5,
        6 => 4.0,
        _ => 3.5,
    }
}

/// How each weekday usually differs from its week.
fn season_index(logs: &[Option<f64>]) -> Vec<f64> {
    let medians: Vec<Option<f64>> = logs.chunks(PERIOD).map(|week| median(&present(week))).collect();
    let offset = |day: usize| {
        let weeks = logs.chunks(PERIOD).zip(&medians);
        let offsets: Vec<f64> = weeks.filter_map(|(week, median)| Some(week[day]? - (*median)?)).collect();
        median(&offsets).unwrap_or_default()
    };
    (0..PERIOD).map(offset).collect()
}

fn present(values: &[Option<f64>]) -> Vec<f64> {
    values.iter().copied().flatten().collect()
}

/// The mean without the least and the greatest value.
fn trimmed_mean(values: &[Option<f64>]) -> Option<f64> {
    let mut sorted = present(values);
    sorted.sort_by(f64::total_cmp);
    let inner = if sorted.len() > 2 { &sorted[1..sorted.len() - 1] } else { &sorted[..] };
    (!inner.is_empty()).then(|| inner.iter().sum::<f64>() / inner.len() as f64)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weeks with a weekend at 40 % and a small deterministic ripple.
    fn history(days: usize) -> Vec<Option<f64>> {
        (0..days)
            .map(|day| {
                let weekend = if day % 7 >= 5 { 0.4 } else { 1.0 };
                Some(1_000.0 * weekend * (1.0 + 0.03 * f64::from((day * 37 % 11) as u32) / 11.0))
            })
            .collect()
    }

    #[test]
    fn weekdays_are_told_from_weekends() {
        let band = daily_band(&history(56), 0.05).unwrap();
        assert!(!band.breached_by(1_010.0), "{band:?}");
        assert!(band.breached_by(400.0) && band.breached_by(0.0) && band.breached_by(3_000.0));
        let saturday = daily_band(&history(61), 0.05).unwrap();
        assert!(!saturday.breached_by(405.0), "{saturday:?}");
        assert!(saturday.breached_by(1_000.0));
    }

    #[test]
    fn a_constant_history_still_sees_a_change_and_bears_those_below_the_floor() {
        let band = daily_band(&[Some(500.0); 56], 0.05).unwrap();
        assert!(band.breached_by(450.0));
        assert!(!band.breached_by(510.0));
        assert!(!daily_band(&[Some(500.0); 56], 0.2).unwrap().breached_by(450.0));
    }

    #[test]
    fn days_that_are_left_out_do_not_count() {
        let mut broken = history(56);
        broken[50..53].fill(Some(0.0));
        let misled = daily_band(&broken, 0.05).unwrap();
        broken[50..53].fill(None);
        let band = daily_band(&broken, 0.05).unwrap();
        assert!(misled.expected < 200.0, "{misled:?}");
        assert!(!band.breached_by(1_010.0) && band.breached_by(800.0), "{band:?}");
    }

    #[test]
    fn short_histories_say_nothing_or_do_not_page() {
        assert_eq!(daily_band(&history(13), 0.05), None);
        assert!(daily_band(&history(14), 0.05).unwrap().cycles < CYCLES_TO_PAGE);
    }
}
