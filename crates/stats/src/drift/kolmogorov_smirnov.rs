//! Two-sample Kolmogorov-Smirnov test, with the p-value scipy's `ks_2samp` gives.
//!
//! Exact up to 10,000 rows by counting lattice paths; above that the one-sample distribution
//! at the effective size, not Kolmogorov's limit. Reads sorted slices.

use super::kolmogorov;

/// Largest sample for which the exact path is taken.
const EXACT_ROWS: usize = 10_000;

/// The largest gap of the two distribution functions and its two-sided p-value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct KolmogorovSmirnov {
    pub(super) statistic: f64,
    pub(super) p_value: f64,
}

/// Tests two sorted, non-empty samples.
pub(super) fn two_sample(reference: &[f64], current: &[f64]) -> KolmogorovSmirnov {
    let statistic = largest_gap(reference, current);
    let (larger, smaller) = (reference.len().max(current.len()), reference.len().min(current.len()));
    if larger <= EXACT_ROWS {
        return exact(statistic, larger, smaller);
    }
    let (m, n) = (larger as f64, smaller as f64);
    let effective_rows = (m * n / (m + n)).round_ties_even();
    KolmogorovSmirnov { statistic, p_value: kolmogorov::survival(effective_rows as u64, statistic) }
}

/// The largest absolute difference of the distribution functions of two sorted samples.
pub(super) fn largest_gap(reference: &[f64], current: &[f64]) -> f64 {
    let (mut left, mut right, mut largest) = (0, 0, 0.0_f64);
    while left < reference.len() && right < current.len() {
        let next = reference[left].min(current[right]);
        left += reference[left..].iter().take_while(|value| **value == next).count();
        right += current[right..].iter().take_while(|value| **value == next).count();
        let gap = left as f64 / reference.len() as f64 - right as f64 / current.len() as f64;
        largest = largest.max(gap.abs());
    }
    largest
}

fn exact(statistic: f64, larger: usize, smaller: usize) -> KolmogorovSmirnov {
    let divisor = greatest_common_divisor(larger, smaller);
    let multiple = (larger / divisor * smaller) as f64;
    let height = (statistic * multiple).round_ties_even();
    let p_value = match (height as u64, larger == smaller) {
        (0, _) => 1.0,
        (height, true) => outside_square(larger as u64, height),
        (height, false) => outside_band(larger, smaller, divisor, height as i64),
    };
    KolmogorovSmirnov { statistic: height / multiple, p_value: p_value.clamp(0.0, 1.0) }
}

/// Probability that a path through an n x n square touches |x - y| = height.
///
/// The alternating reflection series 2 (A1 - A2 + A3 ...), with every term written as a factor
/// of the one before, so that nothing large is subtracted.
fn outside_square(rows: u64, height: u64) -> f64 {
    let mut probability = 0.0;
    for reflection in (0..=rows / height).rev() {
        let mut ratio = 1.0;
        for step in 0..height {
            let numerator = rows as f64 - (reflection * height + step) as f64;
            ratio *= numerator / (rows + reflection * height + step + 1) as f64;
        }
        probability = ratio * (1.0 - probability);
    }
    2.0 * probability
}

