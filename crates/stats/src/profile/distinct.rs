//! How many different values: HyperLogLog with 4,096 registers (standard error 1.6 %).
//!
//! Own code instead of a library's because the value is hashed once for this sketch and for the frequent values, an
//! insert is one compare, and a merge is a byte-wise maximum that the compiler vectorises.

use super::bytes::{ByteReader, ByteWriter};
use crate::error::StatsError;

const PRECISION: u32 = 12;
const REGISTERS: usize = 1 << PRECISION;
/// Largest register value: the rank of an all-zero remainder.
const MAX_RANK: usize = 64 - PRECISION as usize + 1;

/// A HyperLogLog sketch over 64-bit hashes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DistinctSketch {
    registers: Vec<u8>,
}

impl DistinctSketch {
    pub(super) fn new() -> Self {
        Self { registers: vec![0; REGISTERS] }
    }

    /// Adds a hash of `hash_word` or `hash_bytes`.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64) {
        let register = (hash >> (64 - PRECISION)) as usize;
        let rank = ((hash << PRECISION) | (1 << (PRECISION - 1))).leading_zeros() as u8 + 1;
        if rank > self.registers[register] {
            self.registers[register] = rank;
        }
    }

    /// Takes in the values of `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *mine = (*mine).max(*theirs);
        }
    }

    /// Estimates the number of different values over the whole range without tables of corrections.
    ///
    /// Source: O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, algorithm 6.
    pub(super) fn estimate(&self) -> f64 {
        let mut counts = [0_u32; MAX_RANK + 1];
        for register in &self.registers {
            counts[usize::from(*register)] += 1;
        }
        let registers = REGISTERS as f64;
        let mut z = registers * tau(1.0 - f64::from(counts[MAX_RANK]) / registers);
        for count in counts[1..MAX_RANK].iter().rev() {
            z = 0.5 * (z + f64::from(*count));
        }
        z += registers * sigma(f64::from(counts[0]) / registers);
        registers * registers / (2.0 * std::f64::consts::LN_2 * z)
    }

    /// Writes the registers, as pairs of position and rank while few are set.
    pub(super) fn write(&self, writer: &mut ByteWriter) {
        let set = self.registers.iter().filter(|rank| **rank > 0).count();
        writer.varint(set as u64);
        if set * 3 >= REGISTERS {
            writer.raw(&self.registers);
            return;
        }
        for (position, rank) in self.registers.iter().enumerate() {
            if *rank > 0 {
                writer.raw(&(position as u16).to_le_bytes());
                writer.byte(*rank);
            }
        }
    }

    /// Reads what [`Self::write`] wrote.
    pub(super) fn read(reader: &mut ByteReader<'_>) -> Result<Self, StatsError> {
        let set = reader.length()?;
        let mut sketch = Self::new();
        if set * 3 >= REGISTERS {
            sketch.registers.copy_from_slice(reader.take(REGISTERS)?);
        } else {
            for entry in reader.take(set * 3)?.as_chunks::<3>().0 {
                let position = usize::from(u16::from_le_bytes([entry[0], entry[1]]));
                sketch.registers[position % REGISTERS] = entry[2];
            }
        }
        if sketch.registers.iter().any(|rank| usize::from(*rank) > MAX_RANK) {
            return Err(reader.failure("a register is out of range"));
        }
        Ok(sketch)
    }
}

fn sigma(share: f64) -> f64 {
    if share >= 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut weight, mut sum) = (share, 1.0, share);
    loop {
        power *= power;
        let before = sum;
        sum += power * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

fn tau(share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        return 0.0;
    }
    let (mut root, mut weight, mut sum) = (share, 1.0, 1.0 - share);
    loop {
        root = root.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - root) * (1.0 - root) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::hash::hash_word;

    fn sketch_of(values: std::ops::Range<u64>) -> DistinctSketch {
        let mut sketch = DistinctSketch::new();
        values.for_each(|value| sketch.insert(hash_word(value)));
        sketch
    }

    #[test]
    fn estimates_are_within_four_standard_errors() {
        for count in [0, 1, 10, 500, 4_000, 20_000, 300_000, 2_000_000] {
            let estimate = sketch_of(0..count).estimate();
            let error = (estimate - count as f64).abs();
            assert!(error <= 0.065 * count as f64, "{count}: {estimate}");
        }
    }

    #[test]
    fn merge_equals_whole_and_bytes_round_trip() {
        for count in [0, 5, 1_000, 100_000] {
            let whole = sketch_of(0..count);
            let mut merged = sketch_of(0..count / 2);
            merged.merge(&sketch_of(count / 3..count));
            assert_eq!(merged, whole);
            let mut writer = ByteWriter::new();
            whole.write(&mut writer);
            let bytes = writer.into_bytes();
            assert_eq!(DistinctSketch::read(&mut ByteReader::new(&bytes)).unwrap(), whole);
        }
    }
}
