//! Landing a source that is asked for rows: what follows the last landing, recorded with where the next goes on.
//!
//! Landings of one contract form one chain, whichever environment asked: each is a version of the source's table, made
//! from the one before, and one event that records version and position together. A landing is durable, and the origin
//! hears of it, before checks are judged and whatever happens downstream. An environment then moves to the newest landing
//! that holds its checks. So a process that is killed anywhere leaves the position with exactly the rows before it.

mod chain;
mod fetch;
mod meet;

pub use chain::SourceLanding;
pub(crate) use chain::{chain_tips, newest_landings};
pub(crate) use fetch::{check_connection, described_schema, examine, pull_source};

use chain::Landed;

use baton_core::asset::{AvailableAt, Pull, Source};
use baton_core::check::CheckResult;
use baton_core::{AssetName, EventKind, Kind, TableVersion, Timestamp, Version};
use baton_lake::TableLocation;
use chrono::TimeDelta;

use super::key::StepKey;
use super::landed::terms_of;
use super::output::{Made, Rejected};
use super::unit::keep_rejected;
use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::extent::measured;
use crate::report::{counted, rows_of};

/// A run may be this late and still land what is there as known at its clock.
const MOST_LATE: TimeDelta = TimeDelta::hours(1);

/// A source that is asked for rows, and where they go.
struct Pulling<'a> {
    asset: &'a AssetName,
    source: &'a Source,
    pull: &'a Pull,
    location: TableLocation,
}

/// What the landings of one step came to.
#[derive(Default)]
struct Round {
    landings: usize,
    rows: u64,
    /// Milliseconds that a row has waited to be landed, at most.
    waited_ms: Option<i64>,
    /// What the rows were held to while they were written.
    checks: Vec<Vec<CheckResult>>,
}

impl Round {
    /// In words, such as `2 pulls, 700 rows`; where a latency is promised, also how it was kept.
    fn detail(&self, latency: Option<i64>) -> String {
        let what = format!("{}, {}", counted(self.landings as u64, "pull", "pulls"), rows_of(self.rows));
        match self.waited_ms.filter(|_| latency.is_some()) {
            Some(waited) => format!("{what}, the oldest landed {} after it came", waited_for(waited)),
            None => what,
        }
    }
}

/// `0.4 s`, `12 min`, `3.5 h`.
fn waited_for(milliseconds: i64) -> String {
    match milliseconds {
        ..60_000 => format!("{:.1} s", milliseconds as f64 / 1_000.0),
        60_000..3_600_000 => format!("{} min", milliseconds / 60_000),
        _ => format!("{:.1} h", milliseconds as f64 / 3_600_000.0),
    }
}

