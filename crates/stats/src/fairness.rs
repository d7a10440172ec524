//! Fairness of binary decisions between groups, by fairlearn's definitions.
//!
//! Rates per group come with a Wilson interval; groups below a minimum size are reported and
//! left out. A rate that a group does not define (no positive label) is null with its reason,
//! where fairlearn would take zero. Knows nothing of gates or models.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::StatsError;
use crate::metrics::{ConfusionCounts, Undefined};

/// The 97.5 % point of the standard normal distribution.
const NORMAL_95: f64 = 1.959963984540054;

/// A figure over all groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FairnessMetric {
    /// Largest minus smallest selection rate.
    DemographicParityDifference,
    /// Smallest over largest selection rate.
    DemographicParityRatio,
    /// Larger of the ranges of true and false positive rate.
    EqualizedOddsDifference,
    /// Smaller of the ratios of true and false positive rate.
    EqualizedOddsRatio,
    /// Largest minus smallest true positive rate.
    EqualOpportunityDifference,
}

/// How equalized odds joins the true and the false positive rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// The worse of the two.
    #[default]
    WorstCase,
    /// Their mean.
    Mean,
}

/// A rate of one group, with its 95 % Wilson interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupRate {
    /// The rate; none when the group has no row to divide by.
    pub value: Option<f64>,
    /// Lower and upper end of the interval.
    pub interval: Option<(f64, f64)>,
    /// Why there is no value.
    pub reason: Option<String>,
}

/// The rates of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupFairness {
    /// The group's value.
    pub group: String,
    /// Its rows by label and decision.
    pub counts: ConfusionCounts,
    /// Share of rows decided positive.
    pub selection_rate: GroupRate,
    /// Share of the positives decided positive.
    pub true_positive_rate: GroupRate,
    /// Share of the negatives decided positive.
    pub false_positive_rate: GroupRate,
}

/// A group too small to be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmallGroup {
    /// The group's value.
    pub group: String,
    /// Its rows.
    pub rows: u64,
}

/// All groups of one comparison, in order of their names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FairnessReport {
    /// Groups large enough to be compared.
    pub groups: Vec<GroupFairness>,
    /// Groups left out for their size.
    pub small_groups: Vec<SmallGroup>,
    /// The size below which a group is left out.
    pub minimum_rows: u64,
}

/// Counts decisions per group; groups below `minimum_rows` are left out of every figure.
///
/// Labels are 0 or 1, `decisions` say whether the row was predicted positive.
///
/// # Errors
/// When the slices differ in length or a label is neither 0 nor 1.
pub fn fairness<G: AsRef<str>>(
    groups: &[G],
    labels: &[f64],
    decisions: &[bool],
    minimum_rows: u64,
) -> Result<FairnessReport, Undefined> {
    if groups.len() != labels.len() || labels.len() != decisions.len() {
        return Err(Undefined::because("groups, labels and decisions differ in length"));
    }
    let mut counts_by_group: BTreeMap<&str, ConfusionCounts> = BTreeMap::new();
    for ((group, label), decision) in groups.iter().zip(labels).zip(decisions) {
        if *label != 0.0 && *label != 1.0 {
            return Err(Undefined::because(format!("label {label} is neither 0 nor 1")));
        }
        counts_by_group.entry(group.as_ref()).or_default().add(*label == 1.0, *decision);
    }
    let mut report = FairnessReport { groups: Vec::new(), small_groups: Vec::new(), minimum_rows };
    for (group, counts) in counts_by_group {
        if counts.rows() < minimum_rows {
            report.small_groups.push(SmallGroup { group: group.to_owned(), rows: counts.rows() });
        } else {
            report.groups.push(GroupFairness::of(group, counts));
        }
    }
    Ok(report)
}

/// The Wilson score interval at 95 % of a share of `part` in `whole`; none when `whole` is 0.
pub fn wilson_interval(part: u64, whole: u64) -> Option<(f64, f64)> {
    if whole == 0 {
        return None;
    }
    let (n, share, square) = (whole as f64, part as f64 / whole as f64, NORMAL_95 * NORMAL_95);
    let scale = 1.0 + square / n;
    let centre = share + square / (2.0 * n);
    let margin = NORMAL_95 * (share * (1.0 - share) / n + square / (4.0 * n * n)).sqrt();
    Some((((centre - margin) / scale).max(0.0), ((centre + margin) / scale).min(1.0)))
}

