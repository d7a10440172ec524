"""What an unmodified MLflow client sees of a server's artifacts, logged models, registry and traces.

    python models_client.py URI [FOLDER]

Prints one JSON line a step: its name, and what came of it, with ids and times replaced by what they stand for, so that the
lines of two servers can be compared. Whatever must hold of any server is asserted. Downloads go to FOLDER.
"""

import json
import os

os.environ |= {"MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}

import pathlib
import re
import sys
import tempfile

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import xgboost
from mlflow import MlflowClient
from mlflow.entities import Feedback, SpanType
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

URI = sys.argv[1]
folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp())
mlflow.set_tracking_uri(URI)
client = MlflowClient()
names = {}


def plain(value):
    """The same for every server: ids and times by what they stand for."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and value > 1_600_000_000_000:
        return "<time>"
    if isinstance(value, str):
        for found, name in names.items():
            value = value.replace(found, name)
        return re.sub(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", "<id>", value)
    return value


def tell(step, value=None):
    print(json.dumps([step, plain(value)], sort_keys=True), flush=True)


def refused(step, call):
    try:
        call()
    except MlflowException as error:
        tell(step, [error.error_code, re.split(r"Error: |Valid keys are|not one of", error.message)[0]])
        return
    raise AssertionError(f"{step}: was not refused")


def version_of(version):
    shown = {key: value for key, value in dict(version).items() if key != "deployment_job_state"}
    return shown | {"aliases": sorted(version.aliases), "tags": dict(version.tags)}


# 19: artifacts.
experiment = mlflow.set_experiment("models")
names[f"/{experiment.experiment_id}/"] = "/<models>/"
local = folder / "given"
(local / "deep" / "er").mkdir(parents=True)
files = {"a b.txt": b"spaces", "x+y.txt": b"plus", "deep/er/\u00fc.txt": b"umlaut", "empty": b"", "deep/half%20.txt": b"percent"}
for name, content in files.items():
    (local / name).write_bytes(content)
(local / "big.bin").write_bytes(os.urandom(3_000_001))
files["big.bin"] = (local / "big.bin").read_bytes()
with mlflow.start_run(run_name="files") as run:
    names[run.info.run_id] = "<files>"
    mlflow.log_artifacts(str(local), "all")
    mlflow.log_artifact(str(local / "a b.txt"))
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_dict({"a": [1, 2]}, "d.json")
    mlflow.log_table({"q": ["1", "2"], "n": [1, 2]}, "tbl.json")
    mlflow.log_table({"q": ["3"], "n": [3]}, "tbl.json")
    mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "black.png")


def listed(path=None):
    found = client.list_artifacts(run.info.run_id, path)
    return [[entry.path, entry.is_dir, entry.file_size] for entry in found]


tell("files", [listed(), listed("all"), listed("all/deep"), listed("d.json"), listed("nothing")])
back = pathlib.Path(client.download_artifacts(run.info.run_id, "all", dst_path=str(folder)))
for name, content in files.items():
    # A percent sign that looks like an encoding is taken for one by the protocol.
    if "%" not in name:
        assert (back / name).read_bytes() == content, name
assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/notes/hello.txt") == "hello"
assert mlflow.artifacts.load_dict(run.info.artifact_uri + "/d.json") == {"a": [1, 2]}
assert len(mlflow.load_table("tbl.json", run_ids=[run.info.run_id])) == 3
assert client.get_run(run.info.run_id).data.tags["mlflow.loggedArtifacts"]
refused("file that is not there", lambda: mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/none.txt"))

# 22: models come back by every address, and predict the same.
rows = np.random.default_rng(7).normal(size=(200, 4))
frame = pd.DataFrame(rows, columns=["a", "b", "c", "d"])
target = (rows[:, 0] + rows[:, 1] > 0).astype(int)
client.create_registered_model("untouched")
linear = LogisticRegression().fit(frame, target)
boosted = xgboost.train({"objective": "binary:logistic", "max_depth": 3}, xgboost.DMatrix(frame, target), 10)
leaves = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(frame, target), 10)


class Doubling(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return model_input["a"] * 2


made = {
    "linear": (lambda **more: mlflow.sklearn.log_model(linear, **more), linear.predict(frame)),
    "boosted": (lambda **more: mlflow.xgboost.log_model(boosted, **more), boosted.predict(xgboost.DMatrix(frame))),
    "leaves": (lambda **more: mlflow.lightgbm.log_model(leaves, **more), leaves.predict(frame)),
    "doubling": (lambda **more: mlflow.pyfunc.log_model(python_model=Doubling(), **more), frame["a"] * 2),
}
for name, (log, expected) in made.items():
    signature = infer_signature(frame, np.asarray(expected))
    with mlflow.start_run(run_name=name) as run:
        names[run.info.run_id] = f"<{name}>"
        info = log(name=name, signature=signature, input_example=frame[:2], registered_model_name=f"R {name}", pip_requirements=[])
    names[info.model_id] = f"<m {name}>"
    client.set_registered_model_alias(f"R {name}", "a", 1)
    for uri in (f"runs:/{run.info.run_id}/{name}", info.model_uri, f"models:/{info.model_id}", f"models:/R {name}/1",
                f"models:/R {name}@a", f"models:/R {name}/latest"):
        loaded = mlflow.pyfunc.load_model(uri)
        assert np.array_equal(np.asarray(loaded.predict(frame)), np.asarray(expected)), uri
    logged = mlflow.get_logged_model(info.model_id)
    tell(f"logged {name}", [logged.name, str(logged.status), logged.source_run_id,
                            sorted(tag for tag in logged.tags if "git" not in tag), logged.model_type,
                            logged.artifact_location])
    tell(f"version of {name}", version_of(client.get_model_version(f"R {name}", "1")))
    outputs = client.get_run(run.info.run_id).outputs.model_outputs
    assert [output.model_id for output in outputs] == [info.model_id], outputs
tell("searched models", sorted(model.name for model in client.search_registered_models(filter_string="name LIKE 'R%'")))

# 23 and 24: logged models by themselves.
blank = client.create_logged_model(experiment.experiment_id)
assert blank.name and blank.status == "PENDING"
odd = client.create_logged_model(experiment.experiment_id, name="odd", source_run_id="123", params={"p": "1"}, tags={"t": "u"},
                                 model_type="agent")
names[odd.model_id] = "<odd>"
assert client.finalize_logged_model(odd.model_id, "READY").status == "READY"
assert client.finalize_logged_model(odd.model_id, "FAILED").status == "FAILED"
client.set_logged_model_tags(odd.model_id, {"t": "v", "w": "x"})
client.delete_logged_model_tag(odd.model_id, "w")
refused("tag that is not there", lambda: client.delete_logged_model_tag(odd.model_id, "w"))
with mlflow.start_run(run_name="measured") as run:
    names[run.info.run_id] = "<measured>"
    dataset = mlflow.data.from_pandas(frame, name="test")
    mlflow.log_metric("auc", 0.75, step=2, model_id=odd.model_id, dataset=dataset)
    mlflow.log_metrics({"f1": 0.5, "auc2": 0.25}, model_id=odd.model_id)
kept = client.get_logged_model(odd.model_id)
tell("logged model", [kept.name, kept.params, kept.tags, kept.model_type, sorted(
    [metric.key, metric.value, metric.step, metric.model_id, metric.run_id, metric.dataset_name] for metric in kept.metrics)])
for text in ["name = 'odd'", "params.p = '1'", "tags.t LIKE 'v%'", "metrics.auc > 0.5", "metrics.auc > 0.8", "status = 'FAILED'",
             "model_type = 'agent'", "name IN ('odd', 'linear')", "source_run_id = '123' AND metrics.f1 <= 0.5"]:
    found = client.search_logged_models([experiment.experiment_id], filter_string=text)
    tell(f"logged models where {text}", sorted(model.name for model in found))
found = client.search_logged_models([experiment.experiment_id], order_by=[{"field_name": "metrics.auc"}, {"field_name": "name"}])
tell("logged models by auc", [model.name for model in found if model.model_id != blank.model_id])
found = client.search_logged_models([experiment.experiment_id], datasets=[{"dataset_name": "test", "dataset_digest": dataset.digest}])
tell("logged models by dataset", [model.name for model in found])
page = client.search_logged_models([experiment.experiment_id], max_results=2)
assert len(page) == 2 and page.token
for text in ["foo.bar = 'x'", "metrics.auc LIKE 'x'", "name > 'a'", "status = 'NOPE'"]:
    refused(f"logged models where {text}", lambda: client.search_logged_models([experiment.experiment_id], filter_string=text))
client.delete_logged_model(odd.model_id)
refused("deleted logged model", lambda: client.get_logged_model(odd.model_id))
refused("name of a logged model", lambda: client.create_logged_model(experiment.experiment_id, name="a/b"))

# 25 to 29: the registry.
client.create_registered_model("M1", tags={"k": "v"}, description="d")
refused("registered twice", lambda: client.create_registered_model("M1"))
refused("name of a model", lambda: client.create_registered_model("a/b"))
refused("model that is not there", lambda: client.get_registered_model("nope"))
for number in range(3):
    client.create_model_version("M1", "s3://bucket/model", tags={"n": str(number)}, description=f"v {number}")
tell("version", version_of(client.get_model_version("M1", "2")))
twice = client.create_logged_model(experiment.experiment_id, name="twice")
names[twice.model_id] = "<twice>"
for _ in range(2):
    client.create_model_version("M1", twice.artifact_location, model_id=twice.model_id)
tell("versions of a logged model", client.get_logged_model(twice.model_id).tags)
for source in ["/etc", "file:///etc", "s3://b/../x", "mlflow-artifacts:/0/x", "runs:/0123/model", "gs://b/..%2f..%2fx",
               "models:/m-0123", "models:/M1/99"]:
    refused(f"source {source}", lambda: client.create_model_version("M1", source))
tell("download uri", client.get_model_version_download_uri("M1", "4"))
client.set_registered_model_alias("M1", "champion", "1")
client.set_registered_model_alias("M1", "champion", "2")
assert client.get_model_version_by_alias("M1", "champion").version == "2"
for alias in ["v1", "latest", "bad alias", ""]:
    refused(f"alias {alias}", lambda: client.set_registered_model_alias("M1", alias, "1"))
refused("alias that is not there", lambda: client.get_model_version_by_alias("M1", "nope"))
refused("alias of a version that is not there", lambda: client.set_registered_model_alias("M1", "x", "99"))
client.delete_registered_model_alias("M1", "nope")
client.delete_model_version("M1", "2")
refused("alias of a deleted version", lambda: client.get_model_version_by_alias("M1", "champion"))
refused("deleted version", lambda: client.get_model_version("M1", "2"))
assert client.create_model_version("M1", "s3://b/k").version == "6"
client.transition_model_version_stage("M1", "1", "Production")
client.transition_model_version_stage("M1", "3", "production", archive_existing_versions=True)
tell("stages", [[version.version, version.current_stage] for version in client.get_latest_versions("M1")])
tell("latest in production", [version.version for version in client.get_latest_versions("M1", ["Production"])])
refused("stage", lambda: client.transition_model_version_stage("M1", "1", "Foo"))
client.set_model_version_tag("M1", "1", "t", "u")
client.delete_model_version_tag("M1", "1", "n")
client.delete_model_version_tag("M1", "1", "n")
client.update_model_version("M1", "1", "better")
tell("changed version", version_of(client.get_model_version("M1", "1")))
client.set_registered_model_tag("M1", "more", "1")
client.delete_registered_model_tag("M1", "k")
client.set_registered_model_alias("M1", "kept", "3")
client.rename_registered_model("M1", "M2")
model = client.get_registered_model("M2")
tell("renamed", [model.name, model.description, model.tags, model.aliases,
                 sorted([version.name, version.version, version.current_stage] for version in model.latest_versions)])
for text in ["name = 'M2'", "tags.t = 'u'", "run_id = ''", "version_number > 3 AND name = 'M2'", "source_path LIKE 's3%'", "name IN ('M2')",
             "tag.n != '0' AND name ILIKE 'm2'"]:
    found = client.search_model_versions(text, order_by=["name ASC", "version_number DESC"])
    tell(f"versions where {text}", [[version.name, version.version] for version in found])
for text in ["foo = 'x'", "version_number = 'x'", "name > 'a'", "name = 'a' OR name = 'b'", "tags.t IS NULL"]:
    refused(f"versions where {text}", lambda: client.search_model_versions(text))
page = client.search_model_versions("name = 'M2'", max_results=2)
assert len(page) == 2 and page.token
rest = client.search_model_versions("name = 'M2'", max_results=200, page_token=page.token)
assert len(rest) == 3 and not rest.token
mlflow.genai.register_prompt("greeting", template="Hello {{name}}", tags={"x": "y"})
mlflow.genai.register_prompt("greeting", template="Hi {{name}}")
mlflow.genai.set_prompt_alias("greeting", "prod", 1)
assert mlflow.genai.load_prompt("prompts:/greeting@prod").template == "Hello {{name}}"
assert mlflow.genai.load_prompt("prompts:/greeting/2").format(name="you") == "Hi you"
tell("models", sorted(model.name for model in client.search_registered_models()))
tell("prompts", [prompt.name for prompt in mlflow.genai.search_prompts()])
refused("a model of a prompt's name", lambda: client.create_registered_model("greeting"))
client.delete_registered_model("M2")
refused("deleted model", lambda: client.get_registered_model("M2"))

# 32: traces.
mlflow.set_experiment("traced")


@mlflow.trace(span_type=SpanType.TOOL, attributes={"kind": "inner"})
def inner(x):
    return x + 1


@mlflow.trace
def outer(x):
    with mlflow.start_span("block") as block:
        block.set_inputs({"x": x})
        block.set_outputs([1, "two", None])
    return inner(x) * 2


@mlflow.trace
def failing():
    raise ValueError("on purpose")


assert outer(3) == 8
trace_id = mlflow.get_last_active_trace_id()
names[trace_id] = "<outer>"
try:
    failing()
except ValueError:
    pass
failed_id = mlflow.get_last_active_trace_id()
mlflow.flush_trace_async_logging()


def trace_of(trace):
    spans = [[span.name, span.span_type, str(span.status.status_code), span.inputs, span.outputs, bool(span.parent_id),
              sorted(span.attributes), [event.name for event in span.events]] for span in trace.data.spans]
    tags = {key: value for key, value in trace.info.tags.items() if key != "mlflow.artifactLocation"}
    return [str(trace.info.state), trace.info.request_preview, trace.info.response_preview, tags, sorted(spans, key=str)]


tell("trace", trace_of(mlflow.get_trace(trace_id)))
tell("failed trace", trace_of(mlflow.get_trace(failed_id)))
for text in ["attributes.status = 'ERROR'", "trace.name = 'outer'", "attributes.name LIKE 'f%'", "tags.none = 'x'", "span.name = 'inner'",
             "timestamp_ms > 0 AND status = 'OK'", "span.type = 'TOOL'"]:
    found = mlflow.search_traces(filter_string=text, return_type="list")
    tell(f"traces where {text}", [trace.info.tags["mlflow.traceName"] for trace in found])
assert len(mlflow.search_traces(return_type="list", max_results=1)) == 1
client.set_trace_tag(trace_id, "mine", "1")
tell("tagged", [trace.info.trace_id for trace in mlflow.search_traces(filter_string="tags.mine = '1'", return_type="list")])
client.delete_trace_tag(trace_id, "mine")
refused("trace tag that is not there", lambda: client.delete_trace_tag(trace_id, "mine"))
judged = mlflow.log_feedback(trace_id=trace_id, name="good", value=True, rationale="because")
mlflow.log_expectation(trace_id=trace_id, name="wanted", value={"answer": 8})
mlflow.update_assessment(trace_id, judged.assessment_id, Feedback(name="good", value=False, rationale="changed"))
info = mlflow.get_trace(trace_id).info
tell("judged", sorted([found.name, found.value, found.rationale, found.valid] for found in info.assessments))
mlflow.override_feedback(trace_id=trace_id, assessment_id=judged.assessment_id, value=True)
info = mlflow.get_trace(trace_id).info
tell("overridden", sorted([found.name, str(found.value), str(found.valid)] for found in info.assessments))
mlflow.delete_assessment(trace_id, judged.assessment_id)
refused("trace that is not there", lambda: client.get_trace("tr-" + "0" * 32))
with mlflow.start_run(run_name="traced") as run:
    names[run.info.run_id] = "<traced>"
    outer(1)
    linked_id = mlflow.get_last_active_trace_id()
mlflow.flush_trace_async_logging()
tell("traces of a run", len(mlflow.search_traces(run_id=run.info.run_id, return_type="list")))
assert mlflow.get_trace(linked_id).info.trace_metadata["mlflow.sourceRun"] == run.info.run_id
here = mlflow.get_experiment_by_name("traced").experiment_id
tell("deleted", client.delete_traces(here, trace_ids=[trace_id]))
tell("deleted the rest", client.delete_traces(here, max_timestamp_millis=2**53, max_traces=10))
tell("end")
