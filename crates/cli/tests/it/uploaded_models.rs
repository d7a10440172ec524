//! Models that clients of MLflow log and register: judged, served and watched like those that the project trains.
//!
//! Needs `BATON_TEST_MLFLOW`, a Python with the packages of `xtask/requirements-mlflow.txt`, which also runs what only Python can.

use std::process::Command;

use baton_testkit::project::TestProject;
use serde_json::{Value, json};

use crate::answers::ok_by;
use crate::serve::{Server, as_of, canteen};
use crate::tracked_models::client;
use crate::tracking::python;

/// The canteen, whose model comes from the registry.
fn registered() -> TestProject {
    let project = canteen();
    let declared = std::fs::read_to_string(project.path("assets.yml")).unwrap();
    let trained = "train: {algorithm: boosted_trees, trials: 1, cross_validate: 2, seed: 7}";
    assert!(declared.contains(trained));
    project.write("assets.yml", &declared.replace(trained, "train: {registered: \"models:/payers@champion\"}"));
    project
}

/// A command that finds the Python and the ONNX Runtime of the tests, and a secret that is no model's business.
fn command(project: &TestProject, arguments: &[&str]) -> Command {
    let mut command = project.command(arguments);
    command.env("BATON_PYTHON", python()).env("BATON_TEST_SECRET", "1");
    if let Some(runtime) = std::env::var_os("BATON_TEST_ONNXRUNTIME") {
        command.env("BATON_ONNXRUNTIME", runtime);
    }
    command
}

fn apply(project: &TestProject) -> String {
    ok_by(command(project, &["apply", "-e", "prod", "--yes", "--as-of", &as_of(40)]))
}

/// Logs the same knowledge in six forms, each a version of `payers`, and says what each makes of the prices given.
const LOG: &str = r#"
import json, os, sys
import mlflow, numpy as np, pandas as pd, lightgbm, xgboost
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
rows = pd.DataFrame({"last_price": np.random.default_rng(7).uniform(5, 16, size=300)})
late = (rows["last_price"] > 10).astype(int)
asked = pd.DataFrame({"last_price": [float(price) for price in sys.argv[2:]]})

class Half(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        print("this goes to no answer")
        return model_input["last_price"] / 32 + (1000 if os.environ.get("BATON_TEST_SECRET") else 0)

linear = LogisticRegression().fit(rows, late)
booster = xgboost.train({"objective": "binary:logistic", "max_depth": 3}, xgboost.DMatrix(rows, late), 10)
leaves = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(rows, late), 10)
classifier = xgboost.XGBClassifier(n_estimators=5, max_depth=2).fit(rows, late)
leafy = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(rows, late)
exported = to_onnx(linear, rows[:1].to_numpy(dtype="float32"), options={id(linear): {"zipmap": False}})
example = rows[:20]
forms = [
    (lambda **more: mlflow.xgboost.log_model(booster, input_example=example, **more), booster.predict(xgboost.DMatrix(asked))),
    (lambda **more: mlflow.lightgbm.log_model(leaves, input_example=example, **more), leaves.predict(asked)),
    (lambda **more: mlflow.onnx.log_model(exported, input_example=example.to_numpy(dtype="float32"), **more),
     linear.predict_proba(asked)[:, 1]),
    (lambda **more: mlflow.sklearn.log_model(linear, input_example=example, **more), linear.predict_proba(asked)[:, 1]),
    (lambda **more: mlflow.xgboost.log_model(classifier, input_example=example, **more), classifier.predict_proba(asked)[:, 1]),
    (lambda **more: mlflow.lightgbm.log_model(leafy, input_example=example, **more), leafy.predict_proba(asked)[:, 1]),
    (lambda **more: mlflow.pyfunc.log_model(python_model=Half(), input_example=example, **more), asked["last_price"] / 32),
]
told = []
for number, (log, expected) in enumerate(forms):
    with mlflow.start_run():
        log(name=f"form{number}", registered_model_name="payers", pip_requirements=[])
    told.append([float(value) for value in expected])
client.set_registered_model_alias("payers", "champion", 1)
print(json.dumps(told))
"#;

/// Moves the alias and says which tags the version has.
const MOVE: &str = r#"
import json, sys, mlflow
client = mlflow.MlflowClient(sys.argv[1])
client.set_registered_model_alias("payers", "champion", sys.argv[2])
print(json.dumps(client.get_model_version("payers", sys.argv[2]).tags))
"#;

fn last_line(printed: &str) -> Value {
    serde_json::from_str(printed.lines().last().unwrap()).unwrap()
}

/// The Python of the tests behind a script that counts how often it is started.
fn counted(project: &TestProject) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let script = project.path("counted.sh");
    let starts = project.path("starts");
    let code = format!("#!/bin/sh\necho >> '{}'\nexec '{}' \"$@\"\n", starts.display(), python().display());
    std::fs::write(&script, code).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

