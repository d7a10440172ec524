//! Distances between two distributions: on proportions per bin, and on sorted numbers.
//!
//! Pure formulas in natural units; binning, filling and thresholds are decided by the caller.
//! Every function is linear in the input after sorting.

/// Base of the logarithm in the Jensen-Shannon distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogBase {
    Natural,
    Two,
}

/// Population stability index, sum of (p - q) ln(p / q). Both sides must be filled.
pub(super) fn population_stability_index(reference: &[f64], current: &[f64]) -> f64 {
    pairs(reference, current).map(|(p, q)| (p - q) * (p / q).ln()).sum()
}

/// Kullback-Leibler divergence of the reference from the current, after normalising both.
pub(super) fn kl_divergence(reference: &[f64], current: &[f64]) -> f64 {
    let (reference_total, current_total) = (total(reference), total(current));
    pairs(reference, current).map(|(p, q)| relative_entropy(p / reference_total, q / current_total)).sum()
}

/// Jensen-Shannon distance: the square root of the divergence.
pub(super) fn jensen_shannon(reference: &[f64], current: &[f64], base: LogBase) -> f64 {
    let (reference_total, current_total) = (total(reference), total(current));
    let doubled: f64 = pairs(reference, current)
        .map(|(p, q)| (p / reference_total, q / current_total))
        .map(|(p, q)| relative_entropy(p, (p + q) / 2.0) + relative_entropy(q, (p + q) / 2.0))
        .sum();
    let scale = if base == LogBase::Two { std::f64::consts::LN_2 } else { 1.0 };
    // Rounding can leave a tiny negative sum for equal distributions.
    (doubled.max(0.0) / scale / 2.0).sqrt()
}

/// Hellinger distance from the Bhattacharyya coefficient, sqrt(1 - sum sqrt(p q)).
pub(super) fn hellinger_from_overlap(reference: &[f64], current: &[f64]) -> f64 {
    let overlap: f64 = pairs(reference, current).map(|(p, q)| (p * q).sqrt()).sum();
    (1.0 - overlap.clamp(0.0, 1.0)).sqrt()
}

/// Hellinger distance as the scaled Euclidean distance of the roots.
pub(super) fn hellinger_from_roots(reference: &[f64], current: &[f64]) -> f64 {
    let squares: f64 = pairs(reference, current).map(|(p, q)| (p.sqrt() - q.sqrt()).powi(2)).sum();
    squares.sqrt() / std::f64::consts::SQRT_2
}

/// Largest absolute difference of two proportions.
pub(super) fn l_infinity(reference: &[f64], current: &[f64]) -> f64 {
    pairs(reference, current).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max)
}

/// Earth mover's distance of two sorted samples: the area between the distribution functions.
pub(super) fn wasserstein(reference: &[f64], current: &[f64]) -> f64 {
    between_distribution_functions(reference, current, f64::abs)
}

/// Energy distance of two sorted samples, sqrt(2 * integral of (F - G)^2), as scipy defines it.
pub(super) fn energy(reference: &[f64], current: &[f64]) -> f64 {
    std::f64::consts::SQRT_2 * between_distribution_functions(reference, current, |gap| gap * gap).sqrt()
}

/// Population standard deviation (divisor n).
pub(super) fn standard_deviation(values: &[f64]) -> f64 {
    let rows = values.len() as f64;
    let mean = values.iter().sum::<f64>() / rows;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / rows).sqrt()
}

fn between_distribution_functions(reference: &[f64], current: &[f64], weight: impl Fn(f64) -> f64) -> f64 {
    let (mut left, mut right, mut area) = (0, 0, 0.0);
    let mut position = f64::NAN;
    while left < reference.len() || right < current.len() {
        let next = match (reference.get(left), current.get(right)) {
            (Some(a), Some(b)) => a.min(*b),
            (Some(value), None) | (None, Some(value)) => *value,
            (None, None) => break,
        };
        if left + right > 0 {
            let gap = left as f64 / reference.len() as f64 - right as f64 / current.len() as f64;
            area += weight(gap) * (next - position);
        }
        position = next;
        left += reference[left..].iter().take_while(|value| **value == next).count();
        right += current[right..].iter().take_while(|value| **value == next).count();
    }
    area
}

fn pairs<'a>(reference: &'a [f64], current: &'a [f64]) -> impl Iterator<Item = (f64, f64)> + 'a {
    reference.iter().copied().zip(current.iter().copied())
}

fn total(values: &[f64]) -> f64 {
    values.iter().sum()
}

/// p ln(p / q), with 0 ln 0 = 0.
fn relative_entropy(p: f64, q: f64) -> f64 {
    if p > 0.0 { p * (p / q).ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_disjoint_samples() {
        let (zeros, threes) = (vec![0.0; 4], vec![3.0; 2]);
        assert_eq!(wasserstein(&zeros, &threes), 3.0);
        assert!((energy(&zeros, &threes) - 6.0_f64.sqrt()).abs() < 1e-15);
        assert!((jensen_shannon(&[1.0, 0.0], &[0.0, 1.0], LogBase::Two) - 1.0).abs() < 1e-15);
        assert_eq!(l_infinity(&[1.0, 0.0], &[0.0, 1.0]), 1.0);
        assert_eq!(hellinger_from_overlap(&[1.0, 0.0], &[0.0, 1.0]), 1.0);
    }

    #[test]
    fn distances_of_equal_samples_are_zero() {
        let values = vec![1.0, 2.0, 2.0, 5.0];
        assert_eq!(wasserstein(&values, &values), 0.0);
        assert_eq!(energy(&values, &values), 0.0);
        let shares = vec![0.3, 0.7];
        assert_eq!(population_stability_index(&shares, &shares), 0.0);
        assert_eq!(kl_divergence(&shares, &shares), 0.0);
        assert_eq!(hellinger_from_roots(&shares, &shares), 0.0);
    }
}
