//! Cron lines in time zones: which instants they mean, where clocks are turned included. Pure.
//!
//! A line with a given hour (`30 2 * * *`, `0 2,14 * * *`) means times of day: one that is left out when clocks are turned
//! forward comes at the first instant after the gap, one that comes twice when they are turned back is taken once, the
//! first time. A line whose hour begins with `*` means a distance in time: it goes on through both.

use std::str::FromStr as _;

use baton_core::Timestamp;
use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone as _, Timelike as _};
use chrono_tz::Tz;
use croner::Cron;

/// No zone turns its clocks by more than this.
const LONGEST_TURN: TimeDelta = TimeDelta::hours(26);

/// A cron line that was understood, in its zone.
#[derive(Debug, Clone)]
pub(crate) struct CronLine {
    cron: Cron,
    zone: Tz,
    means_times_of_day: bool,
}

impl CronLine {
    /// Reads a line with five fields; `None` for what is none. The project's reader has said why.
    pub(crate) fn parse(line: &str, zone: Tz) -> Option<Self> {
        let hour = line.split_whitespace().nth(1)?;
        Some(Self { cron: Cron::from_str(line).ok()?, zone, means_times_of_day: !hour.starts_with('*') })
    }

    /// The first instant after `after`; `None` when there is none.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let local = after.with_timezone(&self.zone);
        if !self.means_times_of_day {
            return self.cron.find_next_occurrence(&local, false).ok().map(|found| found.to_utc());
        }
        // The wall clock, read as if it were UTC, knows no turns.
        let mut wall = (local.naive_local() - LONGEST_TURN).and_utc();
        loop {
            wall = self.cron.find_next_occurrence(&wall, false).ok()?;
            let instant = instant_of(wall.naive_utc(), self.zone)?;
            if instant > after {
                return Some(instant);
            }
        }
    }

    /// The instants after `after` up to and with `until`, at most `most`.
    pub(crate) fn between(&self, after: Timestamp, until: Timestamp, most: usize) -> Vec<Timestamp> {
        let following = std::iter::successors(self.next(after), |last| self.next(*last));
        following.take_while(|instant| *instant <= until).take(most).collect()
    }

    /// The newest instant after `after` up to and with `until`, without going through all of them.
    pub(crate) fn newest(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let windows = [TimeDelta::hours(1), TimeDelta::days(1), TimeDelta::days(32), TimeDelta::days(366)];
        let starts = windows.into_iter().map(|window| (until - window).max(after)).chain([after]);
        starts.into_iter().find_map(|start| self.between(start, until, usize::MAX).pop())
    }
}

/// The instant that a wall clock shows `wall` at: the first where it shows it twice, the first after it where it never does.
pub(crate) fn instant_of(wall: NaiveDateTime, zone: Tz) -> Option<Timestamp> {
    if let Some(found) = found(zone.from_local_datetime(&wall)) {
        return Some(found);
    }
    let minute = wall.with_second(0)?.with_nanosecond(0)?;
    let later = (1..=LONGEST_TURN.num_minutes()).map(|minutes| minute + TimeDelta::minutes(minutes));
    later.into_iter().find_map(|later| found(zone.from_local_datetime(&later)))
}

fn found(result: LocalResult<DateTime<Tz>>) -> Option<Timestamp> {
    result.earliest().map(|found| found.to_utc())
}

