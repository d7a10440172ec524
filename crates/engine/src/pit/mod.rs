//! Point-in-time join: for each label the features as they were at its time, never later.
//!
//! Both sides are cut into buckets by entity, each bucket is sorted by entity and time, and one sweep over both finds
//! for each left row the right row with the latest event not after it. With [`PointInTimeJoin::known_only`], a right
//! row counts from the later of its event and the moment it became known; as time only grows within the sweep, the
//! best row so far is all that it has to remember.

mod entries;
mod gather;
mod keys;
mod merge;
mod spill;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use arrow::array::{ArrayRef, RecordBatch};

use crate::error::EngineError;
use entries::{Candidate, Probe, Side};

/// How left rows find right rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointInTimeJoin {
    /// Entity columns of the left side, in the order of `right_keys`.
    pub left_keys: Vec<String>,
    /// Entity columns of the right side.
    pub right_keys: Vec<String>,
    /// When the left row asks: a timestamp or date.
    pub left_time: String,
    /// When the right row's event happened: a timestamp or date.
    pub right_time: String,
    /// The greatest age of an event in microseconds, inclusive; 0 = any age.
    pub ttl_micros: i64,
    /// The right column that says when the row became known: among equal event times the latest known wins. Null is
    /// known since ever. Without it, or when equal, the later row wins.
    pub created: Option<String>,
    /// Only right rows known by the left row's time count; needs `created`.
    pub known_only: bool,
}

/// How much memory the join may use beside its inputs and its result.
#[derive(Debug, Clone)]
pub struct PitOptions {
    /// In bytes; beyond it, sort keys spill and are joined part by part.
    pub memory_limit_bytes: usize,
    /// Where to spill.
    pub spill_dir: PathBuf,
}

/// For each left row, in order, which right row it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches(Vec<u64>);

const NO_MATCH: u64 = u64::MAX;

impl Matches {
    /// The number of left rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no left rows.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The batch and the row in it that left row `index` found.
    pub fn get(&self, index: usize) -> Option<(usize, usize)> {
        let place = *self.0.get(index)?;
        (place != NO_MATCH).then(|| entries::unpacked(place))
    }
}

impl PointInTimeJoin {
    /// Left rows with `features`, pairs of right column and output name; null where nothing was found. Left rows are
    /// never dropped, doubled or reordered. Types come from the batches, so give at least one right batch, if empty.
    ///
    /// # Errors
    /// [`EngineError::PointInTime`] for columns that are missing or do not fit, [`EngineError::Spill`].
    pub fn join(
        &self,
        left: &[RecordBatch],
        right: &[RecordBatch],
        features: &[(String, String)],
        options: &PitOptions,
    ) -> Result<Vec<RecordBatch>, EngineError> {
        let matches = self.matches(left, right, options)?;
        gather::append(left, right, features, &matches)
    }

    /// For each left row, in order, the right row that it finds.
    ///
    /// # Errors
    /// As [`PointInTimeJoin::join`].
    pub fn matches(
        &self,
        left: &[RecordBatch],
        right: &[RecordBatch],
        options: &PitOptions,
    ) -> Result<Matches, EngineError> {
        self.matches_hashing(left, right, options, u64::MAX)
    }

    /// As [`PointInTimeJoin::matches`], keeping only the bits of hashes that `mask` has (tests make hashes collide).
    fn matches_hashing(
        &self,
        left: &[RecordBatch],
        right: &[RecordBatch],
        options: &PitOptions,
        mask: u64,
    ) -> Result<Matches, EngineError> {
        let (left_keys, right_keys) = keys::both_sides(left, &self.left_keys, right, &self.right_keys)?;
        let created = match (&self.created, self.known_only) {
            (None, true) => return Err(wrong("`known_only` needs the column that says when a right row became known")),
            (created, _) => created.as_deref(),
        };
        let probes = Side::new(left, &left_keys, &self.left_time, None, mask)?;
        let candidates = Side::new(right, &right_keys, &self.right_time, created, mask)?;
        let sweep = merge::Sweep {
            left: &left_keys,
            right: &right_keys,
            exact: right_keys.exact() && mask == u64::MAX,
            ttl_micros: self.ttl_micros,
            known_only: self.known_only,
            found: merge::Found::new(left),
        };
        let bytes = probes.rows * size_of::<Probe>() + candidates.rows * size_of::<Candidate>();
        if bytes <= options.memory_limit_bytes {
            sweep.run(probes.in_buckets(bytes)?, candidates.in_buckets(bytes)?);
        } else {
            spill::join(&sweep, &probes, &candidates, bytes, options)?;
        }
        Ok(Matches(sweep.found.into_places()))
    }
}

/// Columns of the right side in the order of the left rows, one array for each left batch: `result[feature][batch]`.
///
/// # Errors
/// [`EngineError::PointInTime`] when a feature is not a column of the right side.
pub fn take_features(
    left: &[RecordBatch],
    right: &[RecordBatch],
    features: &[String],
    matches: &Matches,
) -> Result<Vec<Vec<ArrayRef>>, EngineError> {
    features.iter().map(|feature| gather::feature(left, right, feature, matches)).collect()
}

fn wrong(message: impl Into<String>) -> EngineError {
    EngineError::PointInTime(message.into())
}
