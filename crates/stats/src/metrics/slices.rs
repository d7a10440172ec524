//! One metric per group of rows.

use std::collections::BTreeMap;

use super::{Metric, Undefined, evaluate_at};

/// Groups below this size have no figure of their own: it would say more about chance.
pub const MINIMUM_GROUP_ROWS: usize = 30;

/// The metric of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// The group's value.
    pub group: String,
    /// Its rows.
    pub rows: usize,
    /// The figure, or why there is none.
    pub value: Result<f64, Undefined>,
}

/// Evaluates a metric per group, groups in order of their names.
///
/// # Errors
/// When groups, labels and scores differ in length.
pub fn slices<G: AsRef<str>>(
    metric: Metric,
    groups: &[G],
    labels: &[f64],
    scores: &[f64],
    threshold: f64,
    minimum_rows: usize,
) -> Result<Vec<Slice>, Undefined> {
    if groups.len() != labels.len() || labels.len() != scores.len() {
        return Err(Undefined::because("groups, labels and scores differ in length"));
    }
    let mut rows_by_group: BTreeMap<&str, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for ((group, label), score) in groups.iter().zip(labels).zip(scores) {
        let rows = rows_by_group.entry(group.as_ref()).or_default();
        rows.0.push(*label);
        rows.1.push(*score);
    }
    let slice = |(group, (labels, scores)): (&str, (Vec<f64>, Vec<f64>))| {
        let value = if labels.len() < minimum_rows {
            Err(Undefined::because(format!("{} rows are fewer than {minimum_rows}", labels.len())))
        } else {
            evaluate_at(metric, &labels, &scores, threshold)
        };
        Slice { group: group.to_owned(), rows: labels.len(), value }
    };
    Ok(rows_by_group.into_iter().map(slice).collect())
}
