//! Drift of one column: how far the current window is from the reference.
//!
//! A method says what is computed, a convention says whose definition and defaults: figures of
//! different tools differ for one method name, so every result names both. Pure: samples in, a
//! result out. Knows nothing of tables, windows or alerts.

mod attribution;
mod binning;
mod chi_square;
mod cramer_von_mises;
mod dataset;
mod distance;
mod evidently;
mod kolmogorov;
mod kolmogorov_smirnov;
mod learned;
mod location;
mod nannyml;
mod quantile;
mod rank;
mod sample;
mod tail;

#[cfg(test)]
pub(crate) mod golden;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use attribution::attribution_ndcg;
pub use dataset::{DatasetDrift, FalseDiscovery, benjamini_hochberg, dataset_drift};
pub use learned::{Band, LearnedThreshold, learn_threshold, three_sigma_band};
pub use sample::Sample;

use crate::StatsError;
use sample::Prepared;

/// What is computed between two samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The convention's own choice by type and size.
    Auto,
    /// Two-sample Kolmogorov-Smirnov.
    Ks,
    /// Earth mover's distance, in standard deviations of the reference for Evidently.
    Wasserstein,
    /// Population stability index.
    Psi,
    /// Kullback-Leibler divergence of the reference from the current.
    KlDivergence,
    /// Jensen-Shannon distance.
    JensenShannon,
    /// Hellinger distance.
    Hellinger,
    /// Two-sample Cramer-von Mises.
    CramerVonMises,
    /// Mann-Whitney U, alternative: the reference is smaller.
    MannWhitney,
    /// Student's t with pooled variance, two-sided.
    TTest,
    /// Energy distance.
    EnergyDistance,
    /// Chi-square over category counts.
    ChiSquare,
    /// Two-sided z-test of one proportion.
    Z,
    /// Largest difference of two category shares.
    LInfinity,
}

/// Whose definition, bins, logarithm and default threshold a method follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Convention {
    /// Evidently 0.7: Sturges bins over both samples, fixed thresholds.
    Evidently,
    /// NannyML 0.13: Doane bins of the reference, thresholds learned from its chunks.
    NannyMl,
    /// Credit scoring: ten bins of equal reference share, outside values clipped.
    Quantile10,
}

/// How a score is read against its threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Small means drift.
    PValue,
    /// Large means drift.
    Distance,
}

/// The comparison of one column in two windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftResult {
    /// The method that ran; never `Auto`.
    pub method: Method,
    /// The convention it followed.
    pub convention: Convention,
    /// p-value or distance, as `scale` says.
    pub score: f64,
    /// How to read the score.
    pub scale: Scale,
    /// The test statistic behind a p-value.
    pub statistic: Option<f64>,
    /// The threshold the score was held against.
    pub threshold: f64,
    /// True when the score crosses the threshold.
    pub drifted: bool,
    /// Rows of the cleaned reference.
    pub reference_rows: usize,
    /// Rows of the cleaned current sample.
    pub current_rows: usize,
    /// Bin edges, where numbers were binned.
    pub edges: Option<Vec<f64>>,
    /// What a reader of the verdict should know.
    pub note: Option<String>,
}

/// A score before it is held against a threshold.
#[derive(Debug, Clone, PartialEq)]
struct Score {
    value: f64,
    scale: Scale,
    statistic: Option<f64>,
    edges: Option<Vec<f64>>,
    note: Option<String>,
}

/// Compares the current sample with the reference.
///
/// Without a `threshold` the convention's default holds; for NannyML that is learned from ten
/// chunks of the reference, which needs its rows in order.
///
/// # Errors
/// When a sample is empty, the kinds differ, the method does not fit the kind or convention, the
/// score is undefined for these values, or a threshold cannot be learned.
pub fn drift(
    reference: &Sample,
    current: &Sample,
    method: Method,
    convention: Convention,
    threshold: Option<f64>,
) -> Result<DriftResult, StatsError> {
    let prepared_reference = reference.prepare("reference")?;
    let prepared_current = current.prepare("current")?;
    require_same_kind(&prepared_reference, &prepared_current)?;
    let method = resolve(method, convention, &prepared_reference, &prepared_current);
    let mut score = score(method, convention, &prepared_reference, &prepared_current)?;
    if !score.value.is_finite() {
        return Err(undefined(method, "the score is not a finite number"));
    }
    let threshold = match threshold {
        Some(threshold) => threshold,
        None => default_threshold(method, convention, reference, &mut score)?,
    };
    Ok(DriftResult {
        method,
        convention,
        score: score.value,
        scale: score.scale,
        statistic: score.statistic,
        threshold,
        drifted: crosses(method, convention, score.value, score.scale, threshold),
        reference_rows: prepared_reference.rows(),
        current_rows: prepared_current.rows(),
        edges: score.edges,
        note: score.note,
    })
}

