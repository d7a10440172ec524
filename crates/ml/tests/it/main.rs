//! Stored models against the libraries that other people read them with: the `xgboost` package and ONNX Runtime. Searches
//! against Optuna.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should stop")]

#[path = "../../src/testdata.rs"]
mod testdata;

mod lightgbm;
mod onnx_runtime;
mod optuna;
mod python;
mod xgboost_package;

use baton_ml::data::{LabelledRows, Task};
use baton_ml::trainer::{TrainedModel, TrainingData, trainer};
use baton_ml::{FeatureEncoder, Params, StoredModel};
use testdata::{N_CATEGORIES, N_FEATURES, Rows, rows};

/// A model of 3000 test rows.
struct Fitted {
    rows: Rows,
    trained: TrainedModel,
    stored: StoredModel,
}

fn fit(algorithm: &str, task: Task) -> Fitted {
    let rows = rows(3000);
    let labels = if task == Task::Regression { &rows.numbers } else { &rows.classes };
    let train = LabelledRows::new(&rows.values, labels, N_FEATURES).unwrap();
    let data = TrainingData { task, n_categories: &N_CATEGORIES, train: &train, validation: None };
    let params = Params::default();
    let trained = trainer(algorithm, task).unwrap().train(&data, &params, 5).unwrap();
    let names = ["a", "b", "c"].map(str::to_owned);
    let stored = trained.store(&FeatureEncoder::numeric(&names)).unwrap();
    Fitted { rows, trained, stored }
}

fn largest_difference(left: &[f64], right: &[f64]) -> f64 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f64::max)
}
