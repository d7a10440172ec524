//! Drift over ten bins of equal reference share, the convention of credit scoring.
//!
//! Edges come from the reference alone and values outside are clipped into the outermost bins,
//! so a stored reference gives the same figure for every later window. References with few
//! distinct numbers are compared value by value: their quantiles would fall together.

use super::binning::{clipped_histogram, fill_zeros, quantile_edges};
use super::distance::{self, LogBase};
use super::sample::{Prepared, proportions};
use super::{Convention, Method, Score, misfit, undefined};
use crate::StatsError;

/// PSI from which the shift counts as major; from 0.1 it is moderate.
const MAJOR_SHIFT: f64 = 0.25;
const MODERATE_SHIFT: f64 = 0.1;

/// References with at most this many distinct numbers are not binned.
const UNBINNED_VALUES: usize = 20;

/// The threshold when none is given.
pub(super) fn threshold(method: Method) -> f64 {
    if method == Method::Psi { MAJOR_SHIFT } else { MODERATE_SHIFT }
}

/// Computes the score of a method.
pub(super) fn score(method: Method, reference: &Prepared, current: &Prepared) -> Result<Score, StatsError> {
    let (mut p, mut q, edges) = binned(method, reference, current)?;
    if matches!(method, Method::Psi | Method::KlDivergence) {
        fill_zeros(&mut p);
        fill_zeros(&mut q);
    }
    let value = match method {
        Method::Psi => distance::population_stability_index(&p, &q),
        Method::KlDivergence => distance::kl_divergence(&p, &q),
        Method::JensenShannon => distance::jensen_shannon(&p, &q, LogBase::Natural),
        Method::Hellinger => distance::hellinger_from_overlap(&p, &q),
        Method::LInfinity => distance::l_infinity(&p, &q),
        _ => return Err(misfit(method, Convention::Quantile10, reference)),
    };
    let score = Score::distance(value).with_edges(edges);
    Ok(match method {
        Method::Psi => score.with_note(stability(value)),
        _ => score,
    })
}

type Shares = (Vec<f64>, Vec<f64>, Option<Vec<f64>>);

fn binned(method: Method, reference: &Prepared, current: &Prepared) -> Result<Shares, StatsError> {
    match (reference, current) {
        (Prepared::Numbers(left), Prepared::Numbers(right)) if reference.distinct() > UNBINNED_VALUES => {
            let edges = quantile_edges(left);
            // With one bin every sample would look alike.
            if edges.len() < 3 {
                return Err(undefined(method, "nine tenths of the reference are one value"));
            }
            let p = proportions(&clipped_histogram(left, &edges));
            let q = proportions(&clipped_histogram(right, &edges));
            Ok((p, q, Some(edges)))
        }
        _ => {
            let (p, q) = reference.paired_counts(current).ok_or(StatsError::SampleKinds)?.proportions();
            Ok((p, q, None))
        }
    }
}

fn stability(index: f64) -> &'static str {
    if index < MODERATE_SHIFT {
        "stable: below 0.1"
    } else if index <= MAJOR_SHIFT {
        "moderate shift: 0.1 to 0.25"
    } else {
        "major shift: above 0.25"
    }
}
