//! What a step came to, as the ledger keeps it: all that a later run needs to take it instead of doing the work again.

use std::collections::BTreeMap;

use baton_core::check::{Check, CheckResult};
use baton_core::event::EventFilter;
use baton_core::{AssetName, Event, EventKind, Pin, Version};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::key::StepKey;
use crate::checks::NewRows;
use crate::error::RunError;
use crate::execution::Execution;
use crate::report::CacheReport;
use crate::services::Services;
use crate::stored::is_there;

/// Steps of one key that are looked at: of so many tables with equal queries each finds its own.
const SAME_STEPS: u32 = 16;
/// How many of an asset's newest steps are looked at for one that came to the same in another way.
const STEPS_LOOKED_AT: u32 = 64;
/// How many of them are looked at for the one that a key is explained against.
const STEPS_COMPARED: u32 = 16;

/// The body of a `step.finished` event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RecordedStep<O = StepOutput> {
    /// What the output depends on.
    pub(crate) key: StepKey,
    /// Inputs that have no rows of their own, and what they read: needed to read them again.
    #[serde(default)]
    pub(crate) views: BTreeMap<AssetName, Pin>,
    /// What was made.
    #[serde(flatten)]
    pub(crate) output: O,
}

/// What a landing, a build or a training came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StepOutput {
    /// The version that was made.
    pub(crate) pin: Pin,
    /// How its checks came out.
    pub(crate) checks: Vec<CheckResult>,
    /// What was set aside on the way.
    pub(crate) rejected: Vec<Rejected>,
}

impl StepOutput {
    /// An output without checks.
    pub(crate) fn of(pin: Pin) -> Self {
        Self { pin, checks: Vec::new(), rejected: Vec::new() }
    }
}

/// A delivery, or rows of one, that was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rejected {
    /// What it is known by; see [`super::landed::refusal_key`].
    pub(crate) key: String,
    /// Whether nothing of it was landed.
    pub(crate) whole: bool,
    /// The delivery.
    pub(crate) path: String,
    /// How many rows, when not the whole.
    pub(crate) rows: Option<u64>,
    /// Why.
    pub(crate) reason: String,
}

/// A table version that was just made and is not part of the run yet.
pub(crate) struct Made<'m> {
    pub(crate) pin: Pin,
    /// What it is held to.
    pub(crate) checks: &'m [Check],
    /// Checks that were judged while its rows were written.
    pub(crate) by_the_way: Vec<CheckResult>,
    /// The part of it that is new, where the rest was held to the checks before.
    pub(crate) new_rows: Option<NewRows<'m>>,
}

