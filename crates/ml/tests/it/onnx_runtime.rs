//! ONNX Runtime runs stored linear models and gives their training-time predictions, as this process does without it.

use crate::fit;
use crate::python::onnxruntime;
use baton_ml::StoredModel;
use baton_ml::data::Task;
use baton_ml::model::verify;
use baton_ml::runtime::{RuntimeOptions, load};

#[test]
fn stored_linear_models_predict_what_they_predicted_at_training() {
    let options = RuntimeOptions { onnxruntime: Some(onnxruntime()), ..RuntimeOptions::default() };
    for (algorithm, task) in [("logistic", Task::BinaryClassification), ("linear", Task::Regression)] {
        let fitted = fit(algorithm, task);
        let files = fitted.stored.to_files().unwrap();
        let read = StoredModel::from_files(&files).unwrap();
        let expected = fitted.trained.predict(&fitted.rows.values).unwrap();
        let alone = load(&read, &RuntimeOptions::default()).unwrap();
        assert_eq!(alone.predict(&fitted.rows.values, expected.len()).unwrap(), expected, "without ONNX Runtime");
        // As a model from elsewhere, whose graph only ONNX Runtime understands.
        let loaded = load(&StoredModel { algorithm: "imported".to_owned(), ..read }, &options).unwrap();
        let difference = verify(&*loaded, &fitted.rows.values, &expected, 1e-6).unwrap();
        assert!(difference <= 1e-6, "{algorithm} differs by {difference}");
        assert_eq!(loaded.n_features(), 3);
        assert!(loaded.predict(&[], 0).unwrap().is_empty());
    }
}

#[test]
fn an_imported_onnx_model_is_checked_against_its_declaration() {
    let options = RuntimeOptions { onnxruntime: Some(onnxruntime()), ..RuntimeOptions::default() };
    let fitted = fit("logistic", Task::BinaryClassification);
    let encoder = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        baton_ml::FeatureEncoder::numeric(&names)
    };
    let import = |names: &[&str]| {
        let bytes = &fitted.stored.bytes;
        StoredModel::import(bytes, encoder(names), Task::BinaryClassification).unwrap()
    };
    let loaded = load(&import(&["a", "b", "c"]), &options).unwrap();
    let expected = fitted.trained.predict(&fitted.rows.values).unwrap();
    verify(&*loaded, &fitted.rows.values, &expected, 1e-6).unwrap();
    let message = load(&import(&["a", "b"]), &options).err().unwrap().to_string();
    assert!(message.contains("reads 3 features, but 2 are declared"), "{message}");
    let garbage = StoredModel { bytes: b"garbage".to_vec(), ..fitted.stored.clone() };
    assert!(load(&garbage, &options).is_err());
}
