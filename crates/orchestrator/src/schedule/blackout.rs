//! Blackouts: whether an instant lies in one, and when it ends. Pure.

use baton_core::Timestamp;
use baton_core::schedule::Blackout;
use baton_core::time::timestamp_from_micros;
use chrono::{Datelike as _, NaiveDate, TimeDelta};
use chrono_tz::Tz;

use super::cron::instant_of;

const DAY: u16 = 24 * 60;

/// When the blackouts that hold at `now` end; `None` when none does.
pub(super) fn ends_at(blackouts: &[Blackout], zone: Tz, now: Timestamp) -> Option<Timestamp> {
    blackouts.iter().filter_map(|blackout| end_of(blackout, zone, now)).max()
}

fn end_of(blackout: &Blackout, zone: Tz, now: Timestamp) -> Option<Timestamp> {
    match blackout {
        Blackout::Between { from, until } => {
            (*from..*until).contains(&now.timestamp_micros()).then(|| timestamp_from_micros(*until))
        }
        Blackout::Daily { from, until, weekdays } => {
            let today = now.with_timezone(&zone).date_naive();
            let begins = [today, today - TimeDelta::days(1)];
            begins.into_iter().find_map(|day| {
                let weekday = u8::try_from(day.weekday().num_days_from_monday()).unwrap_or(u8::MAX);
                let is_meant = weekdays.is_empty() || weekdays.contains(&weekday);
                let length = if until > from { 0 } else { DAY };
                let start = minute_of(day, *from, zone)?;
                let end = minute_of(day, until + length, zone)?;
                (is_meant && (start..end).contains(&now)).then_some(end)
            })
        }
    }
}

fn minute_of(day: NaiveDate, minute: u16, zone: Tz) -> Option<Timestamp> {
    let wall = day.and_hms_opt(0, 0, 0)? + TimeDelta::minutes(i64::from(minute));
    instant_of(wall, zone)
}

#[cfg(test)]
mod tests {
    use baton_core::time::parse_instant;

    use super::*;

    #[test]
    fn blackouts_hold_from_their_first_instant_to_their_end() {
        let at = |text: &str| parse_instant(text).unwrap();
        let zurich: Tz = "Europe/Zurich".parse().unwrap();
        let nights = Blackout::Daily { from: 22 * 60, until: 6 * 60, weekdays: vec![4] };
        let micros = |text: &str| at(text).timestamp_micros();
        let holidays = Blackout::Between { from: micros("2026-12-24"), until: micros("2026-12-27") };
        let all = [nights, holidays];
        // The night from Friday to Saturday, by the clock of Zurich.
        for (now, end) in [
            ("2026-07-03T19:59:59Z", None),
            ("2026-07-03T20:00:00Z", Some("2026-07-04T04:00:00Z")),
            ("2026-07-04T03:59:59Z", Some("2026-07-04T04:00:00Z")),
            ("2026-07-04T04:00:00Z", None),
            ("2026-07-04T21:00:00Z", None),
            ("2026-12-24T00:00:00Z", Some("2026-12-27T00:00:00Z")),
            // Christmas is a Friday: the night in it ends earlier.
            ("2026-12-25T22:00:00Z", Some("2026-12-27T00:00:00Z")),
            ("2026-12-27T00:00:00Z", None),
        ] {
            assert_eq!(ends_at(&all, zurich, at(now)), end.map(at), "{now}");
        }
        // The night in which clocks are turned forward has seven hours, and ends by the clock.
        let sunday = Blackout::Daily { from: 22 * 60, until: 6 * 60, weekdays: vec![] };
        assert_eq!(ends_at(&[sunday], zurich, at("2026-03-28T21:30:00Z")), Some(at("2026-03-29T04:00:00Z")));
    }
}
