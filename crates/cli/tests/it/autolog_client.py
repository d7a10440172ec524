"""What an unmodified MLflow client logs by itself: autologging, evaluation, images by step, system metrics.

    python autolog_client.py URI

Prints one JSON line a step: its name, and what came of it, with ids and times replaced by what they stand for, so that the
lines of two servers can be compared. Whatever must hold of any server is asserted.
"""

import json
import os

os.environ |= {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "LOGNAME": "tester"}

import logging
import re
import sys
import time

import lightgbm
import matplotlib
import mlflow
import numpy as np
import onnx
import pandas as pd
import xgboost
from mlflow import MlflowClient
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV

matplotlib.use("Agg")
logging.getLogger("mlflow").setLevel(logging.ERROR)
URI = sys.argv[1]
mlflow.set_tracking_uri(URI)
client = MlflowClient()
experiment = mlflow.set_experiment("by itself")
names = {f"/{experiment.experiment_id}/": "/<by itself>/"}


def plain(value):
    """The same for every server: ids and times by what they stand for."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 1_600_000_000_000:
        return "<time>"
    if isinstance(value, str):
        for found, name in names.items():
            value = value.replace(found, name)
        return re.sub(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", "<id>", value)
    return value


def tell(step, value=None):
    print(json.dumps([step, plain(value)], sort_keys=True), flush=True)


def files(run_id, path=None):
    found = []
    for entry in client.list_artifacts(run_id, path):
        found += files(run_id, entry.path) if entry.is_dir else [entry.path]
    return sorted(found)


def files_of_model(model, path=None):
    found = []
    for entry in client.list_logged_model_artifacts(model.model_id, path):
        found += files_of_model(model, entry.path) if entry.is_dir else [entry.path]
    return sorted(found)


def autologged(run):
    """What autologging left in a run; figures are of the same code on the same rows, so they are the same everywhere."""
    run = client.get_run(run.info.run_id)
    models = [client.get_logged_model(output.model_id) for output in run.outputs.model_outputs]
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith(("mlflow.source", "mlflow.runName", "mlflow.log-model"))}
    inputs = [[found.dataset.name, found.dataset.digest, found.dataset.source_type, sorted((tag.key, tag.value) for tag in found.tags)]
              for found in run.inputs.dataset_inputs]
    return {
        "status": run.info.status,
        "params": run.data.params,
        "metrics": {key: round(value, 6) for key, value in run.data.metrics.items()},
        "tags": {key: value if len(value) < 200 else "<long>" for key, value in tags.items()},
        "inputs": inputs,
        "files": files(run.info.run_id),
        "models": sorted([model.name, str(model.status), model.model_type, sorted(model.params), files_of_model(model)] for model in models),
    }


rows = np.random.default_rng(7).normal(size=(200, 4))
frame = pd.DataFrame(rows, columns=["a", "b", "c", "d"])
target = (rows[:, 0] + rows[:, 1] > 0).astype(int)

# 30: autologging, within a run and without one.
mlflow.autolog(silent=True, log_input_examples=True)
with mlflow.start_run(run_name="within") as run:
    linear = LogisticRegression(C=0.5).fit(frame, target)
    linear.score(frame, target)
tell("sklearn within a run", autologged(run))
assert {"training_roc_curve.png", "training_confusion_matrix.png"} <= set(files(run.info.run_id))
assert client.get_run(run.info.run_id).data.params["C"] == "0.5"
LinearRegression().fit(frame, rows[:, 2] * 2)
outside = mlflow.last_active_run()
assert outside.info.run_id != run.info.run_id and outside.info.status == "FINISHED"
tell("sklearn without a run", autologged(outside))
loaded = mlflow.sklearn.load_model(f"models:/{client.get_run(run.info.run_id).outputs.model_outputs[0].model_id}")
assert np.array_equal(loaded.predict(frame), linear.predict(frame))
with mlflow.start_run(run_name="searched") as run:
    GridSearchCV(RandomForestClassifier(n_estimators=5, random_state=7), {"max_depth": [2, 3]}, cv=2).fit(frame, target)
tell("grid search", autologged(run) | {"params": None, "metrics": None})
children = client.search_runs([experiment.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
tell("its children", sorted(child.data.params["max_depth"] for child in children))
with mlflow.start_run(run_name="boosted") as run:
    xgboost.train({"objective": "binary:logistic", "max_depth": 2, "seed": 7}, xgboost.DMatrix(frame, target), 5,
                  evals=[(xgboost.DMatrix(frame, target), "train")], verbose_eval=False)
tell("xgboost", autologged(run))
assert len(client.get_metric_history(run.info.run_id, "train-logloss")) == 5
with mlflow.start_run(run_name="classifier") as run:
    xgboost.XGBClassifier(n_estimators=3, max_depth=2, random_state=7).fit(frame, target)
tell("xgboost by sklearn", autologged(run) | {"params": None})
with mlflow.start_run(run_name="leaves") as run:
    data = lightgbm.Dataset(frame, target)
    lightgbm.train({"objective": "binary", "num_leaves": 4, "verbose": -1, "seed": 7, "deterministic": True}, data, 5, valid_sets=[data],
                   valid_names=["train"])
tell("lightgbm", autologged(run))
assert len(client.get_metric_history(run.info.run_id, "train-binary_logloss")) == 5
with mlflow.start_run(run_name="lightgbm classifier") as run:
    lightgbm.LGBMClassifier(n_estimators=3, num_leaves=4, random_state=7, verbose=-1).fit(frame, target)
tell("lightgbm by sklearn", autologged(run) | {"params": None})
mlflow.autolog(disable=True)

# 22: ONNX.
exported = to_onnx(linear, frame[:1].to_numpy(dtype="float32"), options={id(linear): {"zipmap": False}})
assert isinstance(exported, onnx.ModelProto)
with mlflow.start_run(run_name="onnx") as run:
    info = mlflow.onnx.log_model(exported, name="exported", input_example=frame[:3].to_numpy(dtype="float32"), pip_requirements=[])
predicted = mlflow.pyfunc.load_model(info.model_uri).predict(frame.to_numpy(dtype="float32"))
assert np.allclose(predicted["probabilities"], linear.predict_proba(frame), atol=1e-6)
tell("onnx", autologged(run))

# Evaluation.
with mlflow.start_run(run_name="evaluated") as run:
    info = mlflow.sklearn.log_model(linear, name="judged", input_example=frame[:3], pip_requirements=[])
    judged = mlflow.models.evaluate(info.model_uri, frame.assign(target=target), targets="target", model_type="classifier",
                                    evaluators=["default"],
                                    evaluator_config={"default": {"log_model_explainability": False}})
tell("evaluated", autologged(run) | {"metrics": sorted(judged.metrics), "params": None})
assert judged.metrics["accuracy_score"] == client.get_run(run.info.run_id).data.metrics["accuracy_score"]
measured = client.get_logged_model(info.model_id).metrics
assert {"accuracy_score", "roc_auc"} <= {metric.key for metric in measured}

# Images by step, figures, tables.
with mlflow.start_run(run_name="shown") as run:
    for step in range(3):
        mlflow.log_image(np.full((8, 8, 3), step, dtype=np.uint8), key="grey", step=step, timestamp=1000 + step)
    figure, axes = matplotlib.pyplot.subplots()
    axes.plot([1, 2])
    mlflow.log_figure(figure, "plots/line.png")
    for part in range(3):
        mlflow.log_table(pd.DataFrame({"q": [f"{part}"], "n": [part]}), "tables/t.json")
mlflow.flush_artifact_async_logging()
shown = files(run.info.run_id)
tell("shown", sorted(re.sub(r"\+[0-9a-f-]{36}", "+<id>", re.sub(r"%[0-9a-f-]{36}", "%<id>", name)) for name in shown))
assert client.get_run(run.info.run_id).data.tags["mlflow.loggedImages"] == "True"
assert mlflow.load_table("tables/t.json", run_ids=[run.info.run_id])["n"].tolist() == [0, 1, 2]

# Reading a table begins a run by itself.
mlflow.end_run()

# 31: what the machine does meanwhile.
mlflow.set_system_metrics_sampling_interval(0.2)
mlflow.set_system_metrics_samples_before_logging(1)
with mlflow.start_run(run_name="machine", log_system_metrics=True) as run:
    time.sleep(1.5)
mlflow.flush_async_logging()
kept = client.get_run(run.info.run_id).data.metrics
assert {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"} <= set(kept), kept
assert len(client.get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")) >= 3
tell("machine", sorted(key for key in kept if key.startswith("system/") and "gpu" not in key))

# Nested, resumed, registered from a run.
with mlflow.start_run(run_name="outer", tags={"k": "v"}, description="words") as outer:
    names[outer.info.run_id] = "<outer>"
    with mlflow.start_run(run_name="inner", nested=True) as inner:
        mlflow.log_param("depth", 2)
        info = mlflow.sklearn.log_model(linear, name="kept", pip_requirements=[])
with mlflow.start_run(run_id=inner.info.run_id):
    mlflow.log_metric("again", 1.0)
registered = mlflow.register_model(info.model_uri, "kept", tags={"from": "run"})
client.set_registered_model_alias("kept", "best", registered.version)
assert client.get_run(inner.info.run_id).data.params == {"depth": "2"}
found = mlflow.search_runs(filter_string="attributes.run_name = 'inner' AND metrics.again = 1", output_format="list")
tell("inner", [[run.info.run_name, run.data.tags["mlflow.parentRunId"]] for run in found])
tell("outer", [client.get_run(outer.info.run_id).data.tags[key] for key in ("k", "mlflow.note.content")])
tell("registered", [registered.name, registered.version, registered.tags, client.get_model_version_by_alias("kept", "best").version])
assert np.array_equal(mlflow.pyfunc.load_model("models:/kept@best").predict(frame), linear.predict(frame))
logged = mlflow.search_logged_models(experiment_ids=[experiment.experiment_id], output_format="list")
tell("logged models", sorted(model.name for model in logged))
tell("end")
