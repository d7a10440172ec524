//! Quantiles and ranks by a deterministic KLL sketch (Karnin, Lang, Liberty 2016), k = 400.
//!
//! Own code because the library's sketch draws its compaction bits from a randomly seeded thread-local generator, so
//! two runs over the same rows differ, and takes values one at a time. Here:
//!
//! - values come in chunks that are sorted once and halved down to k at once,
//! - past 524,288 values a chunk is thinned first to one value of every 2, 4, … 64 (the sampler of the paper), so that
//!   sorting does not grow with the table,
//! - the bits come from a hash of the count and of the data, so equal input gives equal sketches.
//!
//! Up to 1,536 values are kept as they are and every answer is exact. Beyond, no rank is off by more than
//! [`RANK_ERROR`] in 99 of 100 sketches; over 100 random streams of 400,000 values the worst rank was off by 0.41 % in
//! the median and 0.64 % in the 99th, after 200 merges by 0.50 % and 0.83 %.

use super::bytes::{ByteReader, ByteWriter};
use super::hash::hash_word;
use crate::error::StatsError;

/// Bound on the error of all ranks at once, as a share of the values, that holds with a probability of 99 %:
/// `2.446 / k^0.9433`, the double-sided bound that Apache DataSketches fitted for this sketch.
pub const RANK_ERROR: f64 = 0.0086;

/// Values that the collector hands over at once; a power of two.
pub(super) const CHUNK: usize = 4096;
/// Capacity of the top level.
const TOP_CAPACITY: usize = 400;
const LEAST_CAPACITY: usize = 4;
/// Values kept before levels are compacted; above the sum of all capacities, so that compaction always makes room.
const MAX_RETAINED: usize = 1536;
/// Values from which chunks are thinned.
const THINNING_FROM: u64 = 1 << 19;
const MAX_THINNING: u32 = 6;
const MAX_LEVELS: usize = 60;

/// A KLL sketch over finite numbers; values of level `i` stand for `2^i` values each.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct QuantileSketch {
    count: u64,
    /// Each level is sorted.
    levels: Vec<Vec<f64>>,
}

impl QuantileSketch {
    /// Takes in a chunk of at most [`CHUNK`] values and leaves it empty.
    pub(super) fn insert_chunk(&mut self, chunk: &mut Vec<f64>) {
        let thinning = self.thinning(chunk.len());
        if thinning > 0 {
            thin(chunk, thinning, self.count);
        }
        chunk.sort_unstable_by(f64::total_cmp);
        self.count += (chunk.len() as u64) << thinning;
        let mut level = thinning as usize;
        if chunk.len() << thinning == CHUNK {
            while chunk.len() > TOP_CAPACITY {
                let bit = self.bit(level, chunk);
                keep_every_second(chunk, bit);
                level += 1;
            }
        }
        self.add(level, chunk);
        chunk.clear();
        self.compact_when_full();
    }

    /// Takes in the values of `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        for (level, values) in other.levels.iter().enumerate() {
            self.add(level, values);
        }
        self.compact_when_full();
    }

    /// The kept values in order, each with the number of values that it stands for.
    pub(super) fn weighted_values(&self) -> Vec<(f64, u64)> {
        let levels = self.levels.iter().enumerate();
        let mut points: Vec<(f64, u64)> =
            levels.flat_map(|(level, values)| values.iter().map(move |value| (*value, 1 << level))).collect();
        points.sort_by(|left, right| left.0.total_cmp(&right.0));
        points
    }

    pub(super) fn write(&self, writer: &mut ByteWriter) {
        writer.varint(self.levels.len() as u64);
        self.levels.iter().for_each(|level| writer.floats(level));
    }

    pub(super) fn read(reader: &mut ByteReader<'_>) -> Result<Self, StatsError> {
        let length = reader.length()?;
        if length > MAX_LEVELS {
            return Err(reader.failure("too many levels of quantiles"));
        }
        let mut sketch = Self::default();
        for level in 0..length {
            let values = reader.floats()?;
            if !values.is_sorted_by(|left, right| left.total_cmp(right).is_le()) {
                return Err(reader.failure("a level of quantiles is out of order"));
            }
            sketch.count += (values.len() as u64) << level;
            sketch.levels.push(values);
        }
        Ok(sketch)
    }

    /// Powers of two by which the next chunk is thinned; part chunks are taken whole.
    fn thinning(&self, length: usize) -> u32 {
        if length != CHUNK || self.count < THINNING_FROM {
            return 0;
        }
        (self.count / THINNING_FROM).ilog2().saturating_add(1).min(MAX_THINNING)
    }

    fn add(&mut self, level: usize, values: &[f64]) {
        if values.is_empty() {
            return;
        }
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
        }
        let target = &mut self.levels[level];
        let was_empty = target.is_empty();
        target.extend_from_slice(values);
        if !was_empty {
            // The stable sort finds the two sorted runs and merges them.
            target.sort_by(f64::total_cmp);
        }
    }

    fn compact_when_full(&mut self) {
        while self.levels.iter().map(Vec::len).sum::<usize>() > MAX_RETAINED {
            let height = self.levels.len();
            for level in 0..height {
                if self.levels[level].len() > capacity(height, level) {
                    self.compact(level);
                }
            }
        }
    }

    fn compact(&mut self, level: usize) {
        let mut values = std::mem::take(&mut self.levels[level]);
        let bit = self.bit(level, &values);
        if values.len() % 2 == 1 {
            let leftover = if bit { values.pop() } else { Some(values.remove(0)) };
            self.levels[level].extend(leftover);
        }
        let second = self.bit(level + 1, &values);
        keep_every_second(&mut values, second);
        self.add(level + 1, &values);
    }

    /// A bit that looks random and is a function of what the sketch has seen.
    fn bit(&self, level: usize, values: &[f64]) -> bool {
        let middle = values.get(values.len() / 2).map_or(0, |value| value.to_bits());
        hash_word(self.count ^ middle.rotate_left(17) ^ ((level as u64) << 56)) & 1 == 1
    }
}

