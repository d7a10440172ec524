//! Drift over ten bins of equal reference share, the convention of credit scoring.
//!
//! Edges come from the reference alone and values outside are clipped into the outermost bins,
//! so a stored reference gives the same figure for every later window.

use super::binning::{clipped_histogram, fill_zeros, quantile_edges};
use super::distance::{self, LogBase};
use super::sample::{Prepared, proportions};
use super::{Convention, Method, Score, misfit};
use crate::StatsError;

/// PSI from which the shift counts as major; from 0.1 it is moderate.
const MAJOR_SHIFT: f64 = 0.25;
const MODERATE_SHIFT: f64 = 0.1;

/// The threshold when none is given.
pub(super) fn threshold(method: Method) -> f64 {
    if method == Method::Psi { MAJOR_SHIFT } else { MODERATE_SHIFT }
}

/// Computes the score of a method.
pub(super) fn score(method: Method, reference: &Prepared, current: &Prepared) -> Result<Score, StatsError> {
    let (mut p, mut q, edges) = binned(reference, current)?;
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

fn binned(reference: &Prepared, current: &Prepared) -> Result<Shares, StatsError> {
    if let (Prepared::Numbers(left), Prepared::Numbers(right)) = (reference, current) {
        let edges = quantile_edges(left);
        let p = proportions(&clipped_histogram(left, &edges));
        let q = proportions(&clipped_histogram(right, &edges));
        return Ok((p, q, Some(edges)));
    }
    let (p, q) = reference.paired_counts(current).ok_or(StatsError::SampleKinds)?.proportions();
    Ok((p, q, None))
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
