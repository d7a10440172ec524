//! What commands answer: plain data that `cli` renders as text or JSON.

use std::collections::BTreeMap;

use baton_core::check::CheckResult;
use baton_core::incident::{Alert, Incident};
use baton_core::{AssetName, CommitId, Kind, Timestamp};
use serde::{Deserialize, Serialize};

use crate::approvals::Awaited;

/// How a step came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Work was done.
    Done,
    /// The same work had been done before; its output was taken.
    Reused,
    /// Nothing was to do.
    UpToDate,
    /// It failed; the last good version stays.
    Failed,
    /// Something upstream failed.
    Skipped,
    /// It waits for somebody's word.
    Waiting,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// `build`, `train`, …
    pub verb: String,
    /// The asset.
    pub asset: String,
    /// How it came out.
    pub state: StepState,
    /// What came of it, in a line.
    pub detail: String,
    /// Rows that it landed, built, scored or brought online; `None` where rows are not what it makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Seconds it took.
    pub seconds: f64,
    /// Whether its output was recorded already, and why not; `None` for steps that have no output of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheReport>,
}

/// What the cache said about a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheReport {
    /// The hash of all that decides the step's output.
    pub key: String,
    /// Whether an output was recorded for it.
    pub hit: bool,
    /// For a hit, where and when the work was done; for a miss, what differs from the asset's last recorded step.
    pub reasons: Vec<String>,
}

/// How long a step took, as the event of its run's end says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTime {
    /// `build`, `train`, …
    pub verb: String,
    /// The asset.
    pub asset: String,
    /// How long, on the machine's clock.
    pub milliseconds: u64,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The run's id.
    pub run: String,
    /// The environment.
    pub environment: String,
    /// The logical clock.
    pub as_of: Option<Timestamp>,
    /// The commit that the environment points at afterwards.
    pub commit: Option<CommitId>,
    /// Whether the environment moved.
    pub moved: bool,
    /// The steps in order.
    pub steps: Vec<StepReport>,
    /// Checks that were evaluated.
    pub checks: Vec<CheckResult>,
    /// Incidents that changed.
    pub incidents: Vec<Incident>,
    /// What was raised in it, for those who are told; the ledger has it as events.
    #[serde(skip)]
    pub alerts: Vec<Alert>,
    /// Sources that are as fresh as they should be.
    #[serde(skip)]
    pub in_time: Vec<AssetName>,
    /// What was delivered to systems outside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<crate::exports::DeliveryReport>,
    /// What of it waits for somebody's word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub awaits: Vec<Awaited>,
}

/// A number and its word: `1 delivery`, `7 deliveries`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `1 row` or `7 rows`.
pub(crate) fn rows_of(number: u64) -> String {
    counted(number, "row", "rows")
}

impl RunReport {
    /// Steps that failed.
    pub fn failures(&self) -> impl Iterator<Item = &StepReport> {
        self.steps.iter().filter(|step| step.state == StepState::Failed)
    }

    /// Whether no step failed.
    pub fn succeeded(&self) -> bool {
        self.failures().next().is_none()
    }
}

/// What a replay did, over all ticks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReplayReport {
    /// Ticks of the clock.
    pub ticks: u64,
    /// Ticks at which the environment moved.
    pub commits: u64,
    /// Rows scored.
    pub predictions: u64,
    /// Checks evaluated, and those that did not hold.
    pub checks: u64,
    /// Checks that did not hold.
    pub failed_checks: u64,
    /// Steps that failed, newest last.
    pub failures: Vec<StepReport>,
    /// Model versions trained, as `model@number`, with how their gates came out.
    pub trained: Vec<String>,
    /// Incidents by id, in their newest state.
    pub incidents: BTreeMap<String, Incident>,
    /// What was delivered to systems outside, at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<crate::exports::DeliveryReport>,
}

/// An asset in an environment, in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssetLine {
    /// Its name.
    pub name: AssetName,
    /// Its kind.
    pub kind: Kind,
    /// Its version in the environment, if it has one there.
    pub version: Option<String>,
    /// Its rows.
    pub rows: Option<u64>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is.
    pub description: Option<String>,
}
