//! Reader of schedules: the section `schedules`.

use std::str::FromStr as _;

use baton_core::asset::Origin;
use baton_core::schedule::{Blackout, CatchUp, Deadline, OnCommits, Schedule, Triggers};
use baton_core::time::parse_instant;
use baton_core::{AssetName, Kind};
use baton_diagnostics::{Diagnostic, codes, nearest};
use chrono::TimeZone as _;
use chrono_tz::Tz;

use crate::keys;
use crate::reader::{Reader, join_words};
use crate::report::{Place, Report};
use crate::spec::{execution, open_named};
use crate::yaml::{Node, Span};

/// A schedule as found in a file, with the places at which it names channels.
#[derive(Debug)]
pub(crate) struct FoundSchedule {
    pub(crate) schedule: Schedule,
    pub(crate) channels: Vec<(String, Place)>,
}

/// Reads an entry of `schedules`; `None` when it has no name.
pub(super) fn read(report: &Report, node: &Node) -> Option<FoundSchedule> {
    let (reader, name) = open_named(report, node, "schedule", keys::SCHEDULE);
    let reader = reader?;
    let timezone = read_timezone(&reader);
    let triggers = Triggers {
        cron: reader.crons("cron"),
        every: reader.positive_seconds("every"),
        timezone: timezone.name().to_owned(),
        commits: reader.object("on", keys::ON_COMMIT).and_then(|on| read_commits(&reader, &on)),
        deadline: reader.object("freshness", keys::DEADLINE).and_then(|deadline| read_deadline(&reader, &deadline)),
        files: reader.text("files"),
    };
    let place = report.place(reader.at());
    let named = |node: &Node| Some((reader.as_text("notify", node)?, report.place(node.span)));
    let channels: Vec<(String, Place)> = reader.items("notify").iter().filter_map(named).collect();
    let execution = execution::read(&reader);
    let schedule = Schedule {
        owner: reader.text("owner"),
        description: reader.text("description"),
        environments: reader.texts("environments"),
        select: reader.texts("select"),
        exclude: reader.texts("exclude"),
        triggers,
        catch_up: read_catch_up(&reader),
        blackouts: read_blackouts(&reader, timezone),
        paused: reader.flag("paused").unwrap_or(false),
        priority: execution.priority.unwrap_or(0),
        execution,
        notify: channels.iter().map(|(name, _)| name.clone()).collect(),
        late_after: reader.positive_seconds("late_after"),
        approval: execution::read_approval(&reader, "approval"),
        origin: Origin { file: place.file, line: place.span.line, column: place.span.column },
        name: name?,
    };
    Some(FoundSchedule { schedule, channels })
}

fn read_timezone(reader: &Reader<'_>) -> Tz {
    let Some(node) = reader.get("timezone") else { return Tz::UTC };
    let Some(text) = reader.as_text("timezone", node) else { return Tz::UTC };
    Tz::from_str(&text).unwrap_or_else(|_| {
        let known = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let diagnostic = Diagnostic::error(
            codes::INVALID_TIMEZONE,
            format!("{} is `{text}`, which is no time zone", reader.of("timezone")),
        )
        .with_label(reader.report.place(node.span).label(""))
        .with_help("write a name of the IANA time zone database, such as `Europe/Zurich` or `UTC`")
        .with_nearest(nearest(&text, known));
        reader.report.push(diagnostic);
        Tz::UTC
    })
}

fn read_commits(schedule: &Reader<'_>, on: &Reader<'_>) -> Option<OnCommits> {
    let nodes = on.need_items("commit").iter();
    let assets: Vec<AssetName> = nodes.filter_map(|node| refer(schedule, on, "commit", node)).collect();
    let all = on.word("match", keys::MATCHES) == Some("all");
    (!assets.is_empty()).then_some(OnCommits { assets, all })
}

fn read_deadline(schedule: &Reader<'_>, deadline: &Reader<'_>) -> Option<Deadline> {
    let asset = deadline.need("asset").and_then(|node| refer(schedule, deadline, "asset", node));
    deadline.need("within");
    Some(Deadline { within: deadline.positive_seconds("within")?, asset: asset? })
}

fn refer(schedule: &Reader<'_>, object: &Reader<'_>, key: &str, node: &Node) -> Option<AssetName> {
    let text = object.as_text(key, node)?;
    schedule.refer(&text, node.span, "waits for", &Kind::ALL)
}

fn read_catch_up(reader: &Reader<'_>) -> CatchUp {
    match reader.word("catch_up", keys::CATCH_UPS) {
        Some("all") => CatchUp::All,
        Some("none") => CatchUp::None,
        _ => CatchUp::Latest,
    }
}

fn read_blackouts(reader: &Reader<'_>, timezone: Tz) -> Vec<Blackout> {
    let open = |node| {
        let blackout = Reader::open(reader.report, &reader.of("blackouts"), reader.at(), node, keys::BLACKOUT)?;
        read_blackout(&blackout, timezone)
    };
    reader.items("blackouts").iter().filter_map(open).collect()
}

