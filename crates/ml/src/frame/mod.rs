//! The feature matrix: Arrow rows or single requests in, `f32` rows out, by an encoding that is learnt once and
//! stored with the model.
//!
//! Numbers stay numbers (f32, as every model format here computes in), booleans are 0 and 1, missing is NaN, and
//! infinite counts as missing because no two formats read it alike. Text is a category: its code is its rank by
//! frequency at training (ties by name), which reads no label, so it cannot leak; neighbouring codes are
//! categories of like size, so one tree split parts hubs from the long tail, and a linear model can one-hot the
//! first codes, which are the largest categories. A category that training never saw is missing.
//!
//! Instants are refused: a model that saw them would only learn when it was trained.

mod columns;

pub use columns::{instants_of, numbers_of, texts_of};

use crate::error::{MlError, Result};
use arrow::record_batch::RecordBatch;
use baton_core::scalar::Scalar;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// How one feature becomes a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// A number or a boolean.
    Numeric,
    /// Text; the code of a category is its place in the list.
    Categorical {
        /// The categories seen at training, most frequent first.
        categories: Vec<String>,
    },
}

/// One column of the feature matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureColumn {
    /// The feature's name, which is also the column's name in the rows.
    pub name: String,
    /// How its values become numbers.
    pub kind: FeatureKind,
}

/// The encoding of all features of a model, in matrix order. Its JSON form is the list of columns.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Vec<FeatureColumn>", into = "Vec<FeatureColumn>")]
pub struct FeatureEncoder {
    features: Vec<FeatureColumn>,
    /// Code by category, one map a feature (empty for numeric ones).
    codes: Vec<HashMap<String, f32>>,
}

impl PartialEq for FeatureEncoder {
    fn eq(&self, other: &Self) -> bool {
        self.features == other.features
    }
}

impl From<Vec<FeatureColumn>> for FeatureEncoder {
    fn from(features: Vec<FeatureColumn>) -> Self {
        let codes = features.iter().map(|column| codes_of(&column.kind)).collect();
        Self { features, codes }
    }
}

impl From<FeatureEncoder> for Vec<FeatureColumn> {
    fn from(encoder: FeatureEncoder) -> Self {
        encoder.features
    }
}

fn codes_of(kind: &FeatureKind) -> HashMap<String, f32> {
    match kind {
        FeatureKind::Numeric => HashMap::new(),
        FeatureKind::Categorical { categories } => {
            categories.iter().enumerate().map(|(code, category)| (category.clone(), code as f32)).collect()
        }
    }
}

impl FeatureEncoder {
    /// Learns the encoding of `features` from training rows: their kinds from the column types, and the
    /// categories of text columns by frequency.
    ///
    /// # Errors
    ///
    /// [`MlError::FeatureMissing`] for an unknown column, [`MlError::FeatureType`] for one no model reads
    /// (instants, nested values), [`MlError::NotEnoughData`] without batches or features.
    pub fn learn(batches: &[RecordBatch], features: &[String]) -> Result<Self> {
        if batches.is_empty() || features.is_empty() {
            return Err(MlError::NotEnoughData {
                purpose: "learn the features' encoding".to_owned(),
                reason: format!("{} batches, {} features", batches.len(), features.len()),
            });
        }
        let columns: Result<Vec<_>> = features.iter().map(|feature| columns::learn(batches, feature)).collect();
        Ok(columns?.into())
    }

    /// An encoding in which every named feature is a number, for models that come from outside.
    pub fn numeric(features: &[String]) -> Self {
        let column = |name: &String| FeatureColumn { name: name.clone(), kind: FeatureKind::Numeric };
        features.iter().map(column).collect::<Vec<_>>().into()
    }

    /// The columns, in matrix order.
    pub fn features(&self) -> &[FeatureColumn] {
        &self.features
    }

    /// How many features a row has.
    pub fn n_features(&self) -> usize {
        self.features.len()
    }

    /// How many categories each feature has; `None` for numeric ones.
    pub fn n_categories(&self) -> Vec<Option<usize>> {
        let count = |column: &FeatureColumn| match &column.kind {
            FeatureKind::Numeric => None,
            FeatureKind::Categorical { categories } => Some(categories.len()),
        };
        self.features.iter().map(count).collect()
    }

