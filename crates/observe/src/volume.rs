//! Volume: is the newest day's number of rows usual?
//!
//! Every day is held against the [`Band`] of the days before it. Days that lay outside take no further part, so that an
//! outage does not teach the band that nothing is normal, until they prove to be the new normal: five days in a row to the
//! same side, or the same weekday a week apart.

use crate::band::{Band, CYCLES_TO_PAGE, daily_band};

/// Days of history that a judgement can use: eight cycles for the newest day's band, and as many for those in it.
pub const HISTORY_DAYS: usize = 112;
/// Rows a day differ by less than this share without a word. Schedules change and holidays come: with the 5 % of the
/// contract, a year of flights alarms every tenth day; with 20 %, on its public holidays alone.
pub const FLOOR: f64 = 0.2;
/// Fewer expected rows a day say nothing.
const LEAST_EXPECTED: f64 = 10.0;
/// So many days in a row to one side are a new level.
const NEW_LEVEL: usize = 5;
const WEEK: usize = 7;

/// On which side of its band a day lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Far fewer rows than expected.
    Below,
    /// Far more.
    Above,
}

/// What is to be said of the newest day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// Its rows.
    pub rows: f64,
    /// What was expected of it.
    pub band: Band,
    /// Where it lies, if outside.
    pub side: Option<Side>,
}

impl Judgement {
    /// Whether somebody should hear of it: it is outside, and the history is long enough to say so.
    pub fn pages(&self) -> bool {
        self.side.is_some() && self.band.cycles >= CYCLES_TO_PAGE && self.band.expected >= LEAST_EXPECTED
    }
}

/// Judges the last of `counts` (rows a day, oldest first); `None` while there is too little history for a band.
pub fn judge_newest(counts: &[f64]) -> Option<Judgement> {
    let mut sides: Vec<Option<Side>> = Vec::with_capacity(counts.len());
    let mut newest = None;
    for (day, rows) in counts.iter().enumerate() {
        let history: Vec<Option<f64>> =
            (0..day).map(|earlier| (!is_left_out(&sides, earlier)).then_some(counts[earlier])).collect();
        let band = daily_band(&history, FLOOR);
        let side = band.and_then(|band| side_of(&band, *rows));
        newest = band.map(|band| Judgement { rows: *rows, band, side });
        sides.push(side);
    }
    newest
}

fn side_of(band: &Band, rows: f64) -> Option<Side> {
    match band.breached_by(rows) {
        false => None,
        true if rows < band.low => Some(Side::Below),
        true => Some(Side::Above),
    }
}

/// Whether a day lay outside and has not proved to be the new normal.
fn is_left_out(sides: &[Option<Side>], day: usize) -> bool {
    let Some(side) = sides[day] else { return false };
    let is_same = |other: usize| sides.get(other) == Some(&Some(side));
    let first = day.saturating_sub(NEW_LEVEL - 1);
    let in_a_row = (first..=day).any(|start| (start..start + NEW_LEVEL).all(is_same));
    let a_week_apart = day.checked_sub(WEEK).is_some_and(is_same) || is_same(day + WEEK);
    !in_a_row && !a_week_apart
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weeks with a weekend at 40 % and a ripple of 3 %.
    fn usual(day: usize) -> f64 {
        let weekend = if day % 7 >= 5 { 0.4 } else { 1.0 };
        1_000.0 * weekend * (1.0 + 0.03 * f64::from((day * 37 % 11) as u32) / 11.0)
    }

    fn days(count: usize) -> Vec<f64> {
        (0..count).map(usual).collect()
    }

    /// Days from `from` on of which somebody hears.
    fn paged(counts: &[f64], from: usize) -> Vec<usize> {
        let pages = |day: &usize| judge_newest(&counts[..=*day]).is_some_and(|found| found.pages());
        (from..counts.len()).filter(pages).collect()
    }

    #[test]
    fn usual_days_are_quiet() {
        assert_eq!(paged(&days(112), 0), Vec::<usize>::new());
    }

    #[test]
    fn an_outage_is_named_day_by_day_and_the_days_after_it_are_not() {
        let mut counts = days(80);
        counts[70..73].fill(0.0);
        assert_eq!(paged(&counts, 0), [70, 71, 72]);
        let found = judge_newest(&counts[..=70]).unwrap();
        assert_eq!(found.side, Some(Side::Below));
        assert!((found.band.expected - usual(70)).abs() < 60.0, "{found:?}");
    }

    #[test]
    fn a_new_level_is_named_for_a_week_and_then_usual() {
        let mut counts = days(112);
        counts[70..].iter_mut().for_each(|rows| *rows *= 2.0);
        let named = paged(&counts, 0);
        assert!(named.starts_with(&[70, 71, 72, 73, 74]), "{named:?}");
        assert!(named.iter().all(|day| *day < 84), "{named:?}");
    }

    #[test]
    fn young_histories_and_few_rows_do_not_page() {
        let mut counts = days(22);
        counts[21] = 0.0;
        assert_eq!(judge_newest(&counts).unwrap().side, Some(Side::Below));
        assert_eq!(paged(&counts, 0), Vec::<usize>::new());
        let mut few: Vec<f64> = vec![4.0; 60];
        few[59] = 0.0;
        assert_eq!(paged(&few, 0), Vec::<usize>::new());
    }
}
