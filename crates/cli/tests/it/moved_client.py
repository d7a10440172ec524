"""Experiments and registered models on their way by `mlflow-export-import`: to MLflow's own server and back.

    python moved_client.py FOLDER FIRST BETWEEN LAST

Fills the server FIRST, carries everything to BETWEEN and from there to LAST, and asserts that all three tell the same. The tool
takes versions of models only where their files are on the machine, so their experiment keeps them in a folder of each server's.
"""

import os

os.environ |= {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "LOGNAME": "tester"}

import json
import pathlib
import subprocess
import sys

import mlflow
import numpy as np
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

folder, uris = pathlib.Path(sys.argv[1]), sys.argv[2:5]
rows = np.random.default_rng(7).normal(size=(50, 2))
model = LogisticRegression().fit(rows, rows[:, 0] > 0)


def fill(uri):
    mlflow.set_tracking_uri(uri)
    client = MlflowClient()
    proxied = mlflow.set_experiment("by proxy")
    client.set_experiment_tag(proxied.experiment_id, "team", "x")
    with mlflow.start_run(run_name="proxied"):
        mlflow.log_text("hello", "notes/a.txt")
        mlflow.log_metric("loss", 0.5)
    mlflow.set_experiment("moved")
    client.create_registered_model("Moved", tags={"mt": "1"}, description="words")
    mlflow.sklearn.save_model(model, folder / "model", pip_requirements=[])
    for number in range(4):
        with mlflow.start_run(run_name=f"r{number}", tags={"k": "v", "number": str(number)}) as run:
            mlflow.log_params({"a": number, "b": "x y"})
            for step in range(5):
                mlflow.log_metric("loss", 1 / (step + 1), step=step)
            mlflow.log_text("hello", "notes/a.txt")
            mlflow.log_artifacts(str(folder / "model"), "model")
        if number < 3:
            client.create_model_version("Moved", f"{run.info.artifact_uri}/model", run.info.run_id, description=f"v {number}",
                                        tags={"n": str(number)})
    client.set_registered_model_alias("Moved", "champion", "2")
    client.set_registered_model_alias("Moved", "challenger", "3")
    client.transition_model_version_stage("Moved", "1", "Production")


def told(uri):
    """What a server holds, without ids and times."""
    mlflow.set_tracking_uri(uri)
    client = MlflowClient()
    experiment = client.get_experiment_by_name("moved")
    proxied = client.get_experiment_by_name("by proxy")
    runs = {}
    for run in client.search_runs([experiment.experiment_id, proxied.experiment_id]):
        history = [[point.value, point.step, point.timestamp] for point in client.get_metric_history(run.info.run_id, "loss")]
        tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.") or key == "mlflow.runName"}
        files = sorted(entry.path for entry in client.list_artifacts(run.info.run_id, "model"))
        runs[run.info.run_name] = [run.info.status, run.data.params, history, tags, files, run.info.run_id]
        assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/notes/a.txt") == "hello"
    names = {run[-1]: name for name, run in runs.items()}
    moved = client.get_registered_model("Moved")
    versions = [[version.version, version.current_stage, version.description, version.tags, names[version.run_id]]
                for version in client.search_model_versions("name = 'Moved'", order_by=["version_number ASC"])]
    loaded = mlflow.sklearn.load_model("models:/Moved@champion")
    assert np.array_equal(loaded.predict(rows), model.predict(rows))
    team = {key: value for key, value in proxied.tags.items() if not key.startswith("mlflow.")}
    runs = {name: run[:-1] for name, run in runs.items()}
    return json.dumps([team, runs, moved.tags, moved.description, moved.aliases, versions], sort_keys=True)


def carry(one, other, aside):
    def tool(name, uri, *more):
        command = [os.path.join(os.path.dirname(sys.executable), name), *more]
        subprocess.run(command, check=True, env=os.environ | {"MLFLOW_TRACKING_URI": uri}, stdout=subprocess.DEVNULL)

    tool("export-models", one, "--models", "Moved", "--output-dir", str(aside), "--export-all-runs", "true")
    tool("import-models", other, "--input-dir", str(aside), "--delete-model", "true")
    # The tool writes aliases down, and does not set them.
    written = json.loads((aside / "models" / "Moved" / "model.json").read_text())["mlflow"]["registered_model"]
    for alias in written["aliases"]:
        MlflowClient(other).set_registered_model_alias("Moved", alias["alias"], alias["version"])
    tool("export-experiment", one, "--experiment", "by proxy", "--output-dir", str(aside / "by proxy"))
    tool("import-experiment", other, "--experiment-name", "by proxy", "--input-dir", str(aside / "by proxy"))


for number, uri in enumerate(uris):
    MlflowClient(uri).create_experiment("moved", artifact_location=str(folder / f"kept {number}"))
fill(uris[0])
first = told(uris[0])
carry(uris[0], uris[1], folder / "there")
assert told(uris[1]) == first, (told(uris[1]), first)
carry(uris[1], uris[2], folder / "back")
assert told(uris[2]) == first, (told(uris[2]), first)
print("carried", len(json.loads(first)[1]), "runs and", len(json.loads(first)[-1]), "versions")
