//! Facts about one asset: how late, how many rows, which columns moved, what changed and failed.

use std::collections::BTreeSet;

use arrow::array::{Array, RecordBatch};
use arrow::compute::concat_batches;
use baton_core::incident::{Alert, Signal};
use baton_core::time::timestamp_from_micros;
use baton_core::{AssetName, Definition, Event, EventKind, Kind, Pin, Version};
use baton_engine::{AVAILABLE_AT, Session};
use baton_observe::evidence::{AssetEvidence, ColumnShift, Happening, LABEL, ThinDay};
use baton_stats::drift::{Convention, Method, drift};
use serde_json::Value;

use super::Scene;
use crate::checks::quoted;
use crate::commands::lineage::column_effects;
use crate::error::RunError;
use crate::features::full_name;
use crate::prepare::Prepared;
use crate::sessions::session_of;
use crate::steps::Landing;
use crate::values::{micros_at, numbers};
use crate::watch::{VolumeBreach, ratio, sample};

const DAY: i64 = 86_400_000_000;
/// The window of the breach, in days.
const WINDOW: i64 = 7;
/// The time before it that it is compared with, in days.
const BASELINE: i64 = 28;
/// Fewer rows on either side say nothing about a distribution.
const LEAST_ROWS: usize = 50;
/// Text columns with more values are identifiers, not categories.
const MOST_CATEGORIES: usize = 60;

