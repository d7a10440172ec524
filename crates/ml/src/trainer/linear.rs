//! Logistic and linear regression with ridge penalty, on `linfa`. Columns are centred and scaled first, so that
//! one penalty is fair to all; missing numbers count as their mean.

use super::{ModelBody, TrainedModel, Trainer, TrainingData};
use crate::data::{LabelledRows, Task};
use crate::error::{MlError, Result};
use crate::linear_model::{Design, LinearModel, Link};
use crate::params::{ParamSpec, Params};
use crate::search::{Domain, Parameter};
use linfa::DatasetBase;
use linfa::traits::Fit as _;
use linfa_linear::LinearRegression;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, ArrayView2};

/// The probability of 1 as a weighted sum of features (`logistic`).
pub(super) struct Logistic;

/// A number as a weighted sum of features (`linear`).
pub(super) struct Linear;

const LOGISTIC: &[ParamSpec] = &[
    ParamSpec { name: "alpha", default: 1.0, min: 1e-6, max: 1e9, whole: false },
    ParamSpec { name: "max_iterations", default: 40.0, min: 1.0, max: 10_000.0, whole: true },
];

const LINEAR: &[ParamSpec] = &[ParamSpec { name: "alpha", default: 1.0, min: 1e-6, max: 1e9, whole: false }];

/// The solver stops when the gradient of the mean loss is this small; its own limit is on the sum.
const GRADIENT_TOLERANCE: f64 = 1e-4;

/// Rows that are scaled at a time where only their products are needed.
const BLOCK_ROWS: usize = 4096;

impl Trainer for Logistic {
    fn name(&self) -> &'static str {
        "logistic"
    }

    fn learns(&self, task: Task) -> bool {
        task == Task::BinaryClassification
    }

    fn params(&self) -> &'static [ParamSpec] {
        LOGISTIC
    }

    fn space(&self) -> Vec<Parameter> {
        penalties()
    }

    fn search_weight(&self) -> usize {
        1
    }

    fn train(&self, data: &TrainingData<'_>, params: &Params, _seed: u64) -> Result<TrainedModel> {
        let params = params.resolved(self.name(), LOGISTIC)?;
        data.train.check_task(data.task)?;
        let mut model = unfitted(self.name(), data, Link::Sigmoid)?;
        let classes = data.train.labels().iter().map(|label| *label == 1.0);
        let scaled = DatasetBase::new(scaled_matrix(&model, data.train), Array1::from_iter(classes));
        let tolerance = GRADIENT_TOLERANCE * data.train.n_rows() as f64;
        let fitted = LogisticRegression::default()
            .alpha(params.get("alpha").unwrap_or_default())
            .max_iterations(params.get("max_iterations").unwrap_or_default() as u64)
            .gradient_tolerance(tolerance)
            .fit(&scaled)
            .map_err(|error| MlError::training(self.name(), error))?;
        // The library calls either class positive; ours is 1.
        let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
        model.weights = fitted.params().iter().map(|weight| (sign * weight) as f32).collect();
        model.intercept = (sign * fitted.intercept()) as f32;
        trained(self.name(), data.task, params, model)
    }
}

impl Trainer for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn learns(&self, task: Task) -> bool {
        task == Task::Regression
    }

    fn params(&self) -> &'static [ParamSpec] {
        LINEAR
    }

    fn space(&self) -> Vec<Parameter> {
        penalties()
    }

    fn search_weight(&self) -> usize {
        1
    }

    /// Solves the ridge normal equations `(X'X + alpha I) w = X'y` on centred columns; the intercept is the mean
    /// label.
    fn train(&self, data: &TrainingData<'_>, params: &Params, _seed: u64) -> Result<TrainedModel> {
        let params = params.resolved(self.name(), LINEAR)?;
        let mut model = unfitted(self.name(), data, Link::Identity)?;
        let labels = data.train.labels();
        let mean = labels.iter().map(|label| f64::from(*label)).sum::<f64>() / labels.len() as f64;
        let (mut products, targets) = normal_equations(&model, data.train, mean);
        let alpha = params.get("alpha").unwrap_or_default();
        products.diag_mut().map_inplace(|value| *value += alpha);
        let fitted = LinearRegression::new()
            .with_intercept(false)
            .fit(&DatasetBase::new(products, targets))
            .map_err(|error| MlError::training(self.name(), error))?;
        model.weights = fitted.params().iter().map(|weight| *weight as f32).collect();
        model.intercept = mean as f32;
        trained(self.name(), data.task, params, model)
    }
}

