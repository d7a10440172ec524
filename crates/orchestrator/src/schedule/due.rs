//! What of a schedule is due: a pure function of its declaration, of what was dealt with, and of how things stand.
//!
//! Invariant: what is told as due is dealt with in the [`Cursor`] that comes with it, so that a caller who keeps both in
//! one transaction runs nothing twice; and the cursor never goes back.

use std::collections::BTreeMap;

use baton_core::schedule::{CatchUp, Deadline, OnCommits, Schedule};
use baton_core::{AssetName, Fingerprint, Timestamp};
use chrono::TimeDelta;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::blackout::ends_at;
use super::cron::CronLine;

/// With `catch_up: none`, a tick counts as missed when it is older than this.
const ON_TIME: TimeDelta = TimeDelta::seconds(90);
/// Ticks that are told at once; the rest is due at once again.
const MOST: usize = 500;

/// What of a schedule was dealt with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// Cron ticks up to here; `None` before the schedule was first looked at, and while it is paused.
    pub through: Option<Timestamp>,
    /// Versions of the assets whose commits it waits for, as of its last run by commit.
    #[serde(default)]
    pub seen: BTreeMap<AssetName, String>,
    /// The version that a deadline waits to be followed, and since when.
    #[serde(default)]
    pub waiting: Option<(Option<String>, Timestamp)>,
    /// The listing of the files that it waits for.
    #[serde(default)]
    pub files: Option<String>,
}

/// How things stand.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The machine's clock.
    pub now: Timestamp,
    /// The versions of the environment's assets.
    pub versions: &'a BTreeMap<AssetName, String>,
    /// A digest of the files that the schedule waits for; `None` when nobody looked.
    pub files: Option<&'a str>,
}

/// What made a schedule run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A cron line.
    Cron,
    /// So much time passed.
    Every,
    /// New versions of assets.
    Commit,
    /// An asset had no new version in time.
    Freshness,
    /// Files came or changed.
    Files,
    /// A request over HTTP.
    Webhook,
    /// A hand.
    Manual,
}

impl Trigger {
    /// The word that users see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::Every => "every",
            Self::Commit => "commit",
            Self::Freshness => "freshness",
            Self::Files => "files",
            Self::Webhook => "webhook",
            Self::Manual => "manual",
        }
    }
}

/// A run that is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// What made it due.
    pub trigger: Trigger,
    /// Since when.
    pub at: Timestamp,
    /// What tells it from other ticks of the schedule.
    pub key: String,
}

/// What is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The runs, oldest first.
    pub ticks: Vec<Tick>,
    /// What is dealt with once they are.
    pub cursor: Cursor,
    /// When to look again although nothing happens; `None` when only an event can make it due.
    pub wake_at: Option<Timestamp>,
}

/// The cron lines of a schedule, understood: they are read once, and asked as often as the schedule is looked at.
#[derive(Debug, Clone)]
pub struct Timetable {
    zone: Tz,
    lines: Vec<CronLine>,
}

impl Timetable {
    /// That of a schedule. Lines and zone were checked when the project was read; what is none is left out.
    pub fn of(schedule: &Schedule) -> Self {
        let zone = schedule.triggers.timezone.parse().unwrap_or(Tz::UTC);
        Self { zone, lines: schedule.triggers.cron.iter().filter_map(|line| CronLine::parse(line, zone)).collect() }
    }
}

/// What of `schedule` is due; `times` is its timetable.
pub fn due(schedule: &Schedule, times: &Timetable, cursor: &Cursor, facts: &Facts<'_>) -> Due {
    if schedule.paused {
        // Nothing that passes meanwhile is caught up with.
        return Due { ticks: Vec::new(), cursor: Cursor::default(), wake_at: None };
    }
    if cursor.through.is_none() {
        let cursor = beginning(schedule, facts);
        let wake_at = wake_at(schedule, times, &cursor, facts);
        return Due { ticks: Vec::new(), cursor, wake_at };
    }
    if let Some(end) = ends_at(&schedule.blackouts, times.zone, facts.now) {
        return Due { ticks: Vec::new(), cursor: cursor.clone(), wake_at: Some(end) };
    }
    let mut cursor = cursor.clone();
    let after = cursor.through.unwrap_or(facts.now);
    let mut ticks = cron_ticks(schedule, times, &mut cursor, facts.now);
    let triggers = &schedule.triggers;
    ticks.extend(triggers.every.and_then(|every| every_tick(every, after, facts.now)));
    ticks.extend(triggers.commits.as_ref().and_then(|on| commit_tick(on, &mut cursor, facts)));
    ticks.extend(triggers.deadline.as_ref().and_then(|deadline| deadline_tick(deadline, &mut cursor, facts)));
    ticks.extend(triggers.files.as_ref().and_then(|_| files_tick(&mut cursor, facts)));
    let wake_at = wake_at(schedule, times, &cursor, facts);
    Due { ticks, cursor, wake_at }
}

/// A schedule that is new, or no longer paused: what is there already does not make it run.
fn beginning(schedule: &Schedule, facts: &Facts<'_>) -> Cursor {
    let triggers = &schedule.triggers;
    let version = |deadline: &Deadline| facts.versions.get(&deadline.asset).cloned();
    Cursor {
        through: Some(facts.now),
        seen: triggers.commits.as_ref().map(|on| versions_of(&on.assets, facts)).unwrap_or_default(),
        waiting: triggers.deadline.as_ref().map(|deadline| (version(deadline), facts.now)),
        files: facts.files.map(str::to_owned),
    }
}

