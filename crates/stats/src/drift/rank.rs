//! Ranks of pooled samples and the Mann-Whitney U test.
//!
//! Ties get their average rank. The alternative is 'less': the reference tends to smaller
//! values, as Evidently calls scipy's `mannwhitneyu`. Reads sorted slices.

use super::tail::normal_survival;

/// Up to this many rows in the smaller sample, and without ties, the distribution is exact.
const EXACT_ROWS: usize = 8;

/// Above this the exact counts would overflow 128 bits.
const EXACT_PARTNER_ROWS: usize = 100_000;

/// Average ranks (from 1) of both samples in the pooled order, and the sizes of the ties.
pub(super) struct Midranks {
    pub(super) reference: Vec<f64>,
    pub(super) current: Vec<f64>,
    pub(super) ties: Vec<f64>,
}

/// U of the reference and the one-sided p-value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MannWhitney {
    pub(super) statistic: f64,
    pub(super) p_value: f64,
}

/// Ranks two sorted samples together.
pub(super) fn midranks(reference: &[f64], current: &[f64]) -> Midranks {
    let mut ranks = Midranks {
        reference: Vec::with_capacity(reference.len()),
        current: Vec::with_capacity(current.len()),
        ties: Vec::new(),
    };
    let (mut left, mut right) = (0, 0);
    while left < reference.len() || right < current.len() {
        let value = match (reference.get(left), current.get(right)) {
            (Some(a), Some(b)) => a.min(*b),
            (Some(value), None) | (None, Some(value)) => *value,
            (None, None) => break,
        };
        let in_reference = reference[left..].iter().take_while(|other| **other == value).count();
        let in_current = current[right..].iter().take_while(|other| **other == value).count();
        let tied = (in_reference + in_current) as f64;
        let rank = (left + right) as f64 + (tied + 1.0) / 2.0;
        ranks.reference.extend(std::iter::repeat_n(rank, in_reference));
        ranks.current.extend(std::iter::repeat_n(rank, in_current));
        ranks.ties.push(tied);
        left += in_reference;
        right += in_current;
    }
    ranks
}

/// Tests whether the reference tends to smaller values. None when all values are equal.
pub(super) fn mann_whitney(reference: &[f64], current: &[f64]) -> Option<MannWhitney> {
    let (m, n) = (reference.len() as f64, current.len() as f64);
    let ranks = midranks(reference, current);
    let statistic = ranks.reference.iter().sum::<f64>() - m * (m + 1.0) / 2.0;
    let has_ties = ranks.ties.iter().any(|tied| *tied > 1.0);
    let (smaller, larger) = (reference.len().min(current.len()), reference.len().max(current.len()));
    let p_value = if smaller <= EXACT_ROWS && larger <= EXACT_PARTNER_ROWS && !has_ties {
        exact(m * n - statistic, smaller, larger)
    } else {
        approximate(m * n - statistic, m, n, &ranks.ties)?
    };
    Some(MannWhitney { statistic, p_value })
}

/// Normal approximation with tie and continuity correction.
fn approximate(upper: f64, m: f64, n: f64, ties: &[f64]) -> Option<f64> {
    let total = m + n;
    let tie_term: f64 = ties.iter().map(|tied| tied.powi(3) - tied).sum();
    let variance = m * n / 12.0 * (total + 1.0 - tie_term / (total * (total - 1.0)));
    if variance <= 0.0 {
        return None;
    }
    Some(normal_survival((upper - m * n / 2.0 - 0.5) / variance.sqrt()).min(1.0))
}

/// P(U >= upper) without ties.
///
/// The number of arrangements per U is the Gaussian binomial coefficient, built by multiplying
/// with (1 - q^(n+i)) and dividing by (1 - q^i). Intermediate values wrap; the results are
/// integers below 2^128, so modular arithmetic ends at the exact counts.
fn exact(upper: f64, smaller: usize, larger: usize) -> f64 {
    let size = smaller * larger + 1;
    let mut counts = vec![0_u128; size];
    counts[0] = 1;
    for i in 1..=smaller {
        for power in (larger + i..size).rev() {
            counts[power] = counts[power].wrapping_sub(counts[power - larger - i]);
        }
        for power in i..size {
            counts[power] = counts[power].wrapping_add(counts[power - i]);
        }
    }
    let total: f64 = counts.iter().map(|count| *count as f64).sum();
    let reached: f64 = counts.iter().skip(upper.max(0.0) as usize).map(|count| *count as f64).sum();
    reached / total
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy 1.17.1: mannwhitneyu(reference, current, alternative='less').
    #[test]
    fn equals_scipy() {
        assert_result(&[1.0, 2.0, 3.0], &[2.5, 3.5, 4.0, 5.0], 1.0, 0.05714285714285714);
        assert_result(&[1.0, 5.0, 9.0], &[2.5, 3.5, 4.0, 5.5], 7.0, 0.6857142857142857);
        assert_result(
            &[1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
            &[2.0, 3.0, 4.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 12.0],
            38.0,
            0.19107816388912086,
        );
        assert_result(
            &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
            &[
                3.25, 3.75, 4.25, 4.75, 5.25, 5.75, 6.25, 6.75, 7.25, 7.75, 8.25, 8.75, 9.25, 9.75, 10.25, 10.75,
                11.25, 11.75, 12.25, 12.75, 13.25, 13.75, 14.25, 14.75, 15.25, 15.75, 16.25, 16.75, 17.25, 17.75,
            ],
            20.0,
            4.292127032564463e-05,
        );
        assert_result(
            &[
                0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0,
                19.0,
            ],
            &[
                6.25,
                7.15,
                8.05,
                8.95,
                9.85,
                10.75,
                11.65,
                12.55,
                13.45,
                14.35,
                15.25,
                16.15,
                17.05,
                17.950000000000003,
                18.85,
                19.75,
                20.65,
                21.55,
                22.45,
                23.35,
                24.25,
                25.150000000000002,
                26.05,
                26.95,
                27.85,
                28.75,
                29.650000000000002,
                30.55,
                31.45,
                32.35,
            ],
            104.0,
            5.408895680024653e-05,
        );
        assert_result(&[5.0, 6.0, 7.0], &[1.0, 2.0, 3.0], 9.0, 1.0);
    }

    #[test]
    fn constant_values_have_no_p_value() {
        assert_eq!(mann_whitney(&[1.0; 12], &[1.0; 12]), None);
    }

    fn assert_result(reference: &[f64], current: &[f64], statistic: f64, p_value: f64) {
        let result = mann_whitney(reference, current).unwrap();
        assert_eq!(result.statistic, statistic);
        assert!((result.p_value - p_value).abs() <= 1e-9, "{result:?} is not {p_value}");
    }
}
