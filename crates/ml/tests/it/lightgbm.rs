//! A LightGBM text model comes in and predicts what LightGBM predicts.

use crate::largest_difference;
use crate::testdata::rows;
use baton_ml::data::Task;
use baton_ml::explain::shap_importance;
use baton_ml::model::ModelFormat;
use baton_ml::runtime::{RuntimeOptions, load};
use baton_ml::{FeatureEncoder, StoredModel};

/// Golden: `lightgbm` 4.7.0 trained 4 trees of 6 leaves on the first 600 test rows (objective `binary`, learning
/// rate 0.2); `data/lightgbm.txt` is its `save_model`, these are its `predict` of the first rows.
const EXPECTED: [f64; 8] = [
    0.6431440084954587,
    0.47731933050668,
    0.6191921636339217,
    0.31062936199260416,
    0.6431440084954587,
    0.47731933050668,
    0.5805360090989694,
    0.37930770184374013,
];

#[test]
fn a_text_model_comes_in() {
    let encoder = FeatureEncoder::numeric(&["a", "b", "c"].map(str::to_owned));
    let text = include_bytes!("data/lightgbm.txt");
    let imported = StoredModel::import(text, encoder, Task::BinaryClassification).unwrap();
    assert_eq!(imported.format, ModelFormat::Ubjson);
    let loaded = load(&imported, &RuntimeOptions::default()).unwrap();
    let predicted = loaded.predict(&rows(8).values, 8).unwrap();
    let difference = largest_difference(&predicted, &EXPECTED);
    assert!(difference <= 1e-6, "{predicted:?}");
    assert_eq!(shap_importance(&imported, &rows(100).values).unwrap()[0].feature, "a");
}
