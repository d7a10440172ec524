//! What is recognised of files that clients of MLflow write, from descriptions as they write them. They do not know the store.

use super::*;
use serde_json::json;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn mlmodel(flavors: serde_json::Value) -> serde_json::Value {
    json!({
        "flavors": flavors,
        "signature": {"inputs": r#"[{"type": "double", "name": "a", "required": true}, {"type": "long", "name": "b"}]"#},
        "saved_input_example_info": {"artifact_path": "input_example.json"},
    })
}

#[test]
fn flavors_are_recognised_the_most_telling_first() {
    let function = json!({"loader_module": "mlflow.xgboost", "data": "model.ubj"});
    let found =
        Description::of(&mlmodel(json!({"python_function": function, "xgboost": {"data": "model.ubj"}}))).unwrap();
    assert_eq!((found.flavor.as_str(), found.data.as_deref()), ("xgboost", Some("model.ubj")));
    assert_eq!(found.input_names(), Some(names(&["a", "b"])));
    assert!(found.has_example);
    let found =
        Description::of(&json!({"flavors": {"python_function": {"loader_module": "mlflow.catboost"}}})).unwrap();
    assert_eq!((found.flavor.as_str(), found.inputs, found.has_example), ("catboost", None, false));
    let error = Description::of(&json!({"flavors": {"spark": {}}})).unwrap_err().to_string();
    assert!(error.contains("it has spark"), "{error}");
}

#[test]
fn inputs_are_features_by_their_name_in_full_or_alone() {
    let features = names(&["carrier__mean", "carrier__max", "origin__max"]);
    let of = |inputs: &[&str]| features_of_inputs(Some(&names(inputs)), &features).map_err(|error| error.to_string());
    assert_eq!(of(&["mean", "origin__max"]), Ok(names(&["carrier__mean", "origin__max"])));
    assert_eq!(of(&["carrier.max"]), Ok(names(&["carrier__max"])));
    let error = of(&["max", "mean", "hour"]).unwrap_err();
    assert!(error.contains("it reads `max`, `hour`, which are not among the model's features"), "{error}");
    assert_eq!(features_of_inputs(None, &features).unwrap(), features);
}

#[test]
fn files_come_back_from_their_archive_and_stay_inside() {
    let files = BTreeMap::from([("MLmodel".to_owned(), b"x".to_vec()), ("code/a.py".to_owned(), Vec::new())]);
    let bytes = pack(&files).unwrap();
    assert_eq!(bytes, pack(&files).unwrap());
    let folder = tempfile::tempdir().unwrap();
    unpack(&bytes, folder.path()).unwrap();
    assert_eq!(std::fs::read(folder.path().join("MLmodel")).unwrap(), b"x");
    assert!(folder.path().join("code/a.py").is_file());
    for name in ["../x", "/x", ""] {
        let outside = pack(&BTreeMap::from([(name.to_owned(), Vec::new())])).unwrap();
        assert!(unpack(&outside, folder.path()).is_err(), "{name}");
    }
    assert!(unpack(b"no table", folder.path()).is_err());
}

struct Constant(f64);

impl crate::Predictor for Constant {
    fn predict(&self, _rows: &[f32], n_rows: usize) -> Result<Vec<f64>> {
        Ok(vec![self.0; n_rows])
    }

    fn n_features(&self) -> usize {
        1
    }
}

#[test]
fn largest_difference_is_told_with_its_row() {
    let example = Example { inputs: None, rows: vec![0.0; 3], expected: vec![0.5, 0.75, 0.5], trees: None };
    let found = example.difference(&Constant(0.5)).unwrap();
    assert_eq!(found, Difference { largest: 0.25, row: 1, served: 0.5, logged: 0.75 });
    // Relative where predictions are larger than 1, and never lost in a NaN.
    let large = Example { expected: vec![200.0, 200.0, 200.0], ..example.clone() };
    assert_eq!(large.difference(&Constant(100.0)).unwrap().largest, 0.5);
    assert_eq!(example.difference(&Constant(f64::NAN)).unwrap().largest, f64::INFINITY);
    let empty = Example { rows: Vec::new(), expected: Vec::new(), ..example };
    assert!(empty.difference(&Constant(0.0)).is_err());
}

#[test]
fn without_python_it_is_said_what_to_install() {
    let uploaded =
        UploadedModel::of(&mlmodel(json!({"sklearn": {"pickled_model": "model.pkl"}})), BTreeMap::new()).unwrap();
    let options = RuntimeOptions::default();
    let error = uploaded.example(Task::Regression, &options).err().unwrap().to_string();
    assert!(error.contains("`python: {interpreter: .venv/bin/python}`"), "{error}");
}
