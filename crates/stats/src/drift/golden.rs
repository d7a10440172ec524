//! Test data that any language can make: a modular sequence through the inverse normal, see
//! contracts/statistics.md section 5.9.

use statrs::distribution::{ContinuousCDF as _, Normal};

/// The i-th value is ((i * multiplier) mod modulus) / modulus, i = 1..rows.
pub(crate) fn uniform(rows: u64, multiplier: u64, modulus: u64) -> Vec<f64> {
    (1..=rows).map(|row| ((row * multiplier) % modulus) as f64 / modulus as f64).collect()
}

/// Reference numbers, rounded to six decimals.
pub(crate) fn reference_numbers(rows: u64) -> Vec<f64> {
    normal(rows, 7919, 10007).into_iter().map(six_decimals).collect()
}

/// Current numbers: shifted by 0.25 and wider by a tenth.
pub(crate) fn current_numbers(rows: u64) -> Vec<f64> {
    normal(rows, 4639, 10009).into_iter().map(|value| six_decimals(0.25 + 1.1 * value)).collect()
}

/// Categories a to d with the given shares.
pub(crate) fn categories(rows: u64, multiplier: u64, modulus: u64, shares: &[f64]) -> Vec<String> {
    let pick = |value: f64| {
        let mut cumulative = 0.0;
        let index = shares.iter().position(|share| {
            cumulative += share;
            value < cumulative
        });
        ["a", "b", "c", "d"][index.unwrap_or(shares.len() - 1)].to_owned()
    };
    uniform(rows, multiplier, modulus).into_iter().map(pick).collect()
}

/// Reference categories.
pub(crate) fn reference_categories(rows: u64) -> Vec<String> {
    categories(rows, 7919, 10007, &[0.5, 0.3, 0.15, 0.05])
}

/// Current categories.
pub(crate) fn current_categories(rows: u64) -> Vec<String> {
    categories(rows, 4721, 10009, &[0.42, 0.3, 0.2, 0.08])
}

/// Fails unless the two agree to a relative tolerance.
#[track_caller]
pub(crate) fn assert_close(what: &str, actual: f64, expected: f64, relative: f64) {
    assert!((actual - expected).abs() <= relative * expected.abs(), "{what}: {actual} is not {expected}");
}

fn normal(rows: u64, multiplier: u64, modulus: u64) -> Vec<f64> {
    let normal = Normal::new(0.0, 1.0).unwrap();
    uniform(rows, multiplier, modulus)
        .into_iter()
        .map(|share| normal.inverse_cdf(share.clamp(1e-6, 1.0 - 1e-6)))
        .collect()
}

fn six_decimals(value: f64) -> f64 {
    (value * 1e6).round_ties_even() / 1e6
}

#[test]
fn check_sums_agree() {
    assert!((reference_numbers(900).iter().sum::<f64>() - 1.413676).abs() < 1e-8);
    assert!((current_numbers(700).iter().sum::<f64>() - 179.075138).abs() < 1e-8);
    let count = |values: Vec<String>| ["a", "b", "c", "d"].map(|key| values.iter().filter(|v| *v == key).count());
    assert_eq!(count(reference_categories(900)), [450, 270, 136, 44]);
    assert_eq!(count(current_categories(700)), [292, 209, 142, 57]);
}
