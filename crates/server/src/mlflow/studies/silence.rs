//! Trials whose program died: without a sign of life they would go on for ever, and their study with them.
//!
//! A program that is stopped by an error ends its run, as MLflow does by itself; one that is killed falls silent. Whoever asks
//! for the next trial finds that out, so that nothing needs to watch. A trial that was given up in error is taken up again
//! when its program reports or tells.

use baton_ml::search::{Observed, TrialState};
use baton_tracking::TrackingStore;
use baton_tracking::run::study::StoredTrial;

use super::{Kept, keep};
use crate::problem::Problem;

/// The state of a trial that was given up, beside those of [`TrialState`]; for the rules it failed.
pub(super) const GIVEN_UP: &str = "given_up";

/// Gives up the trials whose program died, after so many seconds of silence at the latest.
pub(super) async fn give_up_the_dead(
    store: &TrackingStore,
    study: &str,
    timeout: u64,
    stored: &[StoredTrial],
    trials: &mut [Observed],
) -> Result<(), Problem> {
    let silent_since = store.now().saturating_sub_unsigned(timeout.saturating_mul(1000));
    for (trial, stored) in trials.iter_mut().zip(stored) {
        if trial.state != TrialState::Running {
            continue;
        }
        let (status, reason) = match stored.status.as_str() {
            ended @ ("FAILED" | "KILLED") => (ended, format!("its run ended as {ended}, and nothing was told")),
            _ if stored.heard < silent_since => ("KILLED", format!("nothing was heard of it for {timeout} seconds")),
            _ => continue,
        };
        trial.state = TrialState::Failed;
        let kept = Kept { state: Some(GIVEN_UP), status: Some(status), reason: Some(reason), ..Kept::default() };
        keep(store, study, trial, kept).await?;
    }
    Ok(())
}