impl FairnessReport {
    /// One figure over the compared groups; equalized odds takes the worse rate.
    ///
    /// # Errors
    /// With fewer than two groups, or when a group does not define the rate.
    pub fn figure(&self, metric: FairnessMetric) -> Result<f64, Undefined> {
        self.figure_by(metric, Aggregation::WorstCase)
    }

    /// One figure over the compared groups.
    ///
    /// # Errors
    /// As [`Self::figure`].
    pub fn figure_by(&self, metric: FairnessMetric, aggregation: Aggregation) -> Result<f64, Undefined> {
        let selection = || self.extremes("selection rate", |group| &group.selection_rate);
        let true_positive = || self.extremes("true positive rate", |group| &group.true_positive_rate);
        let false_positive = || self.extremes("false positive rate", |group| &group.false_positive_rate);
        match metric {
            FairnessMetric::DemographicParityDifference => Ok(selection()?.difference()),
            FairnessMetric::DemographicParityRatio => selection()?.ratio(),
            FairnessMetric::EqualOpportunityDifference => Ok(true_positive()?.difference()),
            FairnessMetric::EqualizedOddsDifference => {
                Ok(aggregation.join(true_positive()?.difference(), false_positive()?.difference(), f64::max))
            }
            FairnessMetric::EqualizedOddsRatio => {
                Ok(aggregation.join(true_positive()?.ratio()?, false_positive()?.ratio()?, f64::min))
            }
        }
    }

    fn extremes(&self, name: &str, rate: impl Fn(&GroupFairness) -> &GroupRate) -> Result<Extremes, Undefined> {
        if self.groups.len() < 2 {
            let found = self.groups.len();
            let needed = self.minimum_rows;
            return Err(Undefined::because(format!("{found} groups have {needed} rows or more; two are needed")));
        }
        let mut extremes = Extremes { name: name.to_owned(), smallest: f64::INFINITY, largest: f64::NEG_INFINITY };
        for group in &self.groups {
            let Some(value) = rate(group).value else {
                let reason = rate(group).reason.as_deref().unwrap_or("it is undefined");
                return Err(Undefined::because(format!("group `{}` has no {name}: {reason}", group.group)));
            };
            extremes.smallest = extremes.smallest.min(value);
            extremes.largest = extremes.largest.max(value);
        }
        Ok(extremes)
    }
}

/// The smallest and largest value of one rate.
struct Extremes {
    name: String,
    smallest: f64,
    largest: f64,
}

impl Extremes {
    fn difference(&self) -> f64 {
        self.largest - self.smallest
    }

    fn ratio(&self) -> Result<f64, Undefined> {
        if self.largest == 0.0 {
            return Err(Undefined::because(format!("the {} is zero in every group", self.name)));
        }
        Ok(self.smallest / self.largest)
    }
}

impl Aggregation {
    fn join(self, left: f64, right: f64, worse: impl Fn(f64, f64) -> f64) -> f64 {
        match self {
            Self::WorstCase => worse(left, right),
            Self::Mean => f64::midpoint(left, right),
        }
    }
}

impl GroupFairness {
    fn of(group: &str, counts: ConfusionCounts) -> Self {
        Self {
            group: group.to_owned(),
            selection_rate: GroupRate::of(counts.selection_rate(), counts.predicted_positives(), counts.rows()),
            true_positive_rate: GroupRate::of(counts.recall(), counts.true_positives, counts.positives()),
            false_positive_rate: GroupRate::of(
                counts.false_positive_rate(),
                counts.false_positives,
                counts.negatives(),
            ),
            counts,
        }
    }
}

impl GroupRate {
    fn of(rate: Result<f64, Undefined>, part: u64, whole: u64) -> Self {
        let interval = wilson_interval(part, whole);
        match rate {
            Ok(value) => Self { value: Some(value), interval, reason: None },
            Err(undefined) => Self { value: None, interval, reason: Some(undefined.reason) },
        }
    }
}

impl FairnessMetric {
    /// All metrics with their names.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::DemographicParityDifference, "demographic_parity_difference"),
        (Self::DemographicParityRatio, "demographic_parity_ratio"),
        (Self::EqualizedOddsDifference, "equalized_odds_difference"),
        (Self::EqualizedOddsRatio, "equalized_odds_ratio"),
        (Self::EqualOpportunityDifference, "equal_opportunity_difference"),
    ];
}

impl fmt::Display for FairnessMetric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(metric, _)| metric == self);
        formatter.write_str(found.map_or("unknown", |(_, name)| name))
    }
}