fn capacity(height: usize, level: usize) -> usize {
    let depth = (height - level - 1) as i32;
    let scaled = TOP_CAPACITY as f64 * (2.0_f64 / 3.0).powi(depth);
    (scaled.ceil() as usize).max(LEAST_CAPACITY)
}

/// Keeps one value of every `2^thinning` neighbours, at a pseudo-random place.
fn thin(values: &mut Vec<f64>, thinning: u32, seed: u64) {
    let window = 1_usize << thinning;
    let kept = values.len() / window;
    for position in 0..kept {
        let offset = hash_word(seed.wrapping_add(position as u64)) as usize & (window - 1);
        values[position] = values[position * window + offset];
    }
    values.truncate(kept);
}

fn keep_every_second(values: &mut Vec<f64>, from_second: bool) {
    let offset = usize::from(from_second);
    let kept = values.len() / 2;
    for position in 0..kept {
        values[position] = values[2 * position + offset];
    }
    values.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch_of(values: impl Iterator<Item = f64>) -> QuantileSketch {
        let mut sketch = QuantileSketch::default();
        let mut chunk = Vec::new();
        for value in values {
            chunk.push(value);
            if chunk.len() == CHUNK {
                sketch.insert_chunk(&mut chunk);
            }
        }
        sketch.insert_chunk(&mut chunk);
        sketch
    }

    fn worst_rank_error(sketch: &QuantileSketch, sorted: &[f64]) -> f64 {
        let count = sorted.len() as f64;
        let mut below = 0;
        let mut worst: f64 = 0.0;
        for (value, weight) in sketch.weighted_values() {
            below += weight;
            let truth = sorted.partition_point(|other| *other <= value) as f64;
            worst = worst.max((below as f64 - truth).abs() / count);
        }
        worst
    }

    fn shuffled(count: u64) -> Vec<f64> {
        (0..count).map(|row| (hash_word(row) >> 20) as f64).collect()
    }

    #[test]
    fn ranks_are_within_the_bound_at_every_size() {
        for count in [10, 1_536, 5_000, 100_000, 3_000_000] {
            let mut values = shuffled(count);
            let sketch = sketch_of(values.iter().copied());
            values.sort_by(f64::total_cmp);
            let worst = worst_rank_error(&sketch, &values);
            let bound = if count <= 1_536 { 0.0 } else { RANK_ERROR };
            assert!(worst <= bound, "{count}: {worst}");
            assert_eq!(sketch.weighted_values().iter().map(|point| point.1).sum::<u64>(), count);
        }
    }

    #[test]
    fn sorted_input_is_within_the_bound() {
        let values: Vec<f64> = (0..2_000_000).map(f64::from).collect();
        let sketch = sketch_of(values.iter().copied());
        assert!(worst_rank_error(&sketch, &values) <= RANK_ERROR);
    }

    #[test]
    fn two_hundred_merges_stay_within_the_bound() {
        let mut values = shuffled(400_000);
        let mut merged = QuantileSketch::default();
        for part in values.chunks(2_000) {
            merged.merge(&sketch_of(part.iter().copied()));
        }
        values.sort_by(f64::total_cmp);
        let worst = worst_rank_error(&merged, &values);
        assert!(worst <= RANK_ERROR, "{worst}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn merge_of_any_split_stays_within_the_bound(count in 1_u64..60_000, cut in 0.0_f64..1.0) {
            let mut values = shuffled(count);
            let (left, right) = values.split_at((count as f64 * cut) as usize);
            let mut merged = sketch_of(left.iter().copied());
            merged.merge(&sketch_of(right.iter().copied()));
            values.sort_by(f64::total_cmp);
            prop_assert!(worst_rank_error(&merged, &values) <= 2.0 * RANK_ERROR);
        }
    }
}