/// Probability that a lattice path from the origin to (larger, smaller) leaves the open band
/// |x / larger - y / smaller| < height / lcm.
///
/// `left[y]` is the probability that a random path to (x, y) has left the band already. The last
/// step to (x, y) came from the side with probability x / (x + y); all terms are positive, so
/// small probabilities keep their digits. Work is larger x the width of the band.
fn outside_band(larger: usize, smaller: usize, divisor: usize, height: i64) -> f64 {
    let (x_unit, y_unit) = ((smaller / divisor) as i64, (larger / divisor) as i64);
    let first_above = |x: i64| ((x * x_unit + height + y_unit - 1) / y_unit).min(smaller as i64 + 1);
    let mut left = vec![1.0; smaller + 1];
    for inside in left.iter_mut().take(first_above(0) as usize) {
        *inside = 0.0;
    }
    for x in 1..=larger as i64 {
        let lowest = ((x * x_unit - height).div_euclid(y_unit) + 1).max(0);
        let mut below = 1.0;
        for y in lowest..first_above(x) {
            let (steps_right, steps_up) = (x as f64, y as f64);
            below = (left[y as usize] * steps_right + below * steps_up) / (steps_right + steps_up);
            left[y as usize] = below;
        }
        if lowest >= first_above(x) {
            return 1.0;
        }
    }
    left[smaller]
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(actual: f64, expected: f64, relative: f64) {
        assert!((actual - expected).abs() <= relative * expected.abs(), "{actual} is not {expected}");
    }

    fn grid(rows: usize, scale: f64, shift: f64) -> Vec<f64> {
        (0..rows).map(|row| row as f64 * scale + shift).collect()
    }

    // Expected values: scipy 1.17.1 ks_2samp on the same grids.
    #[test]
    fn exact_p_values_equal_scipy() {
        for (reference, current, statistic, p_value) in KS_EXACT {
            let result =
                two_sample(&grid(reference.0, reference.1, reference.2), &grid(current.0, current.1, current.2));
            assert_close(result.statistic, statistic, 1e-12);
            assert_close(result.p_value, p_value, 1e-9);
        }
    }

    #[test]
    fn large_samples_use_the_effective_size() {
        for (reference, current, statistic, p_value) in KS_LARGE {
            let result =
                two_sample(&grid(reference.0, reference.1, reference.2), &grid(current.0, current.1, current.2));
            assert_close(result.statistic, statistic, 1e-12);
            assert_close(result.p_value, p_value, 1e-6);
        }
    }

    #[test]
    fn equal_samples_are_not_different() {
        let values = grid(30, 1.0, 0.0);
        assert_eq!(two_sample(&values, &values), KolmogorovSmirnov { statistic: 0.0, p_value: 1.0 });
    }

    type Grid = (usize, f64, f64);
    const KS_EXACT: [(Grid, Grid, f64, f64); 7] = [
        ((10, 1.0, 0.0), (10, 1.0, 3.5), 0.4, 0.41752365281777043),
        ((7, 1.0, 0.0), (12, 0.9, 0.25), 0.4166666666666667, 0.33577439072795107),
        ((50, 1.0, 0.0), (50, 0.8, 2.0), 0.16, 0.5486851446031328),
        ((100, 1.0, 0.0), (37, 2.0, 8.25), 0.19, 0.2437756657961482),
        ((900, 1.0, 0.0), (700, 1.3, 1.0), 0.013015873015873015, 0.9999997083790899),
        ((5, 1.0, 0.0), (9, 1.0, 100.0), 1.0, 0.0009990009990009992),
        ((1000, 1.0, 0.0), (999, 1.0007, 0.5), 0.0012842842842842844, 1.0),
    ];

    const KS_LARGE: [(Grid, Grid, f64, f64); 10] = [
        ((20000, 1.0, 0.0), (5000, 4.0, 700.0), 0.03500000000000003, 0.00010811454099820625),
        ((20000, 1.0, 0.0), (40, 500.0, 3000.0), 0.15000000000000002, 0.2984139906821319),
        ((20000, 1.0, 0.0), (3, 500.0, 3000.0), 0.7999499999999999, 0.016012003000250016),
        ((30000, 1.0, 0.0), (100, 300.0, 400.0), 0.01333333333333342, 1.0),
        ((20000, 1.0, 0.0), (15000, 1.3333, 100.0), 0.00503333333333339, 0.980928940062096),
        ((20000, 1.0, 0.0), (15000, 1.3333, 200.0), 0.010033333333333394, 0.3517874581386744),
        ((20000, 1.0, 0.0), (120, 150.0, 20.0), 0.10645000000000004, 0.12531607655962526),
        ((50000, 1.0, 0.0), (1000, 49.9, 120.0), 0.002400000000000001, 1.0),
        ((20000, 1.0, 0.0), (30, 10.0, 9000.0), 0.53545, 1.445020039523194e-08),
        ((100000, 1.0, 0.0), (90000, 1.1, 0.0), 0.010009999999999963, 0.00014979395098895065),
    ];
}