#[cfg(test)]
mod tests {
    use baton_core::time::parse_instant;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        parse_instant(text).unwrap()
    }

    /// Rows of a zone, a stretch of UTC and a cron line, `|` between them: each with every instant in the stretch, in UTC and
    /// by the clock on the wall.
    fn check(rows: &str, expected: Expect) {
        let mut told = String::new();
        for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
            let [zone, from, until, line]: [&str; 4] =
                row.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap();
            let zone: Tz = zone.parse().unwrap();
            let cron = CronLine::parse(line, zone).unwrap();
            told.push_str(&format!("{line}\n"));
            for tick in cron.between(at(from), at(until), 100) {
                let wall = tick.with_timezone(&zone).format("%a %H:%M %Z");
                told.push_str(&format!("{}  {wall}\n", tick.format("  %m-%d %H:%MZ")));
            }
        }
        expected.assert_eq(&told);
    }

    // Zurich turns its clocks on 2026-03-29 at 02:00 CET to 03:00 CEST, and on 2026-10-25 at 03:00 CEST to 02:00 CET.

    #[test]
    fn a_time_of_day_that_is_left_out_comes_right_after_the_gap() {
        check(
            "
            Europe/Zurich | 2026-03-28 | 2026-03-31 | 30 2 * * *
            Europe/Zurich | 2026-03-28 | 2026-03-30 | 0,30 1-3 29 3 *",
            expect![[r#"
                30 2 * * *
                  03-28 01:30Z  Sat 02:30 CET
                  03-29 01:00Z  Sun 03:00 CEST
                  03-30 00:30Z  Mon 02:30 CEST
                0,30 1-3 29 3 *
                  03-29 00:00Z  Sun 01:00 CET
                  03-29 00:30Z  Sun 01:30 CET
                  03-29 01:00Z  Sun 03:00 CEST
                  03-29 01:30Z  Sun 03:30 CEST
            "#]],
        );
    }

    #[test]
    fn a_time_of_day_that_comes_twice_is_taken_once() {
        check(
            "
            Europe/Zurich | 2026-10-24 | 2026-10-27 | 30 2 * * *
            Europe/Zurich | 2026-10-24 | 2026-10-27 | 0 1,2,3 25 10 *",
            expect![[r#"
                30 2 * * *
                  10-24 00:30Z  Sat 02:30 CEST
                  10-25 00:30Z  Sun 02:30 CEST
                  10-26 01:30Z  Mon 02:30 CET
                0 1,2,3 25 10 *
                  10-24 23:00Z  Sun 01:00 CEST
                  10-25 00:00Z  Sun 02:00 CEST
                  10-25 02:00Z  Sun 03:00 CET
            "#]],
        );
    }

    #[test]
    fn a_distance_in_time_goes_on_through_both() {
        check(
            "
            Europe/Zurich | 2026-03-29T00:00 | 2026-03-29T03:00 | 0 * * * *
            Europe/Zurich | 2026-10-24T23:30 | 2026-10-25T02:30 | 0 * * * *",
            expect![[r#"
                0 * * * *
                  03-29 01:00Z  Sun 03:00 CEST
                  03-29 02:00Z  Sun 04:00 CEST
                  03-29 03:00Z  Sun 05:00 CEST
                0 * * * *
                  10-25 00:00Z  Sun 02:00 CEST
                  10-25 01:00Z  Sun 02:00 CET
                  10-25 02:00Z  Sun 03:00 CET
            "#]],
        );
    }

    #[test]
    fn zones_with_odd_turns_keep_their_days() {
        // Lord Howe turns by half an hour, and Samoa left 2011-12-30 out.
        check(
            "
            Australia/Lord_Howe | 2026-10-01 | 2026-10-10 | 15 2 4 10 *
            Pacific/Apia        | 2011-12-28 | 2012-01-01 | 0 9 * * *
            UTC                 | 2024-03-01 | 2030-01-01 | 0 12 29 2 *",
            expect![[r#"
                15 2 4 10 *
                  10-03 15:30Z  Sun 02:30 +11
                0 9 * * *
                  12-28 19:00Z  Wed 09:00 -10
                  12-29 19:00Z  Thu 09:00 -10
                  12-30 10:00Z  Sat 00:00 +14
                  12-30 19:00Z  Sat 09:00 +14
                  12-31 19:00Z  Sun 09:00 +14
                0 12 29 2 *
                  02-29 12:00Z  Tue 12:00 UTC
            "#]],
        );
    }

    #[test]
    fn the_newest_is_found_over_years_without_going_through_them() {
        let zurich: Tz = "Europe/Zurich".parse().unwrap();
        let every_minute = CronLine::parse("* * * * *", zurich).unwrap();
        assert_eq!(every_minute.newest(at("1996-01-01"), at("2026-01-01T00:00:30")), Some(at("2026-01-01")));
        let leap_days = CronLine::parse("0 0 29 2 *", Tz::UTC).unwrap();
        assert_eq!(leap_days.newest(at("1996-01-01"), at("2026-01-01")), Some(at("2024-02-29")));
        assert_eq!(leap_days.newest(at("2024-02-29"), at("2026-01-01")), None);
    }

    const ZONES: [&str; 6] =
        ["UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/St_Johns"];
    const LINES: [&str; 7] =
        ["30 2 * * *", "*/20 * * * *", "0 */3 * * *", "15 1,2,3 * * 0", "0 0 1 * *", "59 23 * * 1-5", "0 2-4 * * *"];

    proptest! {
        /// However a stretch of time is cut into pieces, it has the same instants, each once, in order.
        #[test]
        fn pieces_have_the_instants_of_the_whole(
            line in 0..LINES.len(), zone in 0..ZONES.len(), start in 0_i64..400 * 24 * 60, cuts in prop::collection::vec(1_i64..3_000, 1..12),
        ) {
            let cron = CronLine::parse(LINES[line], ZONES[zone].parse().unwrap()).unwrap();
            let first = at("2025-12-01") + TimeDelta::minutes(start);
            let mut from = first;
            let mut pieces = Vec::new();
            for cut in cuts {
                let until = from + TimeDelta::minutes(cut);
                let ticks = cron.between(from, until, usize::MAX);
                prop_assert_eq!(cron.newest(from, until), ticks.last().copied());
                pieces.extend(ticks);
                from = until;
            }
            prop_assert!(pieces.is_sorted_by(|first, second| first < second));
            prop_assert_eq!(cron.between(first, from, usize::MAX), pieces);
        }
    }
}
