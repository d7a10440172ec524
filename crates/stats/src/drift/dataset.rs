//! From columns to a data set: share of drifted columns, and control of false discoveries.

use serde::{Deserialize, Serialize};

/// The verdict over all columns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DatasetDrift {
    /// Columns that were compared.
    pub columns: usize,
    /// Columns that drifted.
    pub drifted_columns: usize,
    /// Their share.
    pub share: f64,
    /// True when the share reaches the threshold.
    pub drifted: bool,
}

/// One p-value after control over all columns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FalseDiscovery {
    /// The adjusted p-value (q-value).
    pub adjusted: f64,
    /// True when the column is a discovery at the chosen rate.
    pub drifted: bool,
}

/// Counts drifted columns; the data set drifts when their share reaches `share` (Evidently: 0.5).
/// None when there is no column.
pub fn dataset_drift(drifted: &[bool], share: f64) -> Option<DatasetDrift> {
    if drifted.is_empty() {
        return None;
    }
    let drifted_columns = drifted.iter().filter(|column| **column).count();
    let found = drifted_columns as f64 / drifted.len() as f64;
    Some(DatasetDrift { columns: drifted.len(), drifted_columns, share: found, drifted: found >= share })
}

/// Benjamini-Hochberg: adjusts p-values so that at most `rate` of the discoveries are false.
///
/// Results are in the order of the input. With 200 columns tested at 0.05 about ten false alarms
/// are expected without this.
pub fn benjamini_hochberg(p_values: &[f64], rate: f64) -> Vec<FalseDiscovery> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|left, right| p_values[*left].total_cmp(&p_values[*right]));
    let mut results = vec![FalseDiscovery { adjusted: 1.0, drifted: false }; p_values.len()];
    let mut smallest = 1.0_f64;
    for (position, index) in order.iter().enumerate().rev() {
        let scaled = p_values[*index] * p_values.len() as f64 / (position + 1) as f64;
        smallest = smallest.min(scaled);
        results[*index] = FalseDiscovery { adjusted: smallest, drifted: smallest <= rate };
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjusted_p_values_equal_scipy() {
        // scipy.stats.false_discovery_control([.01, .04, .03, .005, .55])
        let adjusted: Vec<f64> =
            benjamini_hochberg(&[0.01, 0.04, 0.03, 0.005, 0.55], 0.05).iter().map(|result| result.adjusted).collect();
        for (actual, expected) in adjusted.iter().zip([0.025, 0.05, 0.05, 0.025, 0.55]) {
            assert!((actual - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn half_of_the_columns_is_enough() {
        let verdict = dataset_drift(&[true, false], 0.5).unwrap();
        assert!(verdict.drifted);
        assert_eq!(dataset_drift(&[], 0.5), None);
    }
}
