//! Contributions add up to the margin and find the features that matter.

use super::*;
use crate::data::{LabelledRows, Task};
use crate::frame::FeatureEncoder;
use crate::params::Params;
use crate::runtime::{RuntimeOptions, load};
use crate::testdata::{N_CATEGORIES, N_FEATURES, rows};
use crate::trainer::{TrainingData, trainer};

fn stored(algorithm: &str, params: &Params) -> StoredModel {
    let rows = rows(1000);
    let train = LabelledRows::new(&rows.values, &rows.classes, N_FEATURES).unwrap();
    let task = Task::BinaryClassification;
    let data = TrainingData { task, n_categories: &N_CATEGORIES, train: &train, validation: None };
    let trained = trainer(algorithm, task).unwrap().train(&data, params, 3).unwrap();
    trained.store(&FeatureEncoder::numeric(&["a", "b", "c"].map(str::to_owned))).unwrap()
}

fn sigmoid(margin: f64) -> f64 {
    1.0 / (1.0 + (-margin).exp())
}

#[test]
fn contributions_of_trees_add_up_to_the_prediction() {
    let model = stored("boosted_trees", &Params::default());
    let loaded = load(&model, &RuntimeOptions::default()).unwrap();
    for row in rows(30).values.chunks(N_FEATURES) {
        let explained = shap_row(&model, row).unwrap();
        let margin = explained.bias + explained.contributions.iter().map(|(_, part)| part).sum::<f64>();
        let predicted = loaded.predict(row, 1).unwrap()[0];
        assert!((sigmoid(margin) - predicted).abs() < 1e-5, "{margin} against {predicted}");
    }
}

#[test]
fn the_strongest_feature_comes_first() {
    let shallow = Params::default().with("rounds", 30.0).with("max_depth", 2.0);
    for (algorithm, params) in [("boosted_trees", shallow), ("logistic", Params::default())] {
        let ranked = shap_importance(&stored(algorithm, &params), &rows(500).values).unwrap();
        let names: Vec<_> = ranked.iter().map(|ranked| ranked.feature.as_str()).collect();
        assert_eq!(names[0], "a", "{algorithm}");
        assert!(ranked.windows(2).all(|pair| pair[0].importance >= pair[1].importance));
    }
}

#[test]
fn bad_rows_are_refused() {
    let model = stored("boosted_trees", &Params::default());
    assert!(matches!(shap_importance(&model, &[]), Err(MlError::NotEnoughData { .. })));
    assert!(matches!(shap_importance(&model, &[1.0; 4]), Err(MlError::Shape { .. })));
    assert!(matches!(shap_row(&model, &[1.0; 6]), Err(MlError::Shape { .. })));
}