impl Method {
    /// All methods with their names, in the order they are shown.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::Auto, "auto"),
        (Self::Ks, "ks"),
        (Self::Wasserstein, "wasserstein"),
        (Self::Psi, "psi"),
        (Self::KlDivergence, "kl_divergence"),
        (Self::JensenShannon, "jensen_shannon"),
        (Self::Hellinger, "hellinger"),
        (Self::CramerVonMises, "cramer_von_mises"),
        (Self::MannWhitney, "mann_whitney"),
        (Self::TTest, "t_test"),
        (Self::EnergyDistance, "energy_distance"),
        (Self::ChiSquare, "chi_square"),
        (Self::Z, "z"),
        (Self::LInfinity, "l_infinity"),
    ];
}

impl Convention {
    /// All conventions with their names.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Evidently, "evidently"), (Self::NannyMl, "nannyml"), (Self::Quantile10, "quantile10")];
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(name_of(self, &Self::ALL))
    }
}

impl fmt::Display for Convention {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(name_of(self, &Self::ALL))
    }
}

impl FromStr for Method {
    type Err = StatsError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        parse(name, "drift method", &Self::ALL)
    }
}

impl FromStr for Convention {
    type Err = StatsError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        parse(name, "drift convention", &Self::ALL)
    }
}

fn name_of<T: PartialEq>(value: &T, all: &[(T, &'static str)]) -> &'static str {
    all.iter().find(|(other, _)| other == value).map_or("unknown", |(_, name)| name)
}

fn parse<T: Copy>(name: &str, noun: &'static str, all: &[(T, &'static str)]) -> Result<T, StatsError> {
    all.iter().find(|(_, known)| *known == name).map(|(value, _)| *value).ok_or_else(|| StatsError::UnknownName {
        noun,
        name: name.to_owned(),
        known: all.iter().map(|(_, known)| *known).collect::<Vec<_>>().join(", "),
    })
}

fn require_same_kind(reference: &Prepared, current: &Prepared) -> Result<(), StatsError> {
    match (reference, current) {
        (Prepared::Numbers(_), Prepared::Numbers(_)) | (Prepared::Categories(_), Prepared::Categories(_)) => Ok(()),
        _ => Err(StatsError::SampleKinds),
    }
}

fn resolve(method: Method, convention: Convention, reference: &Prepared, current: &Prepared) -> Method {
    match (method, convention) {
        (Method::Auto, Convention::Evidently) => evidently::automatic(reference, current),
        (Method::Auto, Convention::NannyMl) => Method::JensenShannon,
        (Method::Auto, Convention::Quantile10) => Method::Psi,
        (method, _) => method,
    }
}

fn score(
    method: Method,
    convention: Convention,
    reference: &Prepared,
    current: &Prepared,
) -> Result<Score, StatsError> {
    match convention {
        Convention::Evidently => evidently::score(method, reference, current),
        Convention::NannyMl => nannyml::Reference::fit(reference).score(method, current),
        Convention::Quantile10 => quantile::score(method, reference, current),
    }
}

fn default_threshold(
    method: Method,
    convention: Convention,
    reference: &Sample,
    score: &mut Score,
) -> Result<f64, StatsError> {
    match convention {
        Convention::Evidently => Ok(evidently::threshold(method)),
        Convention::Quantile10 => Ok(quantile::threshold(method)),
        Convention::NannyMl if method == Method::ChiSquare => Ok(nannyml::CHI_SQUARE_LEVEL),
        Convention::NannyMl => {
            let learned = learn_threshold(reference, method, None)?;
            score.note = score.note.take().or(learned.note);
            Ok(learned.upper)
        }
    }
}

/// Strict or not as the convention compares: a score on the threshold is rare but must agree.
fn crosses(method: Method, convention: Convention, score: f64, scale: Scale, threshold: f64) -> bool {
    match (scale, convention, method) {
        (Scale::PValue, Convention::Evidently, Method::Ks | Method::CramerVonMises) => score <= threshold,
        (Scale::PValue, _, _) => score < threshold,
        (Scale::Distance, Convention::NannyMl, _) | (Scale::Distance, _, Method::EnergyDistance) => score > threshold,
        (Scale::Distance, _, _) => score >= threshold,
    }
}

impl Score {
    fn distance(value: f64) -> Self {
        Self { value, scale: Scale::Distance, statistic: None, edges: None, note: None }
    }

    fn p_value(value: f64, statistic: f64) -> Self {
        Self { value, scale: Scale::PValue, statistic: Some(statistic), edges: None, note: None }
    }

    fn with_edges(self, edges: Option<Vec<f64>>) -> Self {
        Self { edges, ..self }
    }

    fn with_note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

fn undefined(method: Method, reason: &'static str) -> StatsError {
    StatsError::DriftUndefined { method, reason }
}

fn misfit(method: Method, convention: Convention, sample: &Prepared) -> StatsError {
    let kind = match sample {
        Prepared::Numbers(_) => "numeric",
        Prepared::Categories(_) => "categorical",
    };
    StatsError::DriftMethod { method, convention, kind }
}
