//! Stored models: files, digests, and the same predictions as at training.

use super::*;
use crate::data::LabelledRows;
use crate::runtime::{RuntimeOptions, load};
use crate::testdata::{N_CATEGORIES, N_FEATURES, Rows, rows};
use crate::trainer::{TrainingData, trainer};

fn stored(algorithm: &str, task: Task) -> (StoredModel, Rows, Vec<f64>) {
    let rows = rows(800);
    let train = LabelledRows::new(&rows.values, &rows.classes, N_FEATURES).unwrap();
    let data = TrainingData { task, n_categories: &N_CATEGORIES, train: &train, validation: None };
    let params = Params::default();
    let trained = trainer(algorithm, task).unwrap().train(&data, &params, 3).unwrap();
    let names = ["a", "b", "c"].map(str::to_owned);
    let expected = trained.predict(&rows.values).unwrap();
    (trained.store(&FeatureEncoder::numeric(&names)).unwrap(), rows, expected)
}

#[test]
fn files_hold_the_whole_model() {
    for (algorithm, file) in [("boosted_trees", "model.ubj"), ("logistic", "model.onnx")] {
        let (model, _, _) = stored(algorithm, Task::BinaryClassification);
        let files = model.to_files().unwrap();
        assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), ["model.json", file]);
        let read = StoredModel::from_files(&files).unwrap();
        assert_eq!(read, model);
        assert_eq!(read.digest(), model.digest());
    }
}

#[test]
fn changed_files_are_refused() {
    let (model, _, _) = stored("boosted_trees", Task::BinaryClassification);
    let mut files = model.to_files().unwrap();
    files.get_mut("model.ubj").unwrap()[40] ^= 1;
    let message = StoredModel::from_files(&files).unwrap_err().to_string();
    assert!(message.contains("`model.ubj` was changed"), "{message}");
    files.remove("model.ubj");
    let message = StoredModel::from_files(&files).unwrap_err().to_string();
    assert!(message.contains("`model.ubj` is missing"), "{message}");
}

#[test]
fn the_encoding_is_part_of_the_identity() {
    let (model, _, _) = stored("boosted_trees", Task::BinaryClassification);
    let names = ["a", "b", "d"].map(str::to_owned);
    let renamed = StoredModel { encoder: FeatureEncoder::numeric(&names), ..model.clone() };
    assert_ne!(renamed.digest(), model.digest());
}

#[test]
fn stored_trees_predict_what_they_predicted_at_training() {
    let cases = [
        ("boosted_trees", Task::BinaryClassification),
        ("random_forest", Task::BinaryClassification),
        ("boosted_trees", Task::Regression),
    ];
    for (algorithm, task) in cases {
        let (model, rows, expected) = stored(algorithm, task);
        let loaded = load(&model, &RuntimeOptions::default()).unwrap();
        assert_eq!(verify(&*loaded, &rows.values, &expected, 1e-6).unwrap(), 0.0, "{algorithm} {task}");
        // One row at a time is the same as all at once.
        let single = loaded.predict(&rows.values[3..6], 1).unwrap();
        assert_eq!(single[0], expected[1]);
        assert!(loaded.predict(&rows.values[..4], 1).is_err());
    }
}

#[test]
fn verify_finds_a_difference() {
    let (model, rows, mut expected) = stored("boosted_trees", Task::BinaryClassification);
    let loaded = load(&model, &RuntimeOptions::default()).unwrap();
    expected[5] += 0.01;
    let message = verify(&*loaded, &rows.values, &expected, 1e-6).unwrap_err().to_string();
    assert!(message.contains("row 5 gives"), "{message}");
    expected[5] = f64::NAN;
    assert!(verify(&*loaded, &rows.values, &expected, 1e-6).is_err());
}

#[test]
fn xgboost_json_and_ubjson_come_in() {
    let (model, rows, expected) = stored("boosted_trees", Task::BinaryClassification);
    let read = BoostedModel::decode(&model.bytes, TreeFormat::XgboostUbjson).unwrap();
    let json = read.encode(TreeFormat::XgboostJson).unwrap();
    for bytes in [&json, &model.bytes] {
        let imported = StoredModel::import(bytes, model.encoder.clone(), Task::BinaryClassification).unwrap();
        assert_eq!(imported.format, ModelFormat::Ubjson);
        let loaded = load(&imported, &RuntimeOptions::default()).unwrap();
        verify(&*loaded, &rows.values, &expected, 1e-7).unwrap();
    }
    let two = FeatureEncoder::numeric(&["a", "b"].map(str::to_owned));
    let message = StoredModel::import(&json, two, Task::BinaryClassification).unwrap_err().to_string();
    assert!(message.contains("reads 3 features, but 2 are declared"), "{message}");
}

#[test]
fn onnx_without_a_runtime_says_what_to_install() {
    let (trained, ..) = stored("logistic", Task::BinaryClassification);
    let model = StoredModel { algorithm: "imported".to_owned(), ..trained };
    let missing = load(&model, &RuntimeOptions::default()).err().map(|error| error.to_string());
    assert!(missing.is_some_and(|message| message.contains("pip install onnxruntime")));
    let options =
        RuntimeOptions { onnxruntime: Some("/nowhere/libonnxruntime.so".into()), ..RuntimeOptions::default() };
    let broken = load(&model, &options).err().map(|error| error.to_string()).unwrap();
    assert!(broken.contains("/nowhere/libonnxruntime.so"), "{broken}");
}