impl FromStr for FairnessMetric {
    type Err = StatsError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(metric, _)| *metric).ok_or_else(|| StatsError::UnknownName {
            noun: "fairness metric",
            name: name.to_owned(),
            known: Self::ALL.iter().map(|(_, known)| *known).collect::<Vec<_>>().join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drift::golden::{assert_close, categories, uniform};

    /// The rows of contracts/statistics.md 5.9.
    fn golden_report() -> FairnessReport {
        let scores: Vec<f64> = uniform(2000, 4639, 10009).iter().map(|u| (0.9 * u + 0.05).clamp(0.0, 1.0)).collect();
        let labels: Vec<f64> =
            uniform(2000, 6421, 10037).iter().zip(&scores).map(|(u, score)| f64::from(u < score)).collect();
        let decisions: Vec<bool> = scores.iter().map(|score| score.powf(1.3) >= 0.5).collect();
        let groups = categories(2000, 7919, 10007, &[0.6, 0.4]);
        fairness(&groups, &labels, &decisions, 30).unwrap()
    }

    #[test]
    fn figures_equal_fairlearn() {
        let report = golden_report();
        let expected = [
            (FairnessMetric::DemographicParityDifference, 0.004588717814158538),
            (FairnessMetric::DemographicParityRatio, 0.9886792743638352),
            (FairnessMetric::EqualizedOddsDifference, 0.0037709415189469686),
            (FairnessMetric::EqualizedOddsRatio, 0.9836937256292095),
            (FairnessMetric::EqualOpportunityDifference, 0.0037709415189469686),
        ];
        for (metric, value) in expected {
            assert_close(&metric.to_string(), report.figure(metric).unwrap(), value, 1e-9);
        }
        let mean = report.figure_by(FairnessMetric::EqualizedOddsDifference, Aggregation::Mean).unwrap();
        assert_close("mean", mean, 0.0034073897007472626, 1e-9);
    }

    #[test]
    fn group_without_positives_has_no_rate_and_says_so() {
        let groups: Vec<&str> = (0..80).map(|row| if row < 40 { "north" } else { "south" }).collect();
        let labels: Vec<f64> = (0..80).map(|row| f64::from(row < 20)).collect();
        let decisions = vec![true; 80];
        let report = fairness(&groups, &labels, &decisions, 30).unwrap();
        assert_eq!(report.groups[1].true_positive_rate.value, None);
        let reason = report.figure(FairnessMetric::EqualOpportunityDifference).unwrap_err().reason;
        assert_eq!(reason, "group `south` has no true positive rate: there is no positive label");
        assert_eq!(report.figure(FairnessMetric::DemographicParityRatio), Ok(1.0));
    }

    #[test]
    fn small_groups_are_reported_and_left_out() {
        let groups: Vec<&str> = (0..60).map(|row| if row < 10 { "few" } else { "many" }).collect();
        let report = fairness(&groups, &[1.0; 60], &[true; 60], 30).unwrap();
        assert_eq!(report.small_groups, vec![SmallGroup { group: "few".to_owned(), rows: 10 }]);
        let reason = report.figure(FairnessMetric::DemographicParityDifference).unwrap_err().reason;
        assert_eq!(reason, "1 groups have 30 rows or more; two are needed");
    }

    #[test]
    fn no_positive_decision_has_no_ratio() {
        let groups = ["a", "a", "b", "b"];
        let report = fairness(&groups, &[1.0, 0.0, 1.0, 0.0], &[false; 4], 1).unwrap();
        assert!(report.figure(FairnessMetric::DemographicParityRatio).is_err());
        assert_eq!(report.figure(FairnessMetric::EqualizedOddsDifference), Ok(0.0));
    }

    #[test]
    fn wilson_interval_equals_scipy() {
        // scipy 1.17.1: binomtest(8, 40).proportion_ci(0.95, 'wilson'); binomtest(0, 25), (25, 25)
        for (part, whole, lower, upper) in WILSON {
            let (low, high) = wilson_interval(part, whole).unwrap();
            assert!((low - lower).abs() < 1e-12 && (high - upper).abs() < 1e-12, "{low} {high}");
        }
        assert_eq!(wilson_interval(0, 0), None);
    }

    const WILSON: [(u64, u64, f64, f64); 3] = [
        (8, 40, 0.104999897254377, 0.34757306346399497),
        (0, 25, 0.0, 0.1331922509390485),
        (25, 25, 0.8668077490609516, 1.0),
    ];
}
