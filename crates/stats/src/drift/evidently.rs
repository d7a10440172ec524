//! Drift as Evidently 0.7 defines it: test by size and type, Sturges bins over both samples.

use super::binning::{fill_zeros, histogram, sturges_edges};
use super::distance::{self, LogBase};
use super::sample::{Prepared, distinct, proportions};
use super::{Convention, Method, Score, chi_square, cramer_von_mises, kolmogorov_smirnov, location, rank};
use super::{misfit, undefined};
use crate::StatsError;

/// Reference size up to which a test is chosen, above it a distance.
const SMALL_ROWS: usize = 1000;

/// Numbers with at most this many distinct values are treated as categories by the choice.
const FEW_VALUES: usize = 5;

/// References with at most this many distinct numbers are not binned.
const UNBINNED_VALUES: usize = 20;

/// Proportions of both samples over the same bins, and the edges where there are any.
struct Binned {
    reference: Vec<f64>,
    current: Vec<f64>,
    edges: Option<Vec<f64>>,
}

/// The method Evidently takes when none is named.
pub(super) fn automatic(reference: &Prepared, current: &Prepared) -> Method {
    let values = reference.paired_counts(current).map_or(0, |counts| counts.reference.len());
    let is_continuous = matches!(reference, Prepared::Numbers(_)) && values > FEW_VALUES;
    match (reference.rows() <= SMALL_ROWS, is_continuous) {
        (true, true) => Method::Ks,
        (true, false) if values > 2 => Method::ChiSquare,
        (true, false) => Method::Z,
        (false, true) => Method::Wasserstein,
        (false, false) => Method::JensenShannon,
    }
}

/// The threshold Evidently takes when none is given.
pub(super) fn threshold(method: Method) -> f64 {
    match method {
        Method::Ks | Method::MannWhitney | Method::TTest | Method::ChiSquare | Method::Z => 0.05,
        _ => 0.1,
    }
}

/// Computes the score of a method.
pub(super) fn score(method: Method, reference: &Prepared, current: &Prepared) -> Result<Score, StatsError> {
    match (method, reference, current) {
        (Method::Psi, _, _) => binned(reference, current, true).map_or_else(
            || Err(misfit(method, Convention::Evidently, reference)),
            |bins| Ok(bins.score(distance::population_stability_index)),
        ),
        (Method::KlDivergence, _, _) => binned(reference, current, true).map_or_else(
            || Err(misfit(method, Convention::Evidently, reference)),
            |bins| Ok(bins.score(distance::kl_divergence)),
        ),
        (Method::JensenShannon, _, _) => binned(reference, current, false).map_or_else(
            || Err(misfit(method, Convention::Evidently, reference)),
            |bins| Ok(bins.score(|p, q| distance::jensen_shannon(p, q, LogBase::Natural))),
        ),
        (Method::ChiSquare | Method::Z, _, _) => counted(method, reference, current),
        (Method::Hellinger, Prepared::Categories(_), _) => counted(method, reference, current),
        (_, Prepared::Numbers(reference), Prepared::Numbers(current)) => numeric(method, reference, current),
        _ => Err(misfit(method, Convention::Evidently, reference)),
    }
}

fn counted(method: Method, reference: &Prepared, current: &Prepared) -> Result<Score, StatsError> {
    let Some(counts) = reference.paired_counts(current) else {
        return Err(StatsError::SampleKinds);
    };
    if method == Method::Hellinger {
        let (p, q) = counts.proportions();
        return Ok(Score::distance(distance::hellinger_from_overlap(&p, &q)));
    }
    let tested = match method {
        Method::ChiSquare => chi_square::goodness_of_fit(&counts.reference, &counts.current),
        _ => location::proportion_z(&counts.reference, &counts.current),
    };
    let score = tested.ok_or_else(|| undefined(method, "the test has no p-value for these counts"))?;
    Ok(match (method, counts.reference.len()) {
        (Method::Z, values) if values > 2 => {
            score.with_note(format!("{values} values: the first one is tested against the rest"))
        }
        _ => score,
    })
}

fn numeric(method: Method, reference: &[f64], current: &[f64]) -> Result<Score, StatsError> {
    match method {
        Method::Ks => {
            let test = kolmogorov_smirnov::two_sample(reference, current);
            Ok(Score::p_value(test.p_value, test.statistic))
        }
        Method::Wasserstein => {
            let unit = distance::standard_deviation(reference).max(0.001);
            Ok(Score::distance(distance::wasserstein(reference, current) / unit))
        }
        Method::Hellinger => Ok(hellinger(reference, current)),
        Method::EnergyDistance => Ok(Score::distance(distance::energy(reference, current))),
        Method::CramerVonMises if reference.len() < 2 || current.len() < 2 => {
            Err(undefined(method, "each sample needs at least two rows"))
        }
        Method::CramerVonMises => {
            let test = cramer_von_mises::two_sample(reference, current);
            Ok(Score::p_value(test.p_value, test.statistic))
        }
        Method::MannWhitney => rank::mann_whitney(reference, current)
            .map(|test| Score::p_value(test.p_value, test.statistic))
            .ok_or_else(|| undefined(method, "all values are equal")),
        Method::TTest => location::pooled_t(reference, current)
            .ok_or_else(|| undefined(method, "the samples have no variance or fewer than three rows together")),
        _ => Err(StatsError::DriftMethod { method, convention: Convention::Evidently, kind: "numeric" }),
    }
}

/// Bins over the distinct values of both samples, so that ties do not add bins.
fn hellinger(reference: &[f64], current: &[f64]) -> Score {
    let mut values = [reference, current].concat();
    values.sort_unstable_by(f64::total_cmp);
    let values = distinct(&values);
    let edges = sturges_edges(values[0], values[values.len() - 1], values.len());
    let p = proportions(&histogram(reference, &edges));
    let q = proportions(&histogram(current, &edges));
    Score::distance(distance::hellinger_from_overlap(&p, &q)).with_edges(Some(edges))
}

fn binned(reference: &Prepared, current: &Prepared, fill: bool) -> Option<Binned> {
    let mut bins = match (reference, current) {
        (Prepared::Numbers(left), Prepared::Numbers(right)) if reference.distinct() > UNBINNED_VALUES => {
            equal_width(left, right)
        }
        _ => {
            let (reference, current) = reference.paired_counts(current)?.proportions();
            Binned { reference, current, edges: None }
        }
    };
    if fill {
        fill_zeros(&mut bins.reference);
        fill_zeros(&mut bins.current);
    }
    Some(bins)
}

fn equal_width(reference: &[f64], current: &[f64]) -> Binned {
    let lowest = reference[0].min(current[0]);
    let highest = reference[reference.len() - 1].max(current[current.len() - 1]);
    let edges = sturges_edges(lowest, highest, reference.len() + current.len());
    Binned {
        reference: proportions(&histogram(reference, &edges)),
        current: proportions(&histogram(current, &edges)),
        edges: Some(edges),
    }
}

impl Binned {
    fn score(self, distance: impl Fn(&[f64], &[f64]) -> f64) -> Score {
        Score::distance(distance(&self.reference, &self.current)).with_edges(self.edges)
    }
}
