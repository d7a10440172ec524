//! What is sorted: one small entry for each row, in buckets by entity.

use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use rayon::prelude::*;

use super::keys::{Keys, column};
use super::wrong;
use crate::error::EngineError;

/// A left row: who asks, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    pub(super) entity: u64,
    pub(super) time: i64,
    pub(super) place: u64,
}

/// A right row: about whom, when it happened, when it became known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) entity: u64,
    pub(super) event: i64,
    pub(super) created: i64,
    pub(super) place: u64,
}

/// An entry of either side.
pub(super) trait Entry: Copy + Send + Sync {
    /// How many 64-bit words it has.
    const WORDS: usize;
    fn new(entity: u64, time: i64, created: i64, place: u64) -> Self;
    fn entity(&self) -> u64;
    fn words(&self) -> [u64; 4];
    fn from_words(words: &[u64]) -> Self;
}

impl Entry for Probe {
    const WORDS: usize = 3;
    fn new(entity: u64, time: i64, _created: i64, place: u64) -> Self {
        Self { entity, time, place }
    }
    fn entity(&self) -> u64 {
        self.entity
    }
    fn words(&self) -> [u64; 4] {
        [self.entity, self.time as u64, self.place, 0]
    }
    fn from_words(words: &[u64]) -> Self {
        Self { entity: words[0], time: words[1] as i64, place: words[2] }
    }
}

impl Entry for Candidate {
    const WORDS: usize = 4;
    fn new(entity: u64, event: i64, created: i64, place: u64) -> Self {
        Self { entity, event, created, place }
    }
    fn entity(&self) -> u64 {
        self.entity
    }
    fn words(&self) -> [u64; 4] {
        [self.entity, self.event as u64, self.created as u64, self.place]
    }
    fn from_words(words: &[u64]) -> Self {
        Self { entity: words[0], event: words[1] as i64, created: words[2] as i64, place: words[3] }
    }
}

/// A batch and a row in it, in one word.
pub(super) fn packed(batch: usize, row: usize) -> u64 {
    ((batch as u64) << 32) | row as u64
}

/// The batch and the row of [`packed`].
pub(super) fn unpacked(place: u64) -> (usize, usize) {
    ((place >> 32) as usize, (place & 0xffff_ffff) as usize)
}

/// The sort key of an entity at an instant.
#[inline]
pub(super) fn sort_key(entity: u64, time: i64) -> u128 {
    (u128::from(entity) << 64) | u128::from((time as u64) ^ (1 << 63))
}

/// One side of the join, ready to be cut into entries.
pub(super) struct Side<'a> {
    pub(super) rows: usize,
    keys: &'a Keys,
    times: Vec<Int64Array>,
    created: Option<Vec<Int64Array>>,
    mask: u64,
}

/// How many rows one thread takes at a time.
const MORSEL: usize = 1 << 16;
/// How large a bucket should be: two of them fit the second-level cache of one core.
const BUCKET_BYTES: usize = 1 << 18;

impl<'a> Side<'a> {
    pub(super) fn new(
        batches: &[RecordBatch],
        keys: &'a Keys,
        time: &str,
        created: Option<&str>,
        mask: u64,
    ) -> Result<Self, EngineError> {
        let instants = |name: &str| batches.iter().map(|batch| micros(batch, name)).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            rows: batches.iter().map(RecordBatch::num_rows).sum(),
            keys,
            times: instants(time)?,
            created: created.map(instants).transpose()?,
            mask,
        })
    }

    /// The entries in buckets by entity, for a join whose entries take `bytes` in all: `result[bucket][part]`.
    pub(super) fn in_buckets<E: Entry>(&self, bytes: usize) -> Result<Vec<Vec<Vec<E>>>, EngineError> {
        let bits = bucket_bits(bytes);
        let morsels = self.morsels();
        let share = morsels.len().div_ceil(rayon::current_num_threads()).max(1);
        let expected = self.rows / rayon::current_num_threads().max(1) / (1 << bits);
        let parts: Vec<Vec<Vec<E>>> = morsels
            .par_chunks(share)
            .map(|morsels| {
                let mut buckets: Vec<Vec<E>> =
                    (0..1usize << bits).map(|_| Vec::with_capacity(expected + expected / 8)).collect();
                self.visit(morsels, |entry: E| buckets[bucket_of(entry.entity(), bits)].push(entry));
                buckets
            })
            .collect();
        Ok(transposed(parts, 1 << bits))
    }

    /// Calls `visit` with the entry of each row that can match.
    pub(super) fn visit<E: Entry>(&self, morsels: &[(usize, usize, usize)], mut visit: impl FnMut(E)) {
        for &(batch, start, end) in morsels {
            let times = &self.times[batch];
            let created = self.created.as_ref().map(|created| &created[batch]);
            for row in start..end {
                if times.is_null(row) {
                    continue;
                }
                let known = created
                    .map_or(i64::MIN, |created| if created.is_null(row) { i64::MIN } else { created.value(row) });
                if let Some(entity) = self.keys.hash(batch, row) {
                    visit(E::new(entity & self.mask, times.value(row), known, packed(batch, row)));
                }
            }
        }
    }

    /// All rows as ranges: batch, first row, row after the last.
    pub(super) fn morsels(&self) -> Vec<(usize, usize, usize)> {
        let of_batch = |(batch, times): (usize, &Int64Array)| {
            let rows = times.len();
            (0..rows).step_by(MORSEL).map(move |start| (batch, start, (start + MORSEL).min(rows)))
        };
        self.times.iter().enumerate().flat_map(of_batch).collect()
    }
}

/// Entries of `parts` by bucket, keeping them apart.
fn transposed<E>(parts: Vec<Vec<Vec<E>>>, buckets: usize) -> Vec<Vec<Vec<E>>> {
    let mut by_bucket: Vec<Vec<Vec<E>>> = (0..buckets).map(|_| Vec::with_capacity(parts.len())).collect();
    for part in parts {
        for (bucket, entries) in by_bucket.iter_mut().zip(part) {
            bucket.push(entries);
        }
    }
    by_bucket
}

/// How many leading bits of the entity choose the bucket.
pub(super) fn bucket_bits(bytes: usize) -> u32 {
    (bytes / BUCKET_BYTES).max(1).next_power_of_two().trailing_zeros().min(11)
}

/// The bucket of an entity among `1 << bits`.
#[inline]
pub(super) fn bucket_of(entity: u64, bits: u32) -> usize {
    if bits == 0 { 0 } else { (entity >> (64 - bits)) as usize }
}

/// A time column in microseconds.
fn micros(batch: &RecordBatch, name: &str) -> Result<Int64Array, EngineError> {
    let array = column(batch, name)?;
    if !matches!(array.data_type(), DataType::Timestamp(..) | DataType::Date32 | DataType::Date64) {
        return Err(wrong(format!(
            "the time column `{name}` is {}: it must be a timestamp or a date",
            array.data_type()
        )));
    }
    let zone = match array.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let instants = cast(array, &DataType::Timestamp(TimeUnit::Microsecond, zone))
        .and_then(|instants| cast(&instants, &DataType::Int64))
        .map_err(|error| wrong(error.to_string()))?;
    Ok(instants.as_primitive::<Int64Type>().clone())
}
