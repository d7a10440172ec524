//! Blast radius: everything whose output changes with a plan, by column lineage, over all kinds.
//!
//! Tables, feature views and models carry fingerprints that take in exactly the columns that they read: where none
//! differs, nothing does. Where one differs, the asset is made again, and its output changes unless recorded data proves
//! that it does not: of what it reads nothing changes, or it was tried and came out the same ([`Proven`]). Endpoints,
//! monitors and exposures change with what they read. What stays is told too, with the proof, because "no retraining
//! needed" and "made again, to the same result" are answers.

mod flows;
mod proven;
mod reach;
mod spared;

use baton_core::{AssetName, Kind};
use serde::{Deserialize, Serialize};

pub use flows::TaggedFlow;
pub(crate) use proven::tell;
pub use proven::{Proven, UnchangedOutput};
pub use reach::{Reach, Reached};
pub use spared::SparedModel;

use crate::build::PlanInput;
use crate::plan::{NeededApproval, PlannedAsset};

/// What happens to an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It is made for the first time.
    Appears,
    /// Its rows or columns differ.
    Rebuilt,
    /// Columns come to it; what was there stays.
    Widened,
    /// A model is trained again.
    Retrained,
    /// An endpoint answers otherwise.
    ServesOtherwise,
    /// A monitor judges other values.
    JudgesOtherwise,
    /// Something outside reads other values.
    ReadsOtherwise,
    /// It goes.
    Disappears,
}

/// An asset whose output changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedOutput {
    /// The asset.
    pub asset: AssetName,
    /// What it is.
    pub kind: Kind,
    /// What happens to it.
    pub effect: Effect,
    /// Whether other rows exist, and with them every column may differ.
    pub rows: bool,
    /// Columns that come, go or are computed otherwise.
    pub columns: Vec<String>,
    /// The changed inputs that it reads; empty when its own definition is where the change begins.
    pub because: Vec<AssetName>,
    /// Why the same rows exist although something that could decide them differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_stay: Option<String>,
}

/// Everything that a plan reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlastRadius {
    /// Assets whose output changes, inputs before readers.
    pub outputs: Vec<ChangedOutput>,
    /// Assets that are made again although their output provably stays, inputs before readers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unchanged: Vec<UnchangedOutput>,
    /// Models downstream of a change that need no training, with the proof.
    pub spared: Vec<SparedModel>,
    /// Who answers for what changes otherwise than by additions.
    pub owners: Vec<NeededApproval>,
    /// Tagged columns that come to where they were not.
    pub flows: Vec<TaggedFlow>,
    /// Schedules that run what changes, by name; filled in by whoever knows the schedules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<ReachedSchedule>,
}

/// A schedule whose next run makes other values than the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReachedSchedule {
    /// The schedule.
    pub schedule: AssetName,
    /// What changes of that which it runs, inputs before readers.
    pub assets: Vec<AssetName>,
}

impl BlastRadius {
    /// Of `assets`, planned against `input`.
    pub(crate) fn of(input: PlanInput<'_>, assets: &[PlannedAsset]) -> Self {
        let (outputs, unchanged) = reach::walk(input, assets);
        Self {
            unchanged,
            spared: spared::models(input, assets, &outputs),
            owners: owners(input, &outputs),
            flows: flows::new_flows(input, assets),
            schedules: Vec::new(),
            outputs,
        }
    }

    /// Outputs that change because something upstream does.
    pub fn downstream(&self) -> impl Iterator<Item = &ChangedOutput> {
        self.outputs.iter().filter(|output| !output.because.is_empty())
    }
}

/// Owners by name, each with the assets of theirs that break.
fn owners(input: PlanInput<'_>, outputs: &[ChangedOutput]) -> Vec<NeededApproval> {
    let mut owners: Vec<NeededApproval> = Vec::new();
    let breaking = outputs.iter().filter(|output| !matches!(output.effect, Effect::Appears | Effect::Widened));
    for output in breaking {
        let recorded = || input.options.former_owners.get(&output.asset).cloned();
        let desired = input.desired.assets.get(&output.asset);
        let Some(owner) = desired.and_then(|asset| asset.about.owner.clone()).or_else(recorded) else { continue };
        match owners.iter_mut().find(|found| found.owner == owner) {
            Some(found) => found.assets.push(output.asset.clone()),
            None => owners.push(NeededApproval { owner, assets: vec![output.asset.clone()] }),
        }
    }
    owners.sort_by(|one, other| one.owner.cmp(&other.owner));
    owners
}
