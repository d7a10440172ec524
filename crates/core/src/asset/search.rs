//! How a model's search chooses trials and stops them.

use serde::{Deserialize, Serialize};

/// A search, where the project says more of it than how many trials it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// How points are chosen.
    pub method: SearchMethod,
    /// Which trials stop early; without it, what goes with the method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<SearchPruning>,
    /// Seconds after which no trial begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<i64>,
    /// It ends when so many trials in a row brought nothing better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u32>,
    /// How many trials may go on at a time.
    pub parallel: u32,
    /// Ranges by parameter, as written; without them, the algorithm's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<serde_json::Value>,
}

/// How points are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchMethod {
    /// At random.
    #[default]
    Random,
    /// Every combination.
    Grid,
    /// Where earlier trials did well.
    Tpe,
}

/// Which trials stop early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchPruning {
    /// None.
    None,
    /// The worse half after the first fold of all.
    Half,
    /// Those worse than the median of others.
    Median,
    /// All but the best third at each of a few steps.
    Halving,
}

impl Default for Search {
    fn default() -> Self {
        let (method, parallel) = (SearchMethod::Random, 4);
        Self { method, prune: None, budget: None, patience: None, parallel, parameters: None }
    }
}