impl Execution<'_> {
    /// Lands what has come since, and moves to the newest landing that is known at the clock.
    pub(crate) async fn pull(
        &mut self,
        asset: &AssetName,
        source: &Source,
        pull: &Pull,
    ) -> Result<StepOutcome, RunError> {
        let Some(contract) = self.prepared.desired.assets.get(asset).map(|desired| desired.rows.clone()) else {
            return Ok(StepOutcome::up_to_date());
        };
        let location = TableLocation::new(asset.as_str(), contract.as_str())?;
        let pulling = Pulling { asset, source, pull, location };
        let before = self.working.get(asset).and_then(|pin| pin.version.table()).cloned();
        let _alone = chain::lock(self.services, &pulling.location).await?;
        let tip = chain::tip(self.services, &pulling.location, None).await?;
        let is_continued = tip.as_ref().map(|tip| &tip.version) == before.as_ref();
        let round = match self.may_pull(source, tip.as_ref()) {
            true => self.land_what_follows(&pulling, tip).await?,
            false => Round::default(),
        };
        let known = chain::tip(self.services, &pulling.location, Some(self.as_of)).await?;
        let Some(known) = known else { return Err(nothing_known(asset, self.as_of)) };
        let checks = self.checks_of(asset);
        if before.as_ref() == Some(&known.version) {
            return self.audit_again(asset, &checks).await;
        }
        let mut key = StepKey::new("ingest", &terms_of(&contract, &checks));
        key.inputs.insert("landing".to_owned(), known.version.to_string());
        let detail = round.detail(pull.latency);
        if self.take_recorded(asset, &key).await?.is_some() {
            return Ok(StepOutcome::reused(detail));
        }
        let by_the_way = if is_continued { crate::checks::merged(round.checks) } else { Vec::new() };
        self.accept_landing(asset, &key, known.version, by_the_way).await?;
        Ok(StepOutcome::done(detail).with_rows(round.rows))
    }

    async fn accept_landing(
        &mut self,
        asset: &AssetName,
        key: &StepKey,
        version: TableVersion,
        by_the_way: Vec<CheckResult>,
    ) -> Result<(), RunError> {
        let snapshot = self.services.lake.snapshot(&version).await?;
        let pin = measured(self.bare_pin(asset, Kind::Source, Version::Table(version)), &snapshot);
        let checks = self.checks_of(asset);
        let made = Made { pin, checks: &checks, by_the_way, new_rows: None };
        self.accept(asset, key, made).await.map(drop).map_err(|error| match error {
            RunError::Checks { asset, failed, summary } => {
                let summary = format!(
                    "{summary}; what was pulled is landed and waits: mend the rows at their origin, or change the checks"
                );
                RunError::Checks { asset, failed, summary }
            }
            other => other,
        })
    }

    /// Under a clock in the past, what is pulled now was not known, unless the rows say otherwise.
    fn may_pull(&self, source: &Source, tip: Option<&Landed>) -> bool {
        let is_late = self.services.clock.now() - self.as_of > MOST_LATE;
        let is_ahead = tip.is_some_and(|tip| tip.as_of > self.as_of);
        !is_ahead && (!is_late || source.available_at != AvailableAt::Arrival)
    }

    /// Pulls until the end of what is there, landing after landing.
    async fn land_what_follows(&mut self, pulling: &Pulling<'_>, tip: Option<Landed>) -> Result<Round, RunError> {
        let mut round = Round::default();
        let mut tip = tip;
        loop {
            let fetched = fetch::fetch(self.services, pulling, tip.as_ref(), self).await?;
            let complete = fetched.pulled.complete;
            self.note_set_aside(pulling, &fetched)?;
            if let Some(checks) = &fetched.checks {
                round.checks.push(checks.clone());
            }
            let Some((landed, rows)) = chain::land(self, pulling, fetched, tip.as_ref()).await? else { break };
            if tip.as_ref().is_none_or(|tip| tip.version != landed.version) {
                round.landings += 1;
                round.rows += rows;
                round.waited_ms = round.waited_ms.max(landed.waited_ms);
            }
            self.services.progress.advanced(pulling.asset, round.rows, round.rows);
            fetch::confirm(self.services, pulling, &landed.position).await;
            tip = Some(landed);
            if complete {
                break;
            }
        }
        Ok(round)
    }

    /// Names rows that could not be landed, and keeps the first of them where people can look at them.
    fn note_set_aside(&mut self, pulling: &Pulling<'_>, fetched: &fetch::Fetched) -> Result<(), RunError> {
        let Some(report) = fetched.report.as_ref().filter(|report| report.rejected_total > 0) else { return Ok(()) };
        let (asset, number) = (pulling.asset, report.rejected_total);
        let folder = self.services.lake.warehouse().join("quarantine").join(asset.as_str());
        let name = format!("pulled-{}", self.services.clock.now().format("%Y%m%dT%H%M%S%6f"));
        keep_rejected(&folder, &name, report)?;
        let first: Vec<String> = report.rejected.iter().take(5).map(ToString::to_string).collect();
        let path = format!("{asset} ({})", pulling.source.connector);
        let reason = format!("{path}: {} set aside: {}", rows_of(number), first.join("; "));
        let rejected =
            Rejected { key: format!("{}/{name}", pulling.location), whole: false, path, rows: Some(number), reason };
        let event = self.event(EventKind::FileRejected, asset, &rejected.key, serde_json::json!(rejected));
        self.pending.push(event);
        self.raise_rejected(asset, &rejected.reason);
        Ok(())
    }
}

fn nothing_known(asset: &AssetName, as_of: Timestamp) -> RunError {
    RunError::Project(format!(
        "nothing of source `{asset}` is known by {}: what is pulled now was not known then; move --as-of, or say with \
         `available_at` when a row became known",
        as_of.format("%Y-%m-%d %H:%M UTC")
    ))
}
