//! How unit tests came out.

use baton_core::AssetName;
use baton_core::asset::Origin;
use serde::{Deserialize, Serialize};

use super::difference::RowDifference;

/// How one unit test came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestReport {
    /// The test.
    pub name: String,
    /// What it tests.
    pub target: AssetName,
    /// Where it is declared.
    pub origin: Origin,
    /// Whether all expectations held.
    pub passed: bool,
    /// Seconds.
    pub seconds: f64,
    /// Why it could not be run to its end.
    pub error: Option<String>,
    /// Expectations that did not hold, in the order of batches.
    pub differences: Vec<BatchDifference>,
}

/// An expectation that did not hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchDifference {
    /// The run after which it should have held, from 1.
    pub batch: usize,
    /// Of how many.
    pub of: usize,
    /// How the rows differ.
    #[serde(flatten)]
    pub rows: RowDifference,
}
