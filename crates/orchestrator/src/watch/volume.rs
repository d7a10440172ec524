//! Volume: rows a day of every source and table that has a time, held against what is usual.
//!
//! The day that is judged is the newest by whose end, as a rule, all of its rows are known, and the days before it are
//! counted as they were known at the same age: a flight that lands after midnight is missing from no day.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use baton_core::check::Severity;
use baton_core::incident::Signal;
use baton_core::time::timestamp_from_micros;
use baton_core::{AssetName, Definition, TableVersion, Timestamp};
use baton_engine::AVAILABLE_AT;
use baton_observe::volume::{HISTORY_DAYS, Judgement, Side, judge_newest};
use serde::{Deserialize, Serialize};

use crate::checks::quoted;
use crate::error::RunError;
use crate::execution::Execution;
use crate::sessions::session_of;

const DAY: i64 = 86_400_000_000;
/// Rows may become known so many days after their own; more is not waited for.
const MOST_LATE: usize = 3;
/// A day is complete when this share of its rows is known, in a usual week.
const COMPLETE: f64 = 0.99;

/// Rows of a day that were known 0, 1, … days after its end.
type Known = [f64; MOST_LATE + 1];

/// Counts of assets, kept over the ticks of a replay, so that a tick counts the newest days alone.
#[derive(Debug, Default)]
pub(crate) struct VolumeCache(Mutex<BTreeMap<AssetName, Counted>>);

/// Rows by day as they were counted the last time.
#[derive(Debug)]
struct Counted {
    version: TableVersion,
    /// How far into its day the clock was, in microseconds: ages are counted from there.
    since_midnight: i64,
    /// The day of the clock.
    until: i64,
    days: BTreeMap<i64, Known>,
}

impl VolumeCache {
    fn take(&self, name: &AssetName) -> Option<Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    fn keep(&self, name: &AssetName, counted: Counted) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), counted);
    }
}

/// The evidence of a volume alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct VolumeBreach {
    /// The day, as `2013-11-29`.
    pub(crate) day: String,
    /// Its rows.
    pub(crate) rows: f64,
    /// Rows that were expected.
    pub(crate) expected: f64,
    /// Least usual number of rows.
    pub(crate) low: f64,
    /// Greatest usual number of rows.
    pub(crate) high: f64,
    /// Weeks of history behind the band.
    pub(crate) weeks: usize,
}