fn versions_of(assets: &[AssetName], facts: &Facts<'_>) -> BTreeMap<AssetName, String> {
    assets.iter().filter_map(|asset| Some((asset.clone(), facts.versions.get(asset)?.clone()))).collect()
}

fn cron_ticks(schedule: &Schedule, times: &Timetable, cursor: &mut Cursor, now: Timestamp) -> Vec<Tick> {
    let after = cursor.through.unwrap_or(now);
    let is_open = |at: &Timestamp| ends_at(&schedule.blackouts, times.zone, *at).is_none();
    let mut through = now.max(after);
    let mut instants: Vec<Timestamp> = match schedule.catch_up {
        CatchUp::All => {
            let lines = times.lines.iter().flat_map(|line| line.between(after, now, MOST));
            let mut instants: Vec<Timestamp> = lines.collect();
            instants.sort();
            instants.dedup();
            instants.truncate(MOST);
            if let (MOST, Some(last)) = (instants.len(), instants.last()) {
                through = *last;
            }
            instants.retain(is_open);
            instants
        }
        CatchUp::Latest => {
            let newest = times.lines.iter().filter_map(|line| newest_open(line, after, now, is_open));
            newest.max().into_iter().collect()
        }
        CatchUp::None => {
            let newest = times.lines.iter().filter_map(|line| line.newest(after, now));
            newest.max().into_iter().filter(|at| now - at <= ON_TIME && is_open(at)).collect()
        }
    };
    cursor.through = Some(through);
    instants.sort();
    let tick = |at: Timestamp| Tick { trigger: Trigger::Cron, at, key: format!("cron {}", at.timestamp()) };
    instants.into_iter().map(tick).collect()
}

/// The newest of the instants that lie `every` so many seconds; what passed before it is not caught up with.
fn every_tick(every: i64, after: Timestamp, now: Timestamp) -> Option<Tick> {
    let at = Timestamp::from_timestamp(now.timestamp().div_euclid(every.max(1)) * every.max(1), 0)?;
    (at > after).then(|| Tick { trigger: Trigger::Every, at, key: format!("every {}", at.timestamp()) })
}

/// The next of them.
fn next_of(every: i64, after: Timestamp) -> Option<Timestamp> {
    Timestamp::from_timestamp((after.timestamp().div_euclid(every.max(1)) + 1) * every.max(1), 0)
}

/// The newest instant of a line that lies in no blackout.
fn newest_open(
    line: &CronLine,
    after: Timestamp,
    now: Timestamp,
    is_open: impl Fn(&Timestamp) -> bool,
) -> Option<Timestamp> {
    let newest = line.newest(after, now)?;
    if is_open(&newest) {
        return Some(newest);
    }
    // A blackout is short beside what was missed: a year back is as far as it is worth to look.
    let start = after.max(now - TimeDelta::days(366));
    line.between(start, now, usize::MAX).into_iter().rev().find(is_open)
}

fn commit_tick(on: &OnCommits, cursor: &mut Cursor, facts: &Facts<'_>) -> Option<Tick> {
    let now = versions_of(&on.assets, facts);
    let is_new = |asset: &AssetName| now.get(asset).is_some_and(|version| cursor.seen.get(asset) != Some(version));
    let is_due = if on.all { on.assets.iter().all(is_new) } else { on.assets.iter().any(is_new) };
    if !is_due {
        return None;
    }
    let digest = Fingerprint::of(now.iter().flat_map(|(asset, version)| [asset.as_str(), version.as_str()]));
    cursor.seen = now;
    Some(Tick {
        trigger: Trigger::Commit,
        at: facts.now,
        key: format!("commit {} {}", digest.short(), facts.now.timestamp_micros()),
    })
}

fn deadline_tick(deadline: &Deadline, cursor: &mut Cursor, facts: &Facts<'_>) -> Option<Tick> {
    let version = facts.versions.get(&deadline.asset).cloned();
    let since = match &cursor.waiting {
        Some((seen, since)) if *seen == version => *since,
        _ => facts.now,
    };
    let ends = since + TimeDelta::seconds(deadline.within);
    if facts.now < ends {
        cursor.waiting = Some((version, since));
        return None;
    }
    cursor.waiting = Some((version, facts.now));
    Some(Tick { trigger: Trigger::Freshness, at: ends, key: format!("freshness {}", ends.timestamp_micros()) })
}

fn files_tick(cursor: &mut Cursor, facts: &Facts<'_>) -> Option<Tick> {
    let listing = facts.files?;
    let before = cursor.files.replace(listing.to_owned());
    let is_new = before.is_some_and(|before| before != listing);
    let key = format!("files {listing} {}", facts.now.timestamp_micros());
    is_new.then_some(Tick { trigger: Trigger::Files, at: facts.now, key })
}

fn wake_at(schedule: &Schedule, times: &Timetable, cursor: &Cursor, facts: &Facts<'_>) -> Option<Timestamp> {
    let after = cursor.through.unwrap_or(facts.now);
    let ticks = times.lines.iter().filter_map(|line| line.next(after));
    let deadline = schedule.triggers.deadline.as_ref().zip(cursor.waiting.as_ref());
    let deadline = deadline.map(|(deadline, (_, since))| *since + TimeDelta::seconds(deadline.within));
    let every = schedule.triggers.every.and_then(|every| next_of(every, after));
    ticks.chain(deadline).chain(every).min()
}

#[cfg(test)]
mod tests;
