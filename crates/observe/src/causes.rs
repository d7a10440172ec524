//! From a breach to its ranked causes.
//!
//! Every class of cause has a test against the evidence that yields candidates with a score. A candidate must not be
//! later than the breach, and is explained away by a candidate further upstream. What remains, ranked, is the answer;
//! when nothing remains, the model or the world changed, or the evidence does not decide.

mod classes;
mod labels;

use baton_core::incident::{Cause, CauseClass};

use crate::evidence::Evidence;

/// Candidates below this score are not shown.
const LEAST_SCORE: f64 = 0.2;

/// Ranks the causes of a breach, most likely first; never empty.
pub fn rank(evidence: &Evidence) -> Vec<Cause> {
    let mut candidates = classes::candidates(evidence);
    candidates.retain(|cause| cause.score >= LEAST_SCORE && precedes(cause, evidence));
    let candidates = labels::trace_to_source(candidates, evidence);
    let mut causes = explain_away(candidates, evidence);
    causes.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.class.cmp(&b.class)).then(a.asset.cmp(&b.asset)));
    if causes.is_empty() {
        causes.extend(classes::remainder(evidence));
    }
    causes
}

fn precedes(cause: &Cause, evidence: &Evidence) -> bool {
    match (cause.since, evidence.onset) {
        (Some(since), Some(onset)) => since <= onset,
        _ => true,
    }
}

/// Drops candidates that a candidate at an asset further upstream accounts for.
///
/// A definition change, a failure or a schema change is a fact of its own: only shifts, volumes and lateness, which
/// data passes on, are explained by what lies upstream.
fn explain_away(candidates: Vec<Cause>, evidence: &Evidence) -> Vec<Cause> {
    let passed_on = |cause: &Cause| {
        matches!(
            cause.class,
            CauseClass::ColumnShift
                | CauseClass::VolumeDrop
                | CauseClass::LateData
                | CauseClass::StaleFeatures
                | CauseClass::MissingLabels
        )
    };
    let explained = |cause: &Cause| {
        passed_on(cause)
            && candidates.iter().any(|other| {
                let upstream_of = |asset| evidence.upstream.get(asset).is_some_and(|all| all.contains(&other.asset));
                let same_place_stronger_class =
                    other.asset == cause.asset && other.class < cause.class && other.score >= cause.score;
                (upstream_of(&cause.asset) && other.score >= cause.score * 0.6) || same_place_stronger_class
            })
    };
    candidates.iter().filter(|cause| !explained(cause)).cloned().collect()
}

#[cfg(test)]
mod tests;
