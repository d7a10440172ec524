"""What an unmodified MLflow client sees of a tracking server.

    python tracking_client.py URI

Prints one JSON line a step: its name, and what came of it, with ids and times replaced by what they stand for, so that the
lines of two servers can be compared. Whatever must hold of any server is asserted.
"""

import json
import math
import os
import re
import sys
import time

import mlflow
import mlflow.data
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus, RunTag, ViewType
from mlflow.exceptions import MlflowException

URI = sys.argv[1]
# Whom runs are by, on every machine.
os.environ["LOGNAME"] = "tester"
mlflow.set_tracking_uri(URI)
client = MlflowClient()
names = {}


def plain(value):
    """The same for every server: ids and times by what they stand for."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in sorted(value.items())}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and value > 1_600_000_000_000:
        return "<time>"
    if isinstance(value, str):
        for found, name in names.items():
            value = value.replace(found, name)
        return re.sub(r"\b[0-9a-f]{32}\b", "<id>", value)
    return value


def tell(step, value=None):
    print(json.dumps([step, plain(value)], sort_keys=True), flush=True)


def refused(step, call):
    try:
        call()
    except MlflowException as error:
        # The database's own words follow in MLflow; the sets of valid keys have no order.
        message = re.split(r" Error: |Valid keys are|not one of", error.message)[0]
        tell(step, [error.error_code, message])
        return
    raise AssertionError(f"{step}: was not refused")


def run_of(run):
    info = {key: value for key, value in dict(run.info).items() if key not in ("artifact_uri",)}
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.source")}
    inputs = [[dict(found.dataset), [dict(tag) for tag in found.tags]] for found in run.inputs.dataset_inputs]
    outputs = [[found.model_id, found.step] for found in run.outputs.model_outputs] if run.outputs else []
    return {"info": info, "metrics": run.data.metrics, "params": run.data.params, "tags": tags, "inputs": inputs,
            "outputs": outputs}


# 1: experiments.
first = mlflow.set_experiment("first")
assert mlflow.set_experiment("first").experiment_id == first.experiment_id
assert client.get_experiment("0").name == "Default"
other = client.create_experiment("other", tags={"team": "x", "note": "é"})
names[f"/{first.experiment_id}/"] = "/<first>/"
found = client.search_experiments()
assert [experiment.name for experiment in found] == ["other", "first", "Default"], found
tell("experiment", {key: value for key, value in dict(client.get_experiment(other)).items() if "location" not in key})
refused("experiment again", lambda: client.create_experiment("first"))
refused("experiment without a name", lambda: client.create_experiment("  "))
refused("experiment that is not there", lambda: client.get_experiment("12345"))
assert client.get_experiment_by_name("nobody") is None
client.rename_experiment(other, "renamed")
client.set_experiment_tag(other, "team", "y")
client.delete_experiment(other)
for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL):
    tell(f"experiments {view}", sorted(found.name for found in client.search_experiments(view_type=view)))
refused("deleted experiment renamed", lambda: client.rename_experiment(other, "z"))
refused("run in a deleted experiment", lambda: client.create_run(other))
refused("experiment deleted twice", lambda: client.delete_experiment(other))
client.restore_experiment(other)
refused("experiment restored twice", lambda: client.restore_experiment(other))
for text in ["name = 'first'", "name LIKE 'f%'", "name ILIKE 'RENAMED'", "tags.team = 'y'", "tags.team != 'q'",
             "tag.`note` IS NULL", "attribute.name != 'first'", "experiment_id IN ('0')", "creation_time > 0 AND name = 'first'"]:
    tell(f"experiments where {text}", sorted(found.name for found in client.search_experiments(filter_string=text)))
for text in ["name > 'a'", "foo = 'x'", "metrics.a = 1", "name = 5", "name = 'a' OR name = 'b'", "creation_time = 'x'"]:
    refused(f"experiments where {text}", lambda: client.search_experiments(filter_string=text))
tell("experiments by name", [found.name for found in client.search_experiments(order_by=["name DESC"])])
page = client.search_experiments(max_results=2)
assert len(page) == 2 and page.token
page = client.search_experiments(max_results=2, page_token=page.token)
assert len(page) == 1 and not page.token
assert client.search_experiments(max_results=3).token is None

# 6, 7: runs and their names.
given = client.create_run(first.experiment_id, tags={"mlflow.user": "ada", "k": "v"}, run_name="given", start_time=1000)
names[given.info.run_id] = "<given>"
tell("new run", run_of(given))
assert run_of(client.get_run(given.info.run_id)) == run_of(given)
found = client.search_runs([first.experiment_id])
assert run_of(found[0]) == run_of(given), found
unnamed = client.create_run(first.experiment_id, start_time=2000)
assert unnamed.info.run_name and unnamed.data.tags["mlflow.runName"] == unnamed.info.run_name
assert unnamed.info.user_id == "unknown"
names[unnamed.info.run_id] = "<unnamed>"
client.set_tag(unnamed.info.run_id, "mlflow.runName", "by tag")
assert client.get_run(unnamed.info.run_id).info.run_name == "by tag"
client.set_terminated(unnamed.info.run_id, "FINISHED", end_time=3000)
client.update_run(unnamed.info.run_id, name="by update")
tell("updated run", run_of(client.get_run(unnamed.info.run_id)))
refused("two names", lambda: client.create_run("0", run_name="a", tags={"mlflow.runName": "b"}))
refused("run that is not there", lambda: client.get_run("0" * 32))

# 8, 10, 11: metrics.
run_id = given.info.run_id
for key, value in [("nan", math.nan), ("high", math.inf), ("low", -math.inf), ("half", 0.5), ("tiny", 5e-324)]:
    client.log_metric(run_id, key, value, timestamp=5)
metrics = client.get_run(run_id).data.metrics
assert math.isnan(metrics["nan"]) and metrics["high"] >= 1.797e308 and metrics["low"] <= -1.797e308
for value, timestamp, step in [(1.0, 10, 2), (1.0, 10, 2), (1.0, 10, 2), (7.0, 90, 1), (0.5, 10, 2), (3.0, 1, -5)]:
    client.log_metric(run_id, "order", value, timestamp=timestamp, step=step)
history = client.get_metric_history(run_id, "order")
tell("history", [[point.value, point.timestamp, point.step] for point in history])
assert len(history) == 4 and client.get_run(run_id).data.metrics["order"] == 1.0
assert client.get_metric_history(run_id, "none") == []
refused("negative time", lambda: client.log_metric(run_id, "m", 1.0, timestamp=-1))

# 12 to 15: batches, parameters, tags.
points = [Metric("batch", float(step), 7, step) for step in range(900)]
client.log_batch(run_id, metrics=points, params=[Param(f"p{number}", "v") for number in range(250)],
                 tags=[RunTag("bt", "1"), RunTag("bt", "2")])
assert len(client.get_metric_history(run_id, "batch")) == 900
assert client.get_run(run_id).data.tags["bt"] == "2"
client.log_param(run_id, "lr", 0.1)
client.log_param(run_id, "lr", 0.1)
refused("parameter changed", lambda: client.log_param(run_id, "lr", 2))
refused("parameters changed", lambda: client.log_batch(run_id, params=[Param("lr", "3"), Param("fresh", "1")]))
refused("parameters twice", lambda: client.log_batch(run_id, params=[Param("d", "1"), Param("d", "2")]))
client.log_param(run_id, "long", "x" * 7000)
client.set_tag(run_id, "long", "y" * 9000)
kept = client.get_run(run_id).data
assert len(kept.params["long"]) == 6000 and len(kept.tags["long"]) == 8000
for key in ["k" * 251, "bad#name", "../x", "/x", "a//b", "a/./b", "a/"]:
    refused(f"metric {key}", lambda: client.log_metric(run_id, key, 1.0))
    refused(f"param {key}", lambda: client.log_param(run_id, key, "1"))
    refused(f"tag {key}", lambda: client.set_tag(run_id, key, "1"))
client.log_metric(run_id, "a/b c:d-e.f", 1.0, timestamp=5)
client.set_tag(run_id, "gone", "1")
client.delete_tag(run_id, "gone")
refused("tag that is not there", lambda: client.delete_tag(run_id, "fakeTag"))
client.delete_run(unnamed.info.run_id)
client.delete_run(unnamed.info.run_id)
refused("write to a deleted run", lambda: client.set_tag(unnamed.info.run_id, "k", "v"))
refused("tag of a deleted run", lambda: client.delete_tag(unnamed.info.run_id, "mlflow.runName"))
assert client.get_run(unnamed.info.run_id).info.lifecycle_stage == "deleted"
client.restore_run(unnamed.info.run_id)
client.restore_run(unnamed.info.run_id)

# 16 and 17: searches.
sweep = client.create_experiment("sweep")
table = [("a", 1.0, "0.1"), ("b", 2.0, "0.2"), ("c", 2.0, "0.1"), ("d", math.nan, "0.3"), ("e", None, None), ("f", math.inf, "X")]
for number, (name, loss, rate) in enumerate(table):
    run = client.create_run(sweep, run_name=name, start_time=1000 + number // 2, tags={"mlflow.user": "u", "even": str(number % 2 == 0)})
    names[run.info.run_id] = f"<{name}>"
    if loss is not None:
        client.log_metric(run.info.run_id, "loss", loss, timestamp=5)
        client.log_metric(run.info.run_id, "a b", loss, timestamp=5)
    if rate is not None:
        client.log_param(run.info.run_id, "rate", rate)
    if number > 3:
        client.set_terminated(run.info.run_id, "FAILED", end_time=5000)
ids = {name: found for found, name in names.items()}


def search(text="", order=(), **more):
    return [found.info.run_name for found in client.search_runs([sweep], text, order_by=list(order), **more)]


for text in [
    "metrics.loss > 1", "metrics.loss >= 2 and metrics.loss < 3", "metrics.loss = 2", "metrics.loss != 2", "metrics.loss > -1",
    "metrics.`a b` <= 1e0", 'metrics."a b" < 1.5', "params.rate = '0.1'", "params.rate != '0.1'", "params.rate LIKE '0.%'",
    "params.rate ILIKE 'x'", "params.rate LIKE 'x'", "parameter.rate IS NULL", "params.rate IS NOT NULL AND tags.even = 'True'",
    "tags.mlflow.runName LIKE '%'", "tags.`mlflow.runName` = 'a'", "tags.even != 'True'", "tags.nothing IS NULL AND metrics.loss = 1",
    "attributes.status = 'FAILED'", "status != 'FAILED'", "run_name ILIKE 'A'", "attributes.`Run name` LIKE '%b%'", "user_id = 'u'",
    "start_time >= 1001", "attributes.created < 1001", "end_time > 0", "attribute.artifact_uri LIKE '%artifacts'",
    f"run_id IN ('{ids['<a>']}', '{ids['<c>']}')", f"attributes.run_id NOT IN ('{ids['<a>']}')", f"run_id = '{ids['<b>']}'",
    "metrics.loss > 1 AND", "params.rate = \"0.1\"", "metrics.loss > .5",
]:
    # Ids are random, and they decide between runs of one moment.
    tell(f"runs where {text}".replace(ids["<a>"], "<a>").replace(ids["<b>"], "<b>").replace(ids["<c>"], "<c>"), sorted(search(text)))
for text in [
    "metrics.loss > 1 OR metrics.loss < 0", "NOT metrics.loss > 1", "(metrics.loss > 1)", "metrics.loss > 'x'", "metrics.loss LIKE 1",
    "params.rate = 1", "params.rate = bare", "params.rate IN ('0.1')", "tags.even IN ('True')", "foo.bar = 1", "foo = 'x'",
    "user_id IN ('u')", "end_time IS NULL", "metrics.loss IS NULL", "start_time = 'x'", "status > 'x'", "datasets.foo = 'x'",
    "metrics.loss", "1 < metrics.loss", "experiment_id = '0'",
]:
    refused(f"runs where {text}", lambda: search(text))


def ranked(order, **more):
    """Names in order; those of one moment, which random ids order, sorted."""
    found = client.search_runs([sweep], order_by=order, **more)
    return [found.info.run_name for found in found]


for order in [["metrics.loss"], ["metrics.loss DESC"], ["metrics.`a b` ASC"], ["params.rate DESC", "metrics.loss"], ["tags.even", "start_time ASC"],
              ["attributes.start_time ASC", "metrics.loss"], ["end_time", "metrics.loss DESC"], ["run_name DESC"], ["created DESC", "run_name"]]:
    tell(f"runs by {order}", ranked(order))
for order in [["experiment_id"], ["metrics.loss metrics.b"], ["metrics.loss DESCENDING"], ["datasets.name"], ["foo.bar"],
              ["metrics.loss a b"], ["metrics.loss", "metrics.loss DESC"]]:
    refused(f"runs by {order}", lambda: ranked(order))
# 5: pages.
page, pages = client.search_runs([sweep], order_by=["metrics.loss DESC"], max_results=1), []
while True:
    pages.append([found.info.run_name for found in page])
    if not page.token:
        break
    page = client.search_runs([sweep], order_by=["metrics.loss DESC"], max_results=1, page_token=page.token)
tell("pages", pages)
assert client.search_runs([sweep], max_results=6).token is None
assert len(mlflow.search_runs([sweep])) == 6
assert len(mlflow.search_runs(experiment_names=["sweep", "first"], filter_string="params.rate = '0.1'")) == 2
assert client.search_runs([]) == []
refused("page of nothing", lambda: client.search_runs([sweep], max_results=0))
refused("page of too many", lambda: client.search_runs([sweep], max_results=123456789))

# 21: inputs.
import pandas

dataset = mlflow.data.from_pandas(pandas.DataFrame({"x": [1, 2]}), source="s3://bucket/data.csv", name="train")
mlflow.set_experiment("first")
with mlflow.start_run(run_name="fluent") as run:
    names[run.info.run_id] = "<fluent>"
    mlflow.log_input(dataset, context="training", tags={"t": "1"})
    mlflow.log_input(dataset, context="other")
    mlflow.log_params({"a": 1, "b": "two"})
    mlflow.log_metrics({"m": 0.5, "n": 2}, step=3)
    mlflow.set_tags({"x": "y"})
    with mlflow.start_run(run_name="child", nested=True) as child:
        names[child.info.run_id] = "<child>"
        mlflow.log_metric("m", 1, step=1)
    mlflow.log_metric("async", 1.0, step=1, synchronous=False)
    mlflow.log_params({"later": "1"}, synchronous=False)
mlflow.flush_async_logging()
fluent = run_of(client.get_run(run.info.run_id))
assert fluent["info"]["status"] == "FINISHED" and len(fluent["inputs"]) == 1, fluent
tell("fluent run", fluent)
assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == run.info.run_id
with mlflow.start_run(run_id=run.info.run_id):
    mlflow.log_metric("resumed", 1)
assert client.get_run(run.info.run_id).info.status == "FINISHED"
first_ids = [first.experiment_id]
for text in ["datasets.name = 'train'", "dataset.context = 'training'", "datasets.context = 'other'", "datasets.name IN ('train', 'q')",
             f"tags.mlflow.parentRunId = '{run.info.run_id}'"]:
    tell(f"first where {plain(text)}", sorted(found.info.run_name for found in client.search_runs(first_ids, text)))
try:
    with mlflow.start_run(run_name="broken") as broken:
        raise RuntimeError("on purpose")
except RuntimeError:
    pass
tell("broken run", client.get_run(broken.info.run_id).info.status)

# 31: what is written in the background is all there.
with mlflow.start_run() as run:
    for step in range(200):
        mlflow.log_metric("background", step, step=step, synchronous=False)
mlflow.flush_async_logging()
deadline = time.time() + 20
while len(client.get_metric_history(run.info.run_id, "background")) < 200 and time.time() < deadline:
    time.sleep(0.05)
assert len(client.get_metric_history(run.info.run_id, "background")) == 200
tell("end")
