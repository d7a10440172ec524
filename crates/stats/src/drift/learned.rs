//! Thresholds learned from chunks of the reference: mean and three standard deviations.

use serde::{Deserialize, Serialize};

use super::distance::standard_deviation;
use super::sample::{Prepared, Sample};
use super::{Method, nannyml};
use crate::StatsError;

/// Chunks the reference is cut into when no size is given.
const CHUNKS: usize = 10;

/// Below this many chunks the spread is hardly known.
const FEW_CHUNKS: usize = 6;

/// An upper threshold and the chunk scores it was learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearnedThreshold {
    /// Mean of the chunk scores plus three standard deviations.
    pub upper: f64,
    /// The score of each reference chunk against the whole reference, in order.
    pub chunk_scores: Vec<f64>,
    /// Set when the threshold rests on few chunks.
    pub note: Option<String>,
}

/// Mean plus and minus three standard deviations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Mean minus three standard deviations.
    pub lower: f64,
    /// Mean plus three standard deviations.
    pub upper: f64,
}

/// Learns the threshold of a NannyML distance from consecutive chunks of `chunk_rows` rows
/// (a tenth of the reference when not given). A shorter last chunk is kept.
///
/// # Errors
/// When the reference is empty or only counts are known, or the method learns no threshold.
pub fn learn_threshold(
    reference: &Sample,
    method: Method,
    chunk_rows: Option<usize>,
) -> Result<LearnedThreshold, StatsError> {
    if method == Method::ChiSquare {
        return Err(StatsError::DriftThreshold { method, reason: "its p-value is held against 0.05" });
    }
    let whole = reference.prepare("reference")?;
    let fitted = nannyml::Reference::fit(&whole);
    let mut chunk_scores = Vec::new();
    for chunk in chunks(reference, chunk_rows, method)? {
        chunk_scores.push(fitted.score(method, &chunk)?.value);
    }
    let band = three_sigma_band(&chunk_scores)
        .ok_or(StatsError::DriftThreshold { method, reason: "the reference has no chunk with values" })?;
    let note = (chunk_scores.len() < FEW_CHUNKS)
        .then(|| format!("threshold learned from {} chunks only; 6 or more are advised", chunk_scores.len()));
    Ok(LearnedThreshold { upper: band.upper, chunk_scores, note })
}

/// Returns mean -+ three population standard deviations, or none for no values.
pub fn three_sigma_band(values: &[f64]) -> Option<Band> {
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let margin = 3.0 * standard_deviation(values);
    Some(Band { lower: mean - margin, upper: mean + margin })
}

fn chunks(reference: &Sample, chunk_rows: Option<usize>, method: Method) -> Result<Vec<Prepared>, StatsError> {
    let parts: Vec<Sample> = match reference {
        Sample::Numeric(values) => {
            values.chunks(chunk_size(values.len(), chunk_rows)).map(|part| Sample::Numeric(part.to_vec())).collect()
        }
        Sample::Categorical(values) => {
            values.chunks(chunk_size(values.len(), chunk_rows)).map(|part| Sample::Categorical(part.to_vec())).collect()
        }
        Sample::Counts(_) => {
            let reason = "counts have no row order; give a threshold or the rows";
            return Err(StatsError::DriftThreshold { method, reason });
        }
    };
    // A chunk of nothing but missing values has no score.
    Ok(parts.iter().filter_map(|part| part.prepare("reference chunk").ok()).collect())
}

fn chunk_size(rows: usize, chunk_rows: Option<usize>) -> usize {
    chunk_rows.unwrap_or(rows / CHUNKS).max(1)
}