impl Execution<'_> {
    /// Judges the newest complete day of everything that has a time, once a day of the clock; `late` are assets whose
    /// lateness is said already.
    pub(super) async fn check_volume(&mut self, late: &BTreeSet<AssetName>) -> Result<(), RunError> {
        if self.base.as_ref().is_some_and(|commit| day_of(commit.as_of) == day_of(self.as_of)) {
            return Ok(());
        }
        let prepared = self.prepared;
        for name in &prepared.desired.order {
            let time = prepared.project.assets.get(name).and_then(|asset| time_of(&asset.definition));
            let Some(time) = time.filter(|_| !late.contains(name) && !self.failed.contains(name)) else { continue };
            if let Some((day, found)) = self.judge_volume(name, time).await?.filter(|(_, found)| found.pages()) {
                self.raise_volume(name, day, &found);
            }
        }
        Ok(())
    }

    async fn judge_volume(&self, name: &AssetName, time: &str) -> Result<Option<(i64, Judgement)>, RunError> {
        if !self.working.get(name).is_some_and(|pin| pin.version.is_readable()) {
            return Ok(None);
        }
        let days = self.rows_by_day(name, time).await?;
        let newest = day_of(self.as_of) - 1;
        // The first day of all began before there was anything to count it.
        let Some(first) = days.keys().next().map(|day| day + 1) else { return Ok(None) };
        let age = usual_age(days.range(first..).map(|(_, known)| known));
        let judged = newest - age as i64;
        let counts: Vec<f64> = (first..=judged).map(|day| days.get(&day).map_or(0.0, |known| known[age])).collect();
        Ok(judge_newest(&counts).map(|found| (judged, found)))
    }

    /// Rows by day of `time`, counted at the ages up to [`MOST_LATE`].
    async fn rows_by_day(&self, name: &AssetName, time: &str) -> Result<BTreeMap<i64, Known>, RunError> {
        let until = day_of(self.as_of);
        let oldest = until - (HISTORY_DAYS + MOST_LATE + 2) as i64;
        let since_midnight = self.as_of.timestamp_micros() - until * DAY;
        let version = self.working.get(name).and_then(|pin| pin.version.table()).cloned();
        let kept = self.prepared.volumes.take(name).filter(|kept| kept.since_midnight == since_midnight);
        let (from, mut days) = match (kept, &version) {
            (Some(kept), Some(version)) => (self.unsettled_from(&kept, version, time).await?.max(oldest), kept.days),
            _ => (oldest, BTreeMap::new()),
        };
        let day = format!(
            "arrow_cast(arrow_cast({}, 'Timestamp(Microsecond, Some(\"UTC\"))'), 'Int64') / {DAY}",
            quoted(time)
        );
        let known = format!("arrow_cast({AVAILABLE_AT}, 'Int64')");
        let counts: Vec<String> = (0..=MOST_LATE)
            .map(|age| {
                let by = since_midnight + (age as i64 + 1) * DAY;
                format!("count(*) filter (where {known} is null or {known} <= day * {DAY} + {by})")
            })
            .collect();
        let query = format!(
            "select day, {counts} from (select {day} as day, {AVAILABLE_AT} from system.{table} where {time} >= to_timestamp_micros({from}) and {time} < to_timestamp_micros({until})) group by day",
            counts = counts.join(", "),
            table = quoted(name),
            time = quoted(time),
            from = from * DAY,
            until = until * DAY,
        );
        let session = session_of(self.services, &self.working, [name], Some(self.as_of)).await?;
        let (_, batches) = session.query(&query).await?;
        days.retain(|day, _| (oldest..from).contains(day));
        days.extend(batches.iter().flat_map(days_of));
        if let Some(version) = version {
            self.prepared.volumes.keep(name, Counted { version, since_midnight, until, days: days.clone() });
        }
        Ok(days)
    }

    /// The day from which on counts may differ from those of the last time: the newest were young, and of the older ones
    /// other files may hold other rows.
    async fn unsettled_from(&self, kept: &Counted, version: &TableVersion, time: &str) -> Result<i64, RunError> {
        let young = kept.until - (MOST_LATE + 1) as i64;
        if kept.version == *version {
            return Ok(young);
        }
        if kept.version.location != version.location {
            return Ok(i64::MIN);
        }
        let changed = self.oldest_change(&kept.version, version, time).await?;
        Ok(changed.map_or(i64::MIN, |changed| changed.div_euclid(DAY)).min(young))
    }

    fn raise_volume(&mut self, name: &AssetName, day: i64, found: &Judgement) {
        let breach = VolumeBreach {
            day: timestamp_from_micros(day * DAY).format("%Y-%m-%d").to_string(),
            rows: found.rows,
            expected: found.band.expected.round(),
            low: found.band.low.round(),
            high: found.band.high.round(),
            weeks: found.band.cycles,
        };
        let severity = if found.rows == 0.0 { Severity::Error } else { Severity::Warn };
        let word = if found.side == Some(Side::Below) { "few" } else { "many" };
        let message = format!(
            "{name} has {word} rows on {}: {}, usually {} to {}",
            breach.day, breach.rows, breach.low, breach.high
        );
        self.raise(name, Signal::Volume, severity, message, serde_json::json!(breach));
    }
}

fn time_of(definition: &Definition) -> Option<&str> {
    match definition {
        Definition::Source(source) => source.time.as_deref(),
        Definition::Table(table) => table.time.as_deref(),
        _ => None,
    }
}

/// Whole days since 1970.
fn day_of(at: Timestamp) -> i64 {
    at.timestamp_micros().div_euclid(DAY)
}

fn days_of(batch: &RecordBatch) -> Vec<(i64, Known)> {
    let whole = |column: usize, row: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
    let known = |row: usize| std::array::from_fn(|age| whole(age + 1, row) as f64);
    (0..batch.num_rows()).map(|row| (whole(0, row), known(row))).collect()
}

/// The age, in days, at which a usual day is complete.
fn usual_age<'d>(days: impl Iterator<Item = &'d Known>) -> usize {
    let days: Vec<&Known> = days.filter(|known| known[MOST_LATE] > 0.0).collect();
    let is_complete = |age: &usize| {
        let complete = days.iter().filter(|known| known[*age] >= known[MOST_LATE] * COMPLETE).count();
        complete * 2 > days.len()
    };
    (0..MOST_LATE).find(is_complete).unwrap_or(MOST_LATE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_judged_when_its_rows_are_known_as_a_rule() {
        let at_once = [[10.0; 4]; 9];
        assert_eq!(usual_age(at_once.iter()), 0);
        let mut storm = [[60.0, 98.0, 100.0, 100.0]; 9];
        assert_eq!(usual_age(storm.iter()), 2);
        storm[3] = [5.0, 30.0, 40.0, 100.0];
        assert_eq!(usual_age(storm.iter()), 2, "one late day is no rule");
        assert_eq!(usual_age([].iter()), MOST_LATE);
    }
}
