//! What a step came to, as the ledger keeps it: all that a later run needs to take it instead of doing the work again.

use baton_core::check::CheckResult;
use baton_core::{AssetName, EventKind, Fingerprint, Pin};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::RunError;
use crate::execution::Execution;

/// The body of a `step.finished` event of a landing or a build.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StepOutput {
    /// The version that was made.
    pub(crate) pin: Pin,
    /// How its checks came out.
    pub(crate) checks: Vec<CheckResult>,
    /// What was set aside on the way.
    pub(crate) rejected: Vec<Rejected>,
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

impl Execution<'_> {
    /// Takes the recorded output of a step, with its checks, alerts and rejections, as if the step had just been done.
    pub(crate) async fn take_recorded(
        &mut self,
        asset: &AssetName,
        key: &Fingerprint,
    ) -> Result<Option<Pin>, RunError> {
        let Some(output) = self.recorded_output(key).await? else { return Ok(None) };
        let Ok(output) = serde_json::from_value::<StepOutput>(output) else { return Ok(None) };
        for rejected in &output.rejected {
            self.note_rejected(asset, rejected);
        }
        self.keep_checks(asset, &output.checks);
        self.alert_failed_checks(asset, &output.checks);
        self.working.insert(asset.clone(), output.pin.clone());
        Ok(Some(output.pin))
    }

    /// Records a rejection and its alert; both are written when the run publishes, so that neither is without the other.
    pub(crate) fn note_rejected(&mut self, asset: &AssetName, rejected: &Rejected) {
        let event = self.event(EventKind::FileRejected, asset, &rejected.key, json!(rejected));
        self.pending.push(event);
        self.raise_rejected(asset, &rejected.reason);
    }
}
