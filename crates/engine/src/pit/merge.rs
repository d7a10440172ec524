//! Sorting a bucket of both sides and sweeping over it.

use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use rayon::prelude::*;

use super::NO_MATCH;
use super::entries::{Candidate, Probe, sort_key, unpacked};
use super::keys::Keys;

/// The result while it is filled from several threads; each left row is written at most once.
pub(super) struct Found {
    places: Vec<AtomicU64>,
    first_rows: Vec<usize>,
}

impl Found {
    pub(super) fn new(left: &[RecordBatch]) -> Self {
        let mut rows = 0;
        let mut first_rows = Vec::with_capacity(left.len());
        for batch in left {
            first_rows.push(rows);
            rows += batch.num_rows();
        }
        let mut places = Vec::new();
        places.resize_with(rows, || AtomicU64::new(NO_MATCH));
        Self { places, first_rows }
    }

    fn set(&self, probe: &Probe, candidate: &Candidate) {
        let (batch, row) = unpacked(probe.place);
        self.places[self.first_rows[batch] + row].store(candidate.place, Ordering::Relaxed);
    }

    pub(super) fn into_places(self) -> Vec<u64> {
        self.places.into_iter().map(AtomicU64::into_inner).collect()
    }
}

/// The rules of one join.
pub(super) struct Sweep<'a> {
    pub(super) left: &'a Keys,
    pub(super) right: &'a Keys,
    /// Whether equal hashes are equal keys, so that nothing has to be compared.
    pub(super) exact: bool,
    pub(super) ttl_micros: i64,
    pub(super) known_only: bool,
    pub(super) found: Found,
}

impl Sweep<'_> {
    /// Joins bucket by bucket, in parallel.
    pub(super) fn run(&self, probes: Vec<Vec<Vec<Probe>>>, candidates: Vec<Vec<Vec<Candidate>>>) {
        probes.into_par_iter().zip(candidates).for_each(|(probes, candidates)| {
            self.bucket(flattened(probes), flattened(candidates));
        });
    }

    fn bucket(&self, mut probes: Vec<Probe>, mut candidates: Vec<Candidate>) {
        probes.sort_unstable_by_key(|probe| sort_key(probe.entity, probe.time));
        candidates.sort_unstable_by_key(|candidate| sort_key(candidate.entity, self.counts_from(candidate)));
        let mut rest = candidates.as_slice();
        for group in probes.chunk_by(|one, next| one.entity == next.entity) {
            let entity = group[0].entity;
            let before = rest.iter().position(|candidate| candidate.entity >= entity).unwrap_or(rest.len());
            rest = &rest[before..];
            let length = rest.iter().position(|candidate| candidate.entity > entity).unwrap_or(rest.len());
            let (same_hash, after) = rest.split_at(length);
            rest = after;
            self.entity(group, same_hash);
        }
    }

    /// One hash: usually one entity.
    fn entity(&self, probes: &[Probe], candidates: &[Candidate]) {
        let Some(first) = candidates.first() else { return };
        let same_right =
            |candidate: &Candidate| self.right.equal(unpacked(first.place), self.right, unpacked(candidate.place));
        let same_left = |probe: &Probe| self.left.equal(unpacked(probe.place), self.right, unpacked(first.place));
        if self.exact || (candidates.iter().all(same_right) && probes.iter().all(same_left)) {
            return self.sweep(probes.iter(), candidates.iter());
        }
        let (others, these): (Vec<Candidate>, Vec<Candidate>) =
            candidates.iter().partition(|candidate| !same_right(candidate));
        let (asking, rest): (Vec<Probe>, Vec<Probe>) = probes.iter().partition(|probe| same_left(probe));
        self.sweep(asking.iter(), these.iter());
        self.entity(&rest, &others);
    }

    /// One entity, both sides in the order of time.
    fn sweep<'a>(&self, probes: impl Iterator<Item = &'a Probe>, candidates: impl Iterator<Item = &'a Candidate>) {
        let mut candidates = candidates.peekable();
        let mut best: Option<&Candidate> = None;
        for probe in probes {
            while let Some(next) = candidates.next_if(|candidate| self.counts_from(candidate) <= probe.time) {
                if best.is_none_or(|best| rank(next) > rank(best)) {
                    best = Some(next);
                }
            }
            if let Some(best) = best.filter(|best| self.is_fresh(best, probe.time)) {
                self.found.set(probe, best);
            }
        }
    }

    #[inline]
    fn counts_from(&self, candidate: &Candidate) -> i64 {
        if self.known_only { candidate.event.max(candidate.created) } else { candidate.event }
    }

    fn is_fresh(&self, candidate: &Candidate, time: i64) -> bool {
        self.ttl_micros == 0 || time.saturating_sub(candidate.event) <= self.ttl_micros
    }
}

/// The latest event wins, then the latest known, then the later row.
fn rank(candidate: &Candidate) -> (i64, i64, u64) {
    (candidate.event, candidate.created, candidate.place)
}

fn flattened<E>(parts: Vec<Vec<E>>) -> Vec<E> {
    let mut parts = parts.into_iter();
    let mut all = parts.next().unwrap_or_default();
    for part in parts {
        all.extend(part);
    }
    all
}
