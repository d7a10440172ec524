//! Drift as NannyML 0.13 defines it: everything is fitted on the reference, chunks are scored.
//!
//! Kolmogorov-Smirnov and Wasserstein are computed on the full samples at every size; NannyML
//! itself estimates them on bins from 10,000 reference rows on.

use super::binning::{doane_edges, histogram};
use super::distance::{self, LogBase};
use super::sample::{Prepared, proportions};
use super::{Convention, Method, Score, chi_square, kolmogorov_smirnov, misfit, undefined};
use crate::StatsError;

/// Level at which the chi-square test alerts; the other methods learn their threshold.
pub(super) const CHI_SQUARE_LEVEL: f64 = 0.05;

/// Reference size from which NannyML itself estimates KS and Wasserstein on bins.
const ESTIMATED_ROWS: usize = 10_000;

/// Numbers with at most this many distinct values, and at most a tenth of the rows, are categories.
const DISCRETE_VALUES: usize = 50;

/// A reference with its bins, ready to score many chunks.
pub(super) struct Reference<'a> {
    sample: &'a Prepared,
    bins: Option<Bins>,
}

struct Bins {
    edges: Vec<f64>,
    proportions: Vec<f64>,
}

impl<'a> Reference<'a> {
    /// Bins the reference where it is continuous.
    pub(super) fn fit(sample: &'a Prepared) -> Self {
        let bins = match sample {
            Prepared::Numbers(sorted) if is_continuous(sample) => {
                let edges = doane_edges(sorted);
                Some(Bins { proportions: proportions(&histogram(sorted, &edges)), edges })
            }
            _ => None,
        };
        Self { sample, bins }
    }

    /// Scores one chunk or window against the reference.
    pub(super) fn score(&self, method: Method, current: &Prepared) -> Result<Score, StatsError> {
        match (method, self.sample, current) {
            (Method::JensenShannon, _, _) => self.binned(current, |p, q| distance::jensen_shannon(p, q, LogBase::Two)),
            (Method::Hellinger, _, _) => self.binned(current, distance::hellinger_from_roots),
            (Method::Ks, Prepared::Numbers(reference), Prepared::Numbers(chunk)) => {
                Ok(self.on_full_samples(kolmogorov_smirnov::largest_gap(reference, chunk)))
            }
            (Method::Wasserstein, Prepared::Numbers(reference), Prepared::Numbers(chunk)) => {
                Ok(self.on_full_samples(distance::wasserstein(reference, chunk)))
            }
            (Method::LInfinity, Prepared::Categories(_), _) => self.binned(current, distance::l_infinity),
            (Method::ChiSquare, Prepared::Categories(_), _) => self.chi_square(current),
            _ => Err(misfit(method, Convention::NannyMl, self.sample)),
        }
    }

    fn on_full_samples(&self, value: f64) -> Score {
        let score = Score::distance(value);
        match self.sample.rows() >= ESTIMATED_ROWS {
            true => score.with_note("computed on all rows; NannyML estimates it on bins from 10,000 reference rows on"),
            false => score,
        }
    }

    fn chi_square(&self, current: &Prepared) -> Result<Score, StatsError> {
        let counts = self.sample.paired_counts(current).ok_or(StatsError::SampleKinds)?;
        chi_square::independence(&counts.reference, &counts.current)
            .ok_or_else(|| undefined(Method::ChiSquare, "the test has no p-value for these counts"))
    }

    /// Mass of the chunk outside the reference's range is an extra bin with no reference share.
    /// Categories need no such bin: these distances are linear in shares the reference lacks.
    fn binned(&self, current: &Prepared, distance: impl Fn(&[f64], &[f64]) -> f64) -> Result<Score, StatsError> {
        let (Some(bins), Prepared::Numbers(chunk)) = (&self.bins, current) else {
            let (p, q) = self.sample.paired_counts(current).ok_or(StatsError::SampleKinds)?.proportions();
            return Ok(Score::distance(distance(&p, &q)));
        };
        let mut counts = histogram(chunk, &bins.edges);
        counts.push(chunk.len() as f64 - counts.iter().sum::<f64>());
        let mut reference = bins.proportions.clone();
        reference.push(0.0);
        Ok(Score::distance(distance(&reference, &proportions(&counts))).with_edges(Some(bins.edges.clone())))
    }
}

fn is_continuous(sample: &Prepared) -> bool {
    let values = sample.distinct();
    values > DISCRETE_VALUES || values as f64 / sample.rows() as f64 > 0.1
}