fn read_blackout(reader: &Reader<'_>, timezone: Tz) -> Option<Blackout> {
    let (from, until) = (read_end(reader, "from", timezone), read_end(reader, "until", timezone));
    let weekdays = reader.words("days", keys::WEEKDAYS).into_iter();
    let number = |word| keys::WEEKDAYS.iter().position(|day| *day == word).and_then(|day| u8::try_from(day).ok());
    let weekdays: Vec<u8> = weekdays.filter_map(number).collect();
    let (from, from_span) = from?;
    let (until, until_span) = until?;
    let wrong = |span: Span, message: &str, label: &str| {
        let message = format!("`{}` of {} {message}", if span == from_span { "from" } else { "until" }, reader.what());
        reader.report.error(codes::INVALID_VALUE, message, span, label);
        None
    };
    match (from, until) {
        (End::Minute(from), End::Minute(until)) if from == until => {
            wrong(until_span, "is the same time of day as `from`", "expected another time")
        }
        (End::Minute(from), End::Minute(until)) => Some(Blackout::Daily { from, until, weekdays }),
        (End::Instant(from), End::Instant(until)) if until <= from => {
            wrong(until_span, "is not later than `from`", "expected a later instant")
        }
        (End::Instant(from), End::Instant(until)) if weekdays.is_empty() => Some(Blackout::Between { from, until }),
        (End::Instant(_), End::Instant(_)) => wrong(from_span, "is an instant, and `days` goes with times of day", ""),
        _ => wrong(until_span, "is not of the form of `from`", "expected two times of day, or two instants"),
    }
}

enum End {
    /// Minutes since midnight.
    Minute(u16),
    /// Microseconds since the epoch.
    Instant(i64),
}

fn read_end(reader: &Reader<'_>, key: &str, timezone: Tz) -> Option<(End, Span)> {
    let node = reader.need(key)?;
    let text = reader.as_text(key, node)?;
    let end = minute_of_day(&text).map(End::Minute).or_else(|| instant_in(&text, timezone).map(End::Instant));
    if end.is_none() {
        let message = format!("{} is `{text}`, which is neither a time of day nor an instant", reader.of(key));
        reader.report.error(codes::INVALID_VALUE, message, node.span, "expected for example 22:00 or 2026-12-24");
    }
    end.map(|end| (end, node.span))
}

fn minute_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, most: u16| text.parse::<u16>().ok().filter(|number| text.len() == 2 && *number <= most);
    match (number(hours, 24)?, number(minutes, 59)?) {
        (24, minutes) if minutes > 0 => None,
        (hours, minutes) => Some(hours % 24 * 60 + minutes),
    }
}

/// An instant without an offset is local time of the schedule's zone.
fn instant_in(text: &str, timezone: Tz) -> Option<i64> {
    let instant = parse_instant(text)?;
    let has_offset = chrono::DateTime::parse_from_rfc3339(text).is_ok();
    let local = timezone.from_local_datetime(&instant.naive_utc()).earliest();
    let instant = if has_offset { Some(instant) } else { local.map(|local| local.to_utc()) };
    instant.map(|instant| instant.timestamp_micros())
}

/// Reports schedules of one name, and channels that no file declares.
pub(crate) fn report_wrong(found: &[FoundSchedule], channels: &[&str], diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: std::collections::BTreeMap<&str, &Origin> = Default::default();
    for FoundSchedule { schedule, channels: named } in found {
        match seen.get(schedule.name.as_str()) {
            Some(first) => diagnostics.push(super::declared_twice("schedule", &schedule.name, first, &schedule.origin)),
            None => {
                seen.insert(&schedule.name, &schedule.origin);
            }
        }
        for (name, place) in named.iter().filter(|(name, _)| !channels.contains(&name.as_str())) {
            let message = format!("schedule `{}` notifies `{name}`, which does not exist", schedule.name);
            let mut diagnostic = Diagnostic::error(codes::UNKNOWN_REFERENCE, message)
                .with_label(place.label("no channel of this name"))
                .with_nearest(nearest(name, channels.iter().copied()));
            if !channels.is_empty() {
                diagnostic = diagnostic.with_detail(format!("Channels are {}.", join_words(channels)));
            }
            diagnostics.push(diagnostic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_minutes() {
        assert_eq!(
            [minute_of_day("00:00"), minute_of_day("22:30"), minute_of_day("24:00")],
            [Some(0), Some(1350), Some(0)]
        );
        for bad in ["", "22", "7:30", "24:01", "12:60", "-1:00", "12:00:00"] {
            assert_eq!(minute_of_day(bad), None, "{bad}");
        }
    }

    #[test]
    fn instants_are_local_unless_they_say_otherwise() {
        let zurich = Tz::Europe__Zurich;
        let micros = |text: &str| parse_instant(text).map(|instant| instant.timestamp_micros());
        assert_eq!(instant_in("2026-07-01T12:00", zurich), micros("2026-07-01T10:00"));
        assert_eq!(instant_in("2026-01-01", zurich), micros("2025-12-31T23:00"));
        assert_eq!(instant_in("2026-07-01T12:00:00Z", zurich), micros("2026-07-01T12:00"));
        assert_eq!(instant_in("tomorrow", zurich), None);
    }
}