#[test]
fn every_form_is_served_as_it_was_logged() {
    let project = registered();
    let server = Server::start_by(command(&project, &["serve", "-e", "prod", "--port", "0", "--no-scheduler"]));
    let uri = format!("http://{}", server.address);
    let price = "11.5";
    let expected = last_line(&client(LOG, &[&uri, price]));
    let forms = ["trees", "trees", "ONNX", "a worker", "trees", "trees", "a worker"];
    for (place, form) in forms.iter().enumerate() {
        let number = (place + 1).to_string();
        if place > 0 {
            let tags = last_line(&client(MOVE, &[&uri, &number]));
            assert!(tags["baton.served_as"].as_str().unwrap().starts_with(form), "{tags}");
            let difference: f64 = tags["baton.largest_difference"].as_str().unwrap().parse().unwrap();
            assert!(difference <= 1e-5, "{tags}");
            assert_eq!(tags["baton.example_rows"], json!("20"));
        }
        let mut applied = command(&project, &["apply", "-e", "prod", "--yes", "--as-of", &as_of(40)]);
        applied.env("BATON_PYTHON", counted(&project));
        let told = ok_by(applied);
        assert!(told.contains(&format!("models:/payers/{number}")), "{told}");
        // One worker runs the example, and what else the model is asked while it comes in; another the champion that it is held against.
        let champion = place.checked_sub(1).is_some_and(|before| forms[before] == "a worker");
        let starts = std::fs::read_to_string(project.path("starts")).unwrap();
        assert_eq!(starts.lines().count(), 1 + usize::from(champion), "form {number}");
        std::fs::remove_file(project.path("starts")).unwrap();
        let served = server
            .until(place as u64 + 1, &format!(r#"{{"rows": [{{"guest": "g3", "habits__last_price": {price}}}]}}"#));
        let wanted = expected[place][0].as_f64().unwrap();
        assert!((served - wanted).abs() < 1e-5, "form {number} serves {served}, but was logged to give {wanted}");
    }
    // The same version again is nothing to do.
    assert!(ok_by(command(&project, &["plan", "-e", "prod", "--as-of", &as_of(40)])).contains("No changes"));
    let shown = ok_by(command(&project, &["show", "late_payer", "-e", "prod", "--as-of", &as_of(40)]));
    assert!(shown.contains("models:/payers/7"), "{shown}");
}

/// A version that is served, then what differs in single precision and what has no example: the alias is asked to point at each.
const REFUSED: &str = r#"
import json, sys
import mlflow, numpy as np, pandas as pd, xgboost
mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
example = pd.DataFrame({"last_price": [5.1, 7.3, 9.7]})

class Chaotic(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return (model_input["last_price"] * 1e8) % 7

booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(example, [0, 1, 1]), 2)
logs = [
    lambda **more: mlflow.xgboost.log_model(booster, input_example=example, **more),
    lambda **more: mlflow.pyfunc.log_model(python_model=Chaotic(), input_example=example, **more),
    lambda **more: mlflow.xgboost.log_model(booster, **more),
]
said = []
for number in map(int, sys.argv[2:]):
    with mlflow.start_run():
        logs[number](name=f"form{number}", registered_model_name="payers", pip_requirements=[])
    try:
        client.set_registered_model_alias("payers", "champion", number + 1)
        said.append("moved")
    except mlflow.exceptions.MlflowException as error:
        said.append(error.message)
    client.set_registered_model_alias("payers", "nobody", number + 1)
version = client.get_model_version_by_alias("payers", "champion").version
tags = [client.get_model_version("payers", str(number + 1)).tags for number in map(int, sys.argv[2:])]
print(json.dumps([said, version, tags]))
"#;

#[test]
fn alias_that_is_served_does_not_move_to_what_differs() {
    let project = registered();
    let server = Server::start_by(command(&project, &["serve", "-e", "prod", "--port", "0", "--no-scheduler"]));
    let uri = format!("http://{}", server.address);
    // Nothing is served by the alias yet, so that it moves as it likes.
    assert_eq!(last_line(&client(REFUSED, &[&uri, "0"]))[0], json!(["moved"]));
    apply(&project);
    let told = last_line(&client(REFUSED, &[&uri, "1", "2"]));
    let (chaotic, blank) = (told[0][0].as_str().unwrap(), told[0][1].as_str().unwrap());
    assert!(
        chaotic.contains("`models:/payers/2` cannot be served: served as a worker process of Python it differs"),
        "{chaotic}"
    );
    assert!(chaotic.contains("the uploaded model gives") && chaotic.contains("allowed 1e-5"), "{chaotic}");
    assert!(blank.contains("logged without an example; log it with `input_example=`"), "{blank}");
    assert_eq!(told[1], json!("1"));
    let kept: f64 = told[2][0]["baton.largest_difference"].as_str().unwrap().parse().unwrap();
    assert!(kept > 1e-5, "{kept}");
}