impl Execution<'_> {
    /// Holds a new version to its checks, records the step that made it, and lets the run go on from it.
    ///
    /// # Errors
    /// [`RunError::Checks`] when one with severity error does not hold, and those of the stores.
    pub(crate) async fn accept(&mut self, asset: &AssetName, key: &StepKey, made: Made<'_>) -> Result<Pin, RunError> {
        let Made { pin, checks, by_the_way, new_rows } = made;
        let checks = self.audit(asset, &pin, checks, by_the_way, new_rows).await?;
        let output = StepOutput { pin: pin.clone(), checks, rejected: Vec::new() };
        self.record_output(asset, key, &output, Vec::new()).await?;
        self.working.insert(asset.clone(), pin.clone());
        Ok(pin)
    }

    /// Takes the recorded output of a step, with its checks, alerts and rejections, as if the step had just been done.
    /// Notes what the cache said, and for a miss why.
    pub(crate) async fn take_recorded(&mut self, asset: &AssetName, key: &StepKey) -> Result<Option<Pin>, RunError> {
        let filter = EventFilter {
            kinds: vec![EventKind::StepFinished],
            key: Some(key.fingerprint().as_str().to_owned()),
            last: Some(SAME_STEPS),
            ..EventFilter::default()
        };
        let mut found: Vec<(Event, RecordedStep)> =
            self.services.ledger.events(&filter).await?.into_iter().filter_map(read_step).collect();
        if found.is_empty() {
            self.note_miss(asset, key).await?;
            return Ok(None);
        }
        // Tables of equal queries have one key, and each may have made a version: its own newest one is what readers of this
        // table know, else the oldest, which whoever comes later finds again.
        if let Some(own) = found.iter().rposition(|(found, _)| found.event.asset.as_ref() == Some(asset)) {
            found[..=own].rotate_right(1);
        }
        for (event, step) in found {
            if is_there(self.services, &step.output.pin).await {
                return Ok(Some(self.take(asset, key, &event, step.output)));
            }
        }
        self.note_cache(asset, key, false, vec!["its output was collected".to_owned()]);
        Ok(None)
    }

    /// Takes the output of another step of this asset that `is_same` says came to the same in another way.
    pub(crate) fn take_same(
        &mut self,
        asset: &AssetName,
        key: &StepKey,
        steps: Vec<(Event, RecordedStep)>,
        is_same: impl Fn(&RecordedStep) -> bool,
    ) -> Option<Pin> {
        let (event, step) = steps.into_iter().rev().find(|(_, step)| is_same(step))?;
        Some(self.take(asset, key, &event, step.output))
    }

    fn take(&mut self, asset: &AssetName, key: &StepKey, event: &Event, mut output: StepOutput) -> Pin {
        output.pin.declared = self.prepared.declared.get(asset).cloned();
        for rejected in &output.rejected {
            self.note_rejected(asset, rejected);
        }
        self.keep_checks(asset, &output.checks);
        self.alert_failed_checks(asset, &output.checks);
        self.working.insert(asset.clone(), output.pin.clone());
        let (environment, as_of) = (&event.event.environment, event.event.as_of.format("%Y-%m-%d %H:%M"));
        self.note_cache(asset, key, true, vec![format!("made in {environment} as of {as_of} UTC")]);
        output.pin
    }

    /// Holds a key against that of the step behind the version that is there, else of the newest step, here or anywhere.
    async fn note_miss(&mut self, asset: &AssetName, key: &StepKey) -> Result<(), RunError> {
        let there = self.working.get(asset).map(|pin| pin.version.clone());
        let made_it = |(_, step): &(Event, RecordedStep)| Some(&step.output.pin.version) == there.as_ref();
        let here = recorded_steps(self.services, asset, Some(&self.environment), 1).await?.pop();
        let last = match here {
            Some(here) if made_it(&here) || there.is_none() => Some(here),
            here => {
                let mut steps = recorded_steps(self.services, asset, None, STEPS_COMPARED).await?;
                let behind = steps.iter().rposition(made_it).map(|place| steps.swap_remove(place));
                behind.or(here).or_else(|| steps.pop())
            }
        };
        let reasons = match last {
            Some((_, last)) => key.differences(&last.key),
            None => vec!["never made before".to_owned()],
        };
        self.note_cache(asset, key, false, reasons);
        Ok(())
    }

    fn note_cache(&mut self, asset: &AssetName, key: &StepKey, hit: bool, reasons: Vec<String>) {
        let report = CacheReport { key: key.fingerprint().as_str().to_owned(), hit, reasons };
        self.cache.insert(asset.clone(), report);
    }

    /// The pins of inputs that are views or feature views, however far up, until tables are reached.
    pub(crate) fn views_read(&self, asset: &AssetName) -> BTreeMap<AssetName, Pin> {
        let mut found = BTreeMap::new();
        let mut waiting: Vec<AssetName> = self.prepared.graph.inputs(asset).cloned().collect();
        while let Some(name) = waiting.pop() {
            let Some(pin) = self.working.get(&name) else { continue };
            if !matches!(pin.version, Version::Table(_)) && found.insert(name, pin.clone()).is_none() {
                waiting.extend(pin.inputs.keys().cloned());
            }
        }
        found
    }

    /// The newest steps of an asset in any environment whose output is there, oldest first.
    pub(crate) async fn newest_steps(&self, asset: &AssetName) -> Result<Vec<(Event, RecordedStep)>, RunError> {
        let mut there = Vec::new();
        for found in recorded_steps(self.services, asset, None, STEPS_LOOKED_AT).await? {
            if is_there(self.services, &found.1.output.pin).await {
                there.push(found);
            }
        }
        Ok(there)
    }

    /// Records a rejection and its alert; both are written when the run publishes, so that neither is without the other.
    pub(crate) fn note_rejected(&mut self, asset: &AssetName, rejected: &Rejected) {
        let event = self.event(EventKind::FileRejected, asset, &rejected.key, json!(rejected));
        self.pending.push(event);
        self.raise_rejected(asset, &rejected.reason);
    }
}

/// The last steps of an asset, at most so many, oldest first; those of a form that cannot be read are left out.
pub(crate) async fn recorded_steps(
    services: &Services,
    asset: &AssetName,
    environment: Option<&str>,
    last: u32,
) -> Result<Vec<(Event, RecordedStep)>, RunError> {
    let filter = EventFilter {
        kinds: vec![EventKind::StepFinished],
        asset: Some(asset.clone()),
        environment: environment.map(str::to_owned),
        last: Some(last),
        ..EventFilter::default()
    };
    Ok(services.ledger.events(&filter).await?.into_iter().filter_map(read_step).collect())
}

fn read_step(event: Event) -> Option<(Event, RecordedStep)> {
    let step = serde_json::from_value(event.event.body.clone()).ok()?;
    Some((event, step))
}