impl Scene<'_> {
    /// What is known of `name` around the breach; `None` for what is not part of the environment.
    pub(super) async fn asset_evidence(&self, name: &AssetName) -> Result<Option<AssetEvidence>, RunError> {
        let Some(asset) = self.prepared.project.assets.get(name) else { return Ok(None) };
        let mut facts =
            AssetEvidence { kind: Some(asset.kind()), owner: asset.owner.clone(), ..AssetEvidence::default() };
        let time = match &asset.definition {
            Definition::Source(source) => source.time.clone(),
            Definition::Table(table) => table.time.clone(),
            _ => None,
        };
        let has_rows = self.commit.assets.get(name).is_some_and(|pin| pin.version.is_readable());
        if let (Some(time), true) = (time, has_rows && matches!(asset.kind(), Kind::Source | Kind::Table)) {
            let clock = timestamp_from_micros(self.at);
            let session = session_of(self.services, &self.commit.assets, [name], Some(clock)).await?;
            self.lateness(&session, name, &time, &mut facts).await?;
            self.volume(&session, name, &time, &mut facts).await?;
            if asset.kind() == Kind::Source {
                facts.shifts = self.shifts(&session, name, &time).await?;
            }
        }
        facts.code_changes = self.code_changes(name).await?;
        facts.online_until = self.online_until(name);
        let kinds = [EventKind::FileLanded, EventKind::FileRejected, EventKind::StepFailed, EventKind::AlertRaised];
        for event in &self.recent_events(name, &kinds).await? {
            facts.thin_days.extend(thin_day(event));
            facts.schema_changes.extend(schema_change(name, event));
            facts.failures.extend(failure(name, event));
        }
        Ok(Some(facts))
    }

    /// How old the newest known row is, and how old it usually gets: the largest gap plus the usual delay.
    async fn lateness(
        &self,
        session: &Session,
        name: &AssetName,
        time: &str,
        facts: &mut AssetEvidence,
    ) -> Result<(), RunError> {
        let (from, until) = (self.at - (WINDOW + BASELINE) * DAY, self.at);
        let time = quoted(time);
        let query = format!(
            "with seen as (select distinct {time} as t, {AVAILABLE_AT} as a from system.{table} where {time} >= to_timestamp_micros({from}) and {time} < to_timestamp_micros({until}) and ({AVAILABLE_AT} is null or {AVAILABLE_AT} <= to_timestamp_micros({until}))),
             instants as (select t, min(a) as a from seen group by t),
             gaps as (select t, date_part('epoch', t) - date_part('epoch', lag(t) over (order by t)) as gap, date_part('epoch', a) - date_part('epoch', t) as delay from instants)
             select max(t), max(gap), approx_percentile_cont(delay, 0.95) from gaps",
            table = quoted(name)
        );
        let (_, batches) = session.query(&query).await?;
        let Some(row) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(()) };
        let Some(newest) = micros_at(row.column(0), 0) else { return Ok(()) };
        let number = |column: usize| numbers(row.column(column)).first().copied().filter(|value| !value.is_nan());
        facts.newest_row_at = Some(timestamp_from_micros(newest));
        facts.lag = Some((self.at - newest) / 1_000_000);
        facts.usual_lag = Some((number(1).unwrap_or(3_600.0) + number(2).unwrap_or(0.0).max(0.0)) as i64);
        Ok(())
    }

    /// Rows a day in the window and before it. The newest day is left out: it is still filling up.
    async fn volume(
        &self,
        session: &Session,
        name: &AssetName,
        time: &str,
        facts: &mut AssetEvidence,
    ) -> Result<(), RunError> {
        let until = self.at - DAY;
        let middle = until - WINDOW * DAY;
        let from = middle - BASELINE * DAY;
        let time = quoted(time);
        let count = |low: i64, high: i64| {
            format!(
                "count(*) filter (where {time} >= to_timestamp_micros({low}) and {time} < to_timestamp_micros({high}))"
            )
        };
        let query = format!(
            "select {}, {}, min({time}) from {} where {time} >= to_timestamp_micros({from}) and {time} < to_timestamp_micros({until})",
            count(middle, until),
            count(from, middle),
            quoted(name)
        );
        let (_, batches) = session.query(&query).await?;
        let Some(row) = batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(()) };
        let number = |column: usize| numbers(row.column(column)).first().copied().unwrap_or_default();
        let Some(oldest) = micros_at(row.column(2), 0) else { return Ok(()) };
        let baseline_days = ((middle - oldest.max(from)) as f64 / DAY as f64).max(0.0);
        if baseline_days >= 7.0 {
            facts.rows_per_day = Some(number(0) / WINDOW as f64);
            facts.usual_rows_per_day = Some(number(1) / baseline_days);
        }
        Ok(())
    }

    /// Columns that are distributed otherwise in the window than before it.
    async fn shifts(&self, session: &Session, name: &AssetName, time: &str) -> Result<Vec<ColumnShift>, RunError> {
        let middle = self.at - WINDOW * DAY;
        let before = self.rows_between(session, name, time, middle - BASELINE * DAY, middle).await?;
        let now = self.rows_between(session, name, time, middle, self.at).await?;
        if before.num_rows() < LEAST_ROWS || now.num_rows() < LEAST_ROWS {
            return Ok(Vec::new());
        }
        let schema = now.schema();
        let weeks = weeks_of(&before, time, middle - BASELINE * DAY);
        let compared = schema.fields().iter().filter(|field| field.name() != time).filter_map(|field| {
            let (old, new) = (before.column_by_name(field.name())?, now.column_by_name(field.name())?);
            let mut found = shift_of(field.name(), old, new, &weeks)?;
            found.feeds = feeds(self.prepared, name, field.name());
            Some(found)
        });
        Ok(compared.collect())
    }

    async fn rows_between(
        &self,
        session: &Session,
        name: &AssetName,
        time: &str,
        from: i64,
        until: i64,
    ) -> Result<RecordBatch, RunError> {
        let query = format!(
            "select * from {} where {time} >= to_timestamp_micros({from}) and {time} < to_timestamp_micros({until})",
            quoted(name),
            time = quoted(time)
        );
        let (schema, batches) = session.query(&query).await?;
        concat_batches(&schema, &batches).map_err(RunError::rows(name))
    }

    /// Until when an online view's values are right, if its table has moved on without it.
    fn online_until(&self, name: &AssetName) -> Option<baton_core::Timestamp> {
        let pin = self.commit.assets.get(name)?;
        let Version::FeatureView { table: Some(table), online: Some(_) } = &pin.version else { return None };
        let Definition::FeatureView(view) = &self.prepared.project.assets.get(name)?.definition else { return None };
        let newest = self.commit.assets.get(&view.from)?.version.table()?;
        if newest == table { None } else { pin.known_through.map(timestamp_from_micros) }
    }

    /// Commits of the two weeks before the breach that changed the asset's definition.
    async fn code_changes(&self, name: &AssetName) -> Result<Vec<Happening>, RunError> {
        let history = self.services.ledger.history(self.environment, u32::MAX).await?;
        let oldest = self.onset - chrono::TimeDelta::days(14);
        let mut found = Vec::new();
        for pair in history.windows(2) {
            let (newer, older) = (&pair[0], &pair[1]);
            if newer.as_of < oldest {
                break;
            }
            let (Some(now), Some(then)) = (newer.assets.get(name), older.assets.get(name)) else { continue };
            // A fingerprint takes in what lies upstream: the change was made where nothing upstream changed with it.
            let mut inputs = self.prepared.graph.inputs(name);
            let is_inherited = inputs.any(|input| match (older.assets.get(input), newer.assets.get(input)) {
                (Some(then), Some(now)) => definition_change(then, now).is_some(),
                _ => false,
            });
            if let Some(what) = definition_change(then, now).filter(|_| !is_inherited) {
                found.push(Happening {
                    asset: name.clone(),
                    at: newer.as_of,
                    author: Some(newer.author.clone()),
                    what,
                });
            }
        }
        Ok(found)
    }
}

