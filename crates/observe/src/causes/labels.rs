//! Missing labels: where they stopped on their way.
//!
//! A source that reaches predictions through the label table alone has no other effect than that labels are missing;
//! when it is late, thin or empty, that is the place where the labels stopped, and not a cause of its own.

use baton_core::AssetName;
use baton_core::incident::{Cause, CauseClass};

use crate::evidence::{Evidence, LabelEvidence};

/// Names the source at which missing labels began, and drops what is the same fact in other words.
pub(super) fn trace_to_source(mut candidates: Vec<Cause>, evidence: &Evidence) -> Vec<Cause> {
    let Some(labels) = &evidence.labels else { return candidates };
    let Some(place) = candidates.iter().position(|cause| cause.class == CauseClass::MissingLabels) else {
        return candidates;
    };
    let is_same_fact = |cause: &Cause| lacks_rows(cause) && feeds_labels_alone(&cause.asset, labels, evidence);
    let same: Vec<&Cause> = candidates.iter().filter(|cause| is_same_fact(cause)).collect();
    let is_below = |cause: &Cause, other: &Cause| {
        evidence.upstream.get(&cause.asset).is_some_and(|inputs| inputs.contains(&other.asset))
    };
    let furthest_up = same.iter().filter(|cause| !same.iter().any(|other| is_below(cause, other)));
    let origin = furthest_up.max_by(|a, b| a.score.total_cmp(&b.score)).map(|cause| (*cause).clone());
    if let Some(origin) = origin {
        let missing = &mut candidates[place];
        missing.asset = origin.asset;
        missing.since = origin.since;
        missing.owner = origin.owner;
        missing.columns = origin.columns;
        missing.evidence.push(origin.summary);
        missing.evidence.extend(origin.evidence);
        missing.action = format!(
            "ask the owner of {} for what is missing; the model is judged again when it is there",
            missing.asset
        );
    }
    candidates.retain(|cause| !is_same_fact(cause));
    candidates
}

fn lacks_rows(cause: &Cause) -> bool {
    matches!(cause.class, CauseClass::LateData | CauseClass::VolumeDrop | CauseClass::ColumnShift)
}

/// Whether every way from `asset` to what breached leads through the label table.
fn feeds_labels_alone(asset: &AssetName, labels: &LabelEvidence, evidence: &Evidence) -> bool {
    let reads = |reader: &AssetName, read: &AssetName| {
        reader == read || evidence.upstream.get(reader).is_some_and(|all| all.contains(read))
    };
    let readers = evidence.upstream.iter().filter(|(_, inputs)| inputs.contains(asset)).map(|(reader, _)| reader);
    let mut readers = readers.peekable();
    readers.peek().is_some() && readers.all(|reader| reads(&labels.from, reader) || reads(reader, &labels.from))
}