/// A model with the columns' means and deviations, and no weights yet.
fn unfitted(algorithm: &str, data: &TrainingData<'_>, link: Link) -> Result<LinearModel> {
    let design = Design::new(data.n_categories);
    if design.width() == 0 {
        return Err(MlError::training(algorithm, "no feature has a value in the training rows"));
    }
    let (means, deviations) = moments(&design, data.train);
    Ok(LinearModel {
        n_features: data.train.n_features(),
        weights: vec![0.0; design.width()],
        design,
        means,
        deviations,
        intercept: 0.0,
        link,
    })
}

/// Means of all design columns, and population deviations of the numeric ones, over the values that are there.
fn moments(design: &Design, rows: &LabelledRows<'_>) -> (Vec<f32>, Vec<f32>) {
    let mut moments = vec![Running::default(); design.width()];
    let mut written = vec![0.0; design.width()];
    for row in rows.values().chunks_exact(rows.n_features()) {
        design.write(row, &mut written);
        for (moment, value) in moments.iter_mut().zip(&written) {
            moment.add(f64::from(*value));
        }
    }
    let n_numeric = design.numeric.len();
    let means = moments.iter().map(|moment| moment.mean as f32).collect();
    let deviation = |(position, moment): (usize, &Running)| {
        let deviation = (moment.squares / moment.count.max(1.0)).sqrt() as f32;
        if position < n_numeric && deviation > 0.0 { deviation } else { 1.0 }
    };
    (means, moments.iter().enumerate().map(deviation).collect())
}

/// Mean and sum of squared differences in one pass (Welford).
#[derive(Debug, Clone, Default)]
struct Running {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Running {
    fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        self.count += 1.0;
        let difference = value - self.mean;
        self.mean += difference / self.count;
        self.squares += difference * (value - self.mean);
    }
}

/// The scaled design of all rows.
fn scaled_matrix(model: &LinearModel, rows: &LabelledRows<'_>) -> Array2<f64> {
    scaled_block(model, rows.values())
}

fn scaled_block(model: &LinearModel, rows: &[f32]) -> Array2<f64> {
    let width = model.design.width();
    let mut row_out = vec![0.0; width];
    let mut matrix = Array2::zeros((rows.len() / model.n_features, width));
    for (row, mut out) in rows.chunks_exact(model.n_features).zip(matrix.rows_mut()) {
        model.scaled_row(row, &mut row_out);
        for (slot, value) in out.iter_mut().zip(&row_out) {
            *slot = f64::from(*value);
        }
    }
    matrix
}

/// `X'X` and `X'(y - mean)`, summed block by block in row order so that the sums never change.
fn normal_equations(model: &LinearModel, rows: &LabelledRows<'_>, mean: f64) -> (Array2<f64>, Array1<f64>) {
    let width = model.design.width();
    let mut products = Array2::zeros((width, width));
    let mut targets = Array1::zeros(width);
    let blocks = rows.values().chunks(BLOCK_ROWS * model.n_features);
    for (block, labels) in blocks.zip(rows.labels().chunks(BLOCK_ROWS)) {
        let scaled = scaled_block(model, block);
        let view: ArrayView2<'_, f64> = scaled.view();
        let centred: Array1<f64> = labels.iter().map(|label| f64::from(*label) - mean).collect();
        products += &view.t().dot(&view);
        targets += &view.t().dot(&centred);
    }
    (products, targets)
}

fn penalties() -> Vec<Parameter> {
    vec![Parameter::new("alpha", Domain::numbers(&[0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0]))]
}

fn trained(algorithm: &'static str, task: Task, params: Params, model: LinearModel) -> Result<TrainedModel> {
    if model.weights.iter().any(|weight| !weight.is_finite()) || !model.intercept.is_finite() {
        return Err(MlError::training(algorithm, "the weights are not finite"));
    }
    Ok(TrainedModel { algorithm, task, params, rounds: None, body: ModelBody::Linear(model) })
}