fn definition_change(then: &Pin, now: &Pin) -> Option<String> {
    if then.kind == Kind::Endpoint || then.kind == Kind::Model {
        return None;
    }
    let differing = |other: &Pin, these: &Pin| -> Vec<String> {
        these
            .columns
            .iter()
            .filter(|(name, print)| other.columns.get(*name) != Some(*print))
            .map(|(name, _)| name.clone())
            .collect()
    };
    let columns = differing(then, now);
    if then.fingerprint != now.fingerprint {
        return Some("its definition changed: other rows than before".to_owned());
    }
    (!columns.is_empty())
        .then(|| format!("its definition changed: {} computed otherwise than before", columns.join(", ")))
}

/// The rows of each week of the baseline: positions where its weeks are.
fn weeks_of(rows: &RecordBatch, time: &str, from: i64) -> Vec<Vec<bool>> {
    let Some(times) = rows.column_by_name(time) else { return Vec::new() };
    let week = |row: usize| micros_at(times, row).map(|at| (at - from) / (WINDOW * DAY));
    let of_row: Vec<Option<i64>> = (0..rows.num_rows()).map(week).collect();
    (0..BASELINE / WINDOW).map(|week| of_row.iter().map(|found| *found == Some(week)).collect()).collect()
}

/// How far a column's weeks lie from the rest of the time before: the largest distance that was usual, in units of the
/// threshold. Weather and delays differ from week to week by far more than a test's threshold.
fn usual_distance(column: &arrow::array::ArrayRef, weeks: &[Vec<bool>]) -> f64 {
    let part = |keep: &dyn Fn(usize) -> bool| {
        let mask: arrow::array::BooleanArray = (0..column.len()).map(|row| Some(keep(row))).collect();
        arrow::compute::filter(column, &mask).ok().filter(|part| part.len() >= LEAST_ROWS)
    };
    let distances = weeks.iter().filter_map(|week| {
        let (rest, those) = (part(&|row| !week[row])?, part(&|row| week[row])?);
        let found = drift(&sample(&rest), &sample(&those), Method::Auto, Convention::Evidently, None).ok()?;
        Some(ratio(&found))
    });
    distances.fold(1.0, f64::max)
}

