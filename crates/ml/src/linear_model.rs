//! The linear model that `logistic` and `linear` train: which design columns it reads from an encoded row, its
//! weights, and its prediction.
//!
//! It knows neither how the weights were found ([`crate::trainer`]) nor how they are stored ([`crate::onnx`]).
//! Every operation is written in `f32` in the order of the stored graph, so that both agree.

use serde::{Deserialize, Serialize};

/// How many categories of one feature get a design column of their own. Codes go by frequency, so these are the
/// largest; the rest share the baseline.
pub(crate) const MAX_ONE_HOT: usize = 32;

/// How the margin becomes the prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Link {
    /// The prediction is the margin.
    Identity,
    /// The prediction is the probability `1 / (1 + exp(-margin))`.
    Sigmoid,
}

/// Which design columns are made from an encoded row: the numeric features, then one-hot columns of each
/// categorical feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Design {
    /// Features read as numbers.
    pub numeric: Vec<usize>,
    /// Features read as codes, with how many codes have a column.
    pub categorical: Vec<(usize, usize)>,
}

impl Design {
    /// The design for features with these category counts (`None` for numeric ones).
    pub(crate) fn new(n_categories: &[Option<usize>]) -> Self {
        let mut design = Self { numeric: Vec::new(), categorical: Vec::new() };
        for (feature, count) in n_categories.iter().enumerate() {
            match count {
                None => design.numeric.push(feature),
                Some(0) => {}
                Some(count) => design.categorical.push((feature, (*count).min(MAX_ONE_HOT))),
            }
        }
        design
    }

    /// How many design columns there are.
    pub(crate) fn width(&self) -> usize {
        self.numeric.len() + self.categorical.iter().map(|(_, count)| count).sum::<usize>()
    }

    /// The feature behind each design column.
    pub(crate) fn sources(&self) -> Vec<usize> {
        let one_hot = self.categorical.iter().flat_map(|(feature, count)| std::iter::repeat_n(*feature, *count));
        self.numeric.iter().copied().chain(one_hot).collect()
    }

    /// Writes the design columns of one row; a missing number stays NaN, a missing category is all zeros.
    pub(crate) fn write(&self, row: &[f32], out: &mut [f32]) {
        for (slot, feature) in out.iter_mut().zip(&self.numeric) {
            *slot = row[*feature];
        }
        let mut at = self.numeric.len();
        for (feature, count) in &self.categorical {
            for (code, slot) in out[at..at + count].iter_mut().enumerate() {
                *slot = f32::from(u8::from(row[*feature] == code as f32));
            }
            at += count;
        }
    }
}

/// A fitted linear model: `link(intercept + sum weight_k * (design_k - mean_k) / deviation_k)`, where a missing
/// number counts as its mean.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LinearModel {
    pub n_features: usize,
    pub design: Design,
    pub means: Vec<f32>,
    /// Population standard deviations for numbers (1 where a column is constant), 1 for one-hot columns.
    pub deviations: Vec<f32>,
    pub weights: Vec<f32>,
    pub intercept: f32,
    pub link: Link,
}

impl LinearModel {
    /// The design columns of one row with missing numbers filled, centred and scaled.
    pub(crate) fn scaled_row(&self, row: &[f32], out: &mut [f32]) {
        self.design.write(row, out);
        for (slot, (mean, deviation)) in out.iter_mut().zip(self.means.iter().zip(&self.deviations)) {
            let filled = if slot.is_nan() { *mean } else { *slot };
            *slot = (filled - mean) / deviation;
        }
    }

    /// The predictions of row-major rows.
    pub(crate) fn predict(&self, rows: &[f32]) -> Vec<f64> {
        let mut scaled = vec![0.0; self.design.width()];
        let predict_row = |row: &[f32]| {
            self.scaled_row(row, &mut scaled);
            let products = scaled.iter().zip(&self.weights).map(|(value, weight)| value * weight);
            f64::from(self.linked(products.sum::<f32>() + self.intercept))
        };
        rows.chunks_exact(self.n_features).map(predict_row).collect()
    }

    /// Each feature's part of the margin, `sum weight_k * (design_k - mean_k) / deviation_k` over the feature's
    /// design columns, and the margin at the means last (statistics contract 5.10).
    pub(crate) fn contributions(&self, row: &[f32]) -> Vec<f64> {
        let mut scaled = vec![0.0; self.design.width()];
        self.scaled_row(row, &mut scaled);
        let mut parts = vec![0.0; self.n_features + 1];
        for ((value, weight), source) in scaled.iter().zip(&self.weights).zip(self.design.sources()) {
            parts[source] += f64::from(*value) * f64::from(*weight);
        }
        parts[self.n_features] = f64::from(self.intercept);
        parts
    }

    fn linked(&self, margin: f32) -> f32 {
        match self.link {
            Link::Identity => margin,
            Link::Sigmoid => 1.0 / (1.0 + (-margin).exp()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(link: Link) -> LinearModel {
        LinearModel {
            n_features: 3,
            design: Design::new(&[None, Some(2), None]),
            means: vec![1.0, 10.0, 0.5, 0.25],
            deviations: vec![2.0, 5.0, 1.0, 1.0],
            weights: vec![1.0, -2.0, 4.0, 8.0],
            intercept: 0.5,
            link,
        }
    }

    #[test]
    fn contributions_add_up_to_the_margin() {
        let model = model(Link::Identity);
        let rows = [3.0, 1.0, 20.0, f32::NAN, f32::NAN, 10.0];
        // By hand: 0.5 + 1*(3-1)/2 - 2*(20-10)/5 + 4*(0-0.5) + 8*(1-0.25) and 0.5 + 0 + 0 - 2 - 2.
        assert_eq!(model.predict(&rows), [1.5, -3.5]);
        let parts = model.contributions(&rows[..3]);
        assert_eq!(parts, [1.0, 4.0, -4.0, 0.5]);
        assert_eq!(parts.iter().sum::<f64>(), 1.5);
    }

    #[test]
    fn the_sigmoid_link_gives_probabilities() {
        let predicted = model(Link::Sigmoid).predict(&[3.0, 1.0, 20.0]);
        assert!((predicted[0] - 1.0 / (1.0 + (-1.5f64).exp())).abs() < 1e-7);
    }

    #[test]
    fn a_wide_category_is_cut_to_its_largest() {
        let design = Design::new(&[Some(4000), None]);
        assert_eq!(design.width(), MAX_ONE_HOT + 1);
        assert_eq!(design.sources()[0], 1);
    }
}
