//! Count, mean and variance that merge.
//!
//! A chunk is summed in two passes over eight lanes, chunks are joined by Chan's formula: fast, stable far from zero,
//! and the same bits for the same rows in the same order.

use super::bytes::{ByteReader, ByteWriter};
use crate::error::StatsError;

const LANES: usize = 8;

/// Moments of a set of finite numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Moments {
    pub(super) count: u64,
    pub(super) mean: f64,
    /// Sum of squared deviations from the mean.
    pub(super) squares: f64,
}

impl Moments {
    /// Moments of one chunk.
    pub(super) fn of(values: &[f64]) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let count = values.len() as f64;
        let centre = lane_sum(values, |value| value) / count;
        let shift = lane_sum(values, |value| value - centre);
        let squares = lane_sum(values, |value| (value - centre) * (value - centre));
        Self {
            count: values.len() as u64,
            mean: centre + shift / count,
            squares: (squares - shift * shift / count).max(0.0),
        }
    }

    /// Joins two disjoint sets (Chan, Golub, LeVeque 1979).
    pub(super) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (mine, theirs) = (self.count as f64, other.count as f64);
        let delta = other.mean - self.mean;
        self.count += other.count;
        self.mean += delta * (theirs / (mine + theirs));
        self.squares += other.squares + delta * delta * (mine * theirs / (mine + theirs));
    }

    /// Sample standard deviation (divisor n − 1); none below two values.
    pub(super) fn standard_deviation(&self) -> Option<f64> {
        (self.count >= 2).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }

    pub(super) fn write(&self, writer: &mut ByteWriter) {
        writer.varint(self.count);
        writer.float(self.mean);
        writer.float(self.squares);
    }

    pub(super) fn read(reader: &mut ByteReader<'_>) -> Result<Self, StatsError> {
        Ok(Self { count: reader.varint()?, mean: reader.float()?, squares: reader.float()? })
    }
}

/// Sums in a fixed order over independent lanes, which the compiler turns into vector additions.
#[inline]
fn lane_sum(values: &[f64], term: impl Fn(f64) -> f64) -> f64 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += term(*value);
        }
    }
    let tail: f64 = rest.iter().map(|value| term(*value)).sum();
    lanes.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_numpy_far_from_zero() {
        // numpy: x = 1e9 + np.arange(1000) % 7; x.mean(), x.std(ddof=1)
        let values: Vec<f64> = (0..1000).map(|row| 1e9 + f64::from(row % 7)).collect();
        let moments = Moments::of(&values);
        assert_eq!(moments.mean, 1_000_000_002.997);
        let deviation = moments.standard_deviation().unwrap();
        assert!((deviation - 1.999_747_481_556_106).abs() < 1e-9, "{deviation}");
    }

    #[test]
    fn one_value_has_no_deviation() {
        assert_eq!(Moments::of(&[3.0]).standard_deviation(), None);
        assert_eq!(Moments::of(&[]), Moments::default());
    }
}