/// The features (and the label) that are computed from a column.
fn feeds(prepared: &Prepared, asset: &AssetName, column: &str) -> Vec<String> {
    let edges = column_effects(prepared, asset, column);
    let named = edges.into_iter().filter_map(|edge| match prepared.project.assets.get(edge.to_asset.as_str()) {
        Some(found) if found.kind() == Kind::FeatureView => Some(full_name(&found.name, &edge.to_column)),
        Some(found) => match &found.definition {
            Definition::Model(model) if model.labels.from.as_str() == edge.from_asset => Some(LABEL.to_owned()),
            _ => None,
        },
        None => None,
    });
    named.collect::<BTreeSet<_>>().into_iter().collect()
}

fn shift_of(
    name: &str,
    old: &arrow::array::ArrayRef,
    new: &arrow::array::ArrayRef,
    weeks: &[Vec<bool>],
) -> Option<ColumnShift> {
    let (before, now) = (sample(old), sample(new));
    if categories(&before) > MOST_CATEGORIES || categories(&now) > MOST_CATEGORIES {
        return None;
    }
    let nulls = |column: &arrow::array::ArrayRef| column.null_count() as f64 / column.len().max(1) as f64;
    let found = drift(&before, &now, Method::Auto, Convention::Evidently, None).ok();
    let null_jump = (nulls(new) - nulls(old)).abs() / 0.1;
    let moved = found.as_ref().map_or(0.0, ratio);
    let moved = if moved >= 1.0 { moved / usual_distance(old, weeks) } else { moved };
    let score = moved.max(null_jump);
    (score >= 1.0).then(|| ColumnShift {
        column: name.to_owned(),
        score,
        nulls_before: nulls(old),
        nulls_now: nulls(new),
        mean_before: mean(old),
        mean_now: mean(new),
        feeds: Vec::new(),
    })
}

fn categories(sample: &baton_stats::drift::Sample) -> usize {
    match sample {
        baton_stats::drift::Sample::Categorical(values) => values.iter().collect::<BTreeSet<_>>().len(),
        baton_stats::drift::Sample::Counts(counts) => counts.len(),
        baton_stats::drift::Sample::Numeric(_) => 0,
    }
}

fn mean(column: &arrow::array::ArrayRef) -> Option<f64> {
    let values: Vec<f64> = numbers(column).into_iter().filter(|value| !value.is_nan()).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn schema_change(name: &AssetName, event: &Event) -> Option<Happening> {
    let what = match event.event.kind {
        EventKind::FileLanded => {
            let landing: Landing = serde_json::from_value(event.event.body.clone()).ok()?;
            let changes: Vec<String> = landing.units.into_iter().flat_map(|unit| unit.schema_changes).collect();
            (!changes.is_empty()).then(|| changes.join(", "))?
        }
        EventKind::FileRejected => {
            let reason = event.event.body.get("reason").and_then(Value::as_str)?;
            let about_columns = ["column", "schema"].iter().any(|word| reason.contains(word));
            about_columns.then(|| reason.to_owned())?
        }
        _ => return None,
    };
    Some(Happening { asset: name.clone(), at: event.event.as_of, author: None, what })
}

/// A day that an alert found far below its band.
fn thin_day(event: &Event) -> Option<ThinDay> {
    let alert: Alert = serde_json::from_value(event.event.body.clone()).ok()?;
    let breach: VolumeBreach = serde_json::from_value(alert.evidence).ok()?;
    let at = breach.day.parse::<chrono::NaiveDate>().ok()?.and_time(chrono::NaiveTime::MIN).and_utc();
    let is_thin = alert.signal == Signal::Volume && breach.rows < breach.low;
    is_thin.then_some(ThinDay { day: breach.day, at, rows: breach.rows, expected: breach.expected, low: breach.low })
}

fn failure(name: &AssetName, event: &Event) -> Option<Happening> {
    if event.event.kind != EventKind::StepFailed {
        return None;
    }
    let what = event.event.body.get("reason").and_then(Value::as_str)?.to_owned();
    Some(Happening { asset: name.clone(), at: event.event.as_of, author: None, what })
}