    /// Encodes a batch, row-major. Columns are found by name; others are ignored.
    ///
    /// # Errors
    ///
    /// [`MlError::FeatureMissing`] or [`MlError::FeatureType`] when the batch lacks a feature or holds another
    /// type than the model learnt.
    pub fn encode(&self, batch: &RecordBatch) -> Result<Vec<f32>> {
        let width = self.n_features();
        let mut rows = vec![f32::NAN; batch.num_rows() * width];
        for (position, column) in self.features.iter().enumerate() {
            let mut at = position;
            columns::encode(batch, column, &self.codes[position], |value| {
                rows[at] = finite(value);
                at += width;
            })?;
        }
        Ok(rows)
    }

    /// Encodes one request, its values in matrix order, appending to `row`. Does not allocate beyond `row`.
    ///
    /// # Errors
    ///
    /// [`MlError::Shape`] for the wrong number of values, [`MlError::FeatureValue`] for text where a number is
    /// taken or the other way round.
    pub fn encode_row_into(&self, values: &[Scalar], row: &mut Vec<f32>) -> Result<()> {
        if values.len() != self.n_features() {
            return Err(MlError::Shape {
                what: "a prediction request".to_owned(),
                expected: self.n_features(),
                found: values.len(),
            });
        }
        for (position, value) in values.iter().enumerate() {
            row.push(finite(self.encode_value(position, value)?));
        }
        Ok(())
    }

    /// Encodes one request, its values in matrix order.
    ///
    /// # Errors
    ///
    /// As [`Self::encode_row_into`].
    pub fn encode_row(&self, values: &[Scalar]) -> Result<Vec<f32>> {
        let mut row = Vec::with_capacity(self.n_features());
        self.encode_row_into(values, &mut row)?;
        Ok(row)
    }

    fn encode_value(&self, position: usize, value: &Scalar) -> Result<f32> {
        let column = &self.features[position];
        match (&column.kind, value) {
            (_, Scalar::Null) => Ok(f32::NAN),
            (FeatureKind::Categorical { .. }, Scalar::Text(text)) => {
                Ok(self.codes[position].get(text).copied().unwrap_or(f32::NAN))
            }
            (FeatureKind::Numeric, Scalar::Bool(_) | Scalar::Int(_) | Scalar::Float(_)) => {
                Ok(value.as_f64().map_or(f32::NAN, |number| number as f32))
            }
            (kind, _) => Err(wrong_value(&column.name, kind, value)),
        }
    }
}

fn wrong_value(feature: &str, kind: &FeatureKind, value: &Scalar) -> MlError {
    let expected = match kind {
        FeatureKind::Numeric => "a number",
        FeatureKind::Categorical { .. } => "text",
    };
    let found = match value {
        Scalar::Null => "nothing".to_owned(),
        Scalar::Bool(value) => format!("the boolean {value}"),
        Scalar::Int(value) => format!("the number {value}"),
        Scalar::Float(value) => format!("the number {value}"),
        Scalar::Text(value) => format!("the text `{value}`"),
    };
    MlError::FeatureValue { feature: feature.to_owned(), expected: expected.to_owned(), found }
}

fn finite(value: f32) -> f32 {
    if value.is_finite() { value } else { f32::NAN }
}

/// An encoded matrix with the encoding that made it.
#[derive(Debug, Clone)]
pub struct FeatureFrame {
    /// The encoding.
    pub encoder: FeatureEncoder,
    /// Row-major values, `encoder.n_features()` a row, NaN for missing.
    pub values: Vec<f32>,
    /// How many rows.
    pub n_rows: usize,
}

impl FeatureFrame {
    /// Learns the encoding from the batches and encodes them.
    ///
    /// # Errors
    ///
    /// As [`FeatureEncoder::learn`].
    pub fn learn(batches: &[RecordBatch], features: &[String]) -> Result<Self> {
        Self::encode(FeatureEncoder::learn(batches, features)?, batches)
    }

    /// Encodes the batches by an encoding that is already known.
    ///
    /// # Errors
    ///
    /// As [`FeatureEncoder::encode`].
    pub fn encode(encoder: FeatureEncoder, batches: &[RecordBatch]) -> Result<Self> {
        let n_rows = batches.iter().map(RecordBatch::num_rows).sum();
        let mut values = Vec::with_capacity(n_rows * encoder.n_features());
        for batch in batches {
            values.extend(encoder.encode(batch)?);
        }
        Ok(Self { encoder, values, n_rows })
    }
}

#[cfg(test)]
mod tests;
