//! Two-sample Cramer-von Mises test, with scipy's choice of exact and limiting p-values.
//!
//! T and its moments follow Anderson (1962), "On the distribution of the two-sample
//! Cramer-von Mises criterion"; the limit is series 1.3 of Csorgo & Faraway (1996); the exact
//! distribution counts paths as Xiao, Gordon & Yakovlev (2006) do. Reads sorted slices.

use std::collections::BTreeMap;
use std::f64::consts::PI;

use super::rank::midranks;

/// Largest sample for which the exact distribution is counted.
const EXACT_ROWS: usize = 20;

/// Series terms below this size end the sum; the same cut as scipy, so the same tail.
const SMALLEST_TERM: f64 = 1e-7;

/// The statistic T and its p-value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct CramerVonMises {
    pub(super) statistic: f64,
    pub(super) p_value: f64,
}

/// Tests two sorted samples of at least two rows each.
pub(super) fn two_sample(reference: &[f64], current: &[f64]) -> CramerVonMises {
    let (m, n) = (reference.len() as f64, current.len() as f64);
    let ranks = midranks(reference, current);
    let criterion = m * squared_rank_gaps(&ranks.reference) + n * squared_rank_gaps(&ranks.current);
    let statistic = criterion / (m * n * (m + n)) - (4.0 * m * n - 1.0) / (6.0 * (m + n));
    let p_value = match reference.len().max(current.len()) <= EXACT_ROWS {
        true => exact(criterion, reference.len() as u64, current.len() as u64),
        false => limiting(statistic, m, n),
    };
    CramerVonMises { statistic, p_value }
}

fn squared_rank_gaps(ranks: &[f64]) -> f64 {
    ranks.iter().enumerate().map(|(index, rank)| (rank - (index as f64 + 1.0)).powi(2)).sum()
}

/// p-value from the limit of the one-sample statistic at the standardised T.
fn limiting(statistic: f64, m: f64, n: f64) -> f64 {
    let (product, total) = (m * n, m + n);
    let mean = (1.0 + 1.0 / total) / 6.0;
    let variance = (total + 1.0) * (4.0 * product * total - 3.0 * (m * m + n * n) - 2.0 * product)
        / (45.0 * total * total * 4.0 * product);
    let standardised = 1.0 / 6.0 + (statistic - mean) / (45.0 * variance).sqrt();
    // Below 0.003 the distribution function is less than 1.3e-18.
    if standardised < 0.003 { 1.0 } else { (1.0 - limit_distribution(standardised)).max(0.0) }
}

fn limit_distribution(x: f64) -> f64 {
    let mut gamma_ratio = PI.sqrt();
    let mut sum = 0.0;
    for k in 0_u32.. {
        let odd = f64::from(4 * k + 1);
        let argument = odd * odd / (16.0 * x);
        let term = gamma_ratio / (PI.powf(1.5) * x.sqrt()) * odd.sqrt() * scaled_bessel_quarter(argument);
        sum += term;
        if term < SMALLEST_TERM {
            break;
        }
        let next = f64::from(k + 1);
        gamma_ratio *= (next - 0.5) / next;
    }
    sum
}

/// exp(-q) K_{1/4}(q), from the integral of exp(-q cosh t) cosh(t/4) over t > 0. The integrand
/// falls doubly exponentially, so the trapezoidal rule reaches machine precision.
fn scaled_bessel_quarter(q: f64) -> f64 {
    const STEP: f64 = 0.0625;
    let integrand = |t: f64| (-q * (t.cosh() + 1.0)).exp() * (t / 4.0).cosh();
    let mut sum = integrand(0.0) / 2.0;
    for step in 1_u32.. {
        let value = integrand(f64::from(step) * STEP);
        sum += value;
        if value <= sum * 1e-18 {
            break;
        }
    }
    sum * STEP
}

/// Share of all arrangements of the two samples whose criterion is at least the observed one.
fn exact(criterion: f64, m: u64, n: u64) -> f64 {
    let multiple = m / greatest_common_divisor(m, n) * n;
    let (a, b) = (multiple / m, multiple / n);
    let (m_float, n_float, squared) = (m as f64, n as f64, (multiple * multiple) as f64);
    let product = m_float * n_float;
    let bound = (squared * (m_float + n_float) * (6.0 * criterion - product * (4.0 * product - 1.0))
        / (6.0 * product * product))
        .floor();
    let counts = path_counts(m, n, a as i64, b as i64);
    let total: f64 = counts.values().sum();
    let reached: f64 = counts.iter().filter(|(value, _)| **value as f64 >= bound).map(|(_, paths)| paths).sum();
    reached / total
}

/// Number of lattice paths to (m, n) per sum of (a x - b y)^2 over the path.
fn path_counts(m: u64, n: u64, a: i64, b: i64) -> BTreeMap<u64, f64> {
    let mut column: Vec<BTreeMap<u64, f64>> = vec![BTreeMap::new(); m as usize + 1];
    column[0].insert(0, 1.0);
    for y in 0..=n as i64 {
        let mut arrived: BTreeMap<u64, f64> = BTreeMap::new();
        for (x, cell) in column.iter_mut().enumerate() {
            let square = (a * x as i64 - b * y).pow(2) as u64;
            let mut merged: BTreeMap<u64, f64> = BTreeMap::new();
            for (sum, paths) in arrived.iter().chain(cell.iter()) {
                *merged.entry(sum + square).or_default() += paths;
            }
            arrived.clone_from(&merged);
            *cell = merged;
        }
    }
    column.pop().unwrap_or_default()
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rows: u32, scale: f64, shift: f64) -> Vec<f64> {
        (0..rows).map(|row| f64::from(row) * scale + shift).collect()
    }

    // scipy 1.17.1: cramervonmises_2samp on the same grids.
    #[test]
    fn equals_scipy() {
        for ((rows, scale, shift), (other_rows, other_scale, other_shift), statistic, p_value) in CVM {
            let result = two_sample(&sample(rows, scale, shift), &sample(other_rows, other_scale, other_shift));
            assert!((result.statistic - statistic).abs() < 1e-12, "{result:?}");
            assert!((result.p_value - p_value).abs() <= 1e-9 * p_value + 1e-14, "{result:?} is not {p_value}");
        }
    }

    type Grid = (u32, f64, f64);

    const CVM: [(Grid, Grid, f64, f64); 7] = [
        ((5, 1.0, 0.0), (5, 1.0, 2.5), 0.4500000000000002, 0.0873015873015873),
        ((7, 1.0, 0.0), (12, 0.9, 0.25), 0.2299498746867168, 0.2347185837897912),
        ((20, 1.0, 0.0), (19, 0.8, 2.25), 0.057804768331084055, 0.853445013734224),
        ((10, 1.0, 0.0), (10, 1.0, 0.0), 0.0, 1.0),
        ((25, 1.0, 0.0), (30, 0.8, 4.0), 0.2698787878787883, 0.16703756858351249),
        ((100, 1.0, 0.0), (80, 1.25, 0.5), 0.0019212962962953384, 1.0),
        ((60, 1.0, 0.0), (60, 1.0, 18.0), 2.1604166666666664, 5.381140031346376e-06),
    ];
}
