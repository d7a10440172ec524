"""Keeps experiments, runs, models and traces by an unmodified MLflow client, or prints what such a client is told of them.

    python exchange_client.py make URI     keeps them
    python exchange_client.py told URI     prints them, one JSON a line, without what may differ: where files lie
"""
import json
import logging
import math
import os
import sys
import tempfile

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType

logging.getLogger("mlflow").setLevel(logging.ERROR)
command, uri = sys.argv[1:3]
mlflow.set_tracking_uri(uri)
client = MlflowClient()


def make():
    first = client.create_experiment("wine: red", tags={"team": "cellar", "mlflow.note.content": "two\nlines: 'quoted'"})
    gone = client.create_experiment("gone")
    client.create_run(gone, run_name="of a deleted experiment")
    client.delete_experiment(gone)
    mlflow.set_experiment("wine: red")
    with mlflow.start_run(run_name="parent", description="the parent") as parent:
        mlflow.log_params({"alpha": 0.5, "solver/name": "lbfgs", "empty": "", "many": "a\nb: 'c'"})
        for step in range(50):
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step, timestamp=1_700_000_000_000 + step)
        client.log_batch(
            parent.info.run_id,
            metrics=[
                Metric("odd", math.nan, 1, 0),
                Metric("odd", math.inf, 2, 1),
                Metric("odd", -math.inf, 3, -2),
                Metric("val/acc", 0.1 + 0.2, 5, 7),
            ],
            tags=[RunTag("team/owner", "ann"), RunTag("unicode", "Ünï ☃")],
        )
        import pandas

        frame = pandas.DataFrame({"x": [1.0, 2.0, 3.0], "y": [0, 1, 0]})
        mlflow.log_input(mlflow.data.from_pandas(frame, name="wines", targets="y"), context="training")
        mlflow.log_text("hello", "notes/hello world.txt")
        mlflow.log_dict({"a": [1, 2]}, "a.json")
        mlflow.log_text("", "empty.txt")
        with mlflow.start_run(run_name="child", nested=True) as child:
            mlflow.log_metric("loss", 0.25)
            mlflow.log_param("alpha", "0.1")
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression().fit(frame[["x"]], frame["y"])
        info = mlflow.sklearn.log_model(model, name="classifier", registered_model_name="wine", params={"C": "1.0"})
        mlflow.log_metric("f1", 0.75, model_id=info.model_id, step=3, timestamp=4)
        client.set_logged_model_tags(info.model_id, {"stage": "trial"})
    failed = client.create_run(first, run_name="failed", start_time=1_600_000_000_000)
    client.set_terminated(failed.info.run_id, "FAILED", end_time=1_600_000_001_234)
    deleted = client.create_run(first, run_name="deleted")
    client.log_param(deleted.info.run_id, "p", "1")
    client.delete_run(deleted.info.run_id)
    client.update_registered_model("wine", "of many\ngrapes")
    client.set_registered_model_tag("wine", "colour", "red")
    client.create_model_version("wine", f"runs:/{parent.info.run_id}/notes", parent.info.run_id, description="second")
    client.create_model_version("wine", f"runs:/{parent.info.run_id}/notes", parent.info.run_id)
    client.delete_model_version("wine", "3")
    client.set_model_version_tag("wine", "2", "checked", "yes")
    client.set_registered_model_alias("wine", "champion", "1")
    client.set_registered_model_alias("wine", "challenger", "2")
    client.transition_model_version_stage("wine", "2", "Staging")
    client.create_registered_model("empty model")

    @mlflow.trace(span_type="CHAIN", attributes={"k": 1})
    def outer(question):
        usage = '{"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}'
        mlflow.update_current_trace(metadata={"mlflow.trace.session": "s-1", "mlflow.trace.tokenUsage": usage})
        return inner(question) + "!"

    @mlflow.trace
    def inner(question):
        return question.upper()

    outer("what")
    trace_id = mlflow.get_last_active_trace_id()
    mlflow.flush_trace_async_logging()
    client.set_trace_tag(trace_id, "kind", "test")
    mlflow.log_feedback(trace_id=trace_id, name="good", value=True, rationale="it is")
    mlflow.log_expectation(trace_id=trace_id, name="answer", value={"text": "WHAT!"})


def say(*what):
    print(json.dumps(what, sort_keys=True, default=str))


def number(value):
    # Databases keep what is infinite as the largest number; folders keep it as it is.
    return repr(max(-sys.float_info.max, min(value, sys.float_info.max)) if math.isfinite(value) or math.isinf(value) else value)


def files(run_id, path=None):
    for entry in client.list_artifacts(run_id, path):
        if entry.is_dir:
            yield from files(run_id, entry.path)
        else:
            with tempfile.TemporaryDirectory() as folder:
                got = client.download_artifacts(run_id, entry.path, folder)
                yield entry.path, os.path.getsize(got), open(got, "rb").read()[:40].decode("latin1")


def told_run(run):
    info, data = run.info, run.data
    say("run", info.run_id, info.run_name, info.status, info.user_id, info.start_time, info.end_time, info.lifecycle_stage)
    say("params", data.params)
    say("tags", data.tags)
    for key in sorted(data.metrics):
        say("latest", key, number(data.metrics[key]))
        say("history", key, sorted({(number(m.value), m.timestamp, m.step) for m in client.get_metric_history(info.run_id, key)}))
    for item in run.inputs.dataset_inputs if run.inputs else []:
        say("dataset", item.dataset.to_dictionary(), sorted((t.key, t.value) for t in item.tags))
    say("outputs", sorted((o.model_id, o.step) for o in run.outputs.model_outputs) if run.outputs else [])
    say("files", sorted(files(info.run_id)))


def told_models():
    for model in sorted(client.search_registered_models(), key=lambda m: m.name):
        say("registered", model.name, model.description or "", model.tags, {k: int(v) for k, v in model.aliases.items()}, model.creation_timestamp, model.last_updated_timestamp)
        for v in sorted(client.search_model_versions(f"name = '{model.name}'"), key=lambda v: int(v.version)):
            v = client.get_model_version(v.name, v.version)
            source = v.source if v.source.startswith("models:/") else os.path.basename(v.source)
            say("version", v.name, int(v.version), v.description or "", v.tags, sorted(v.aliases), v.current_stage, source, v.run_id, v.status, v.creation_timestamp)


def told():
    experiments = client.search_experiments(view_type=ViewType.ALL)
    for e in sorted(experiments, key=lambda e: e.name):
        say("experiment", e.name, e.lifecycle_stage, {k: v for k, v in e.tags.items()}, e.creation_time if e.name != "Default" else 0)
        runs = client.search_runs([e.experiment_id], run_view_type=ViewType.ALL, order_by=["attributes.run_id"])
        for run in sorted(runs, key=lambda r: r.info.run_id):
            told_run(client.get_run(run.info.run_id))
        for model in sorted(client.search_logged_models([e.experiment_id]), key=lambda m: m.model_id):
            say("logged", model.model_id, model.name, model.status, model.model_type or "", model.source_run_id, model.params, model.tags, model.creation_timestamp)
            for m in sorted(model.metrics or [], key=lambda m: (m.key, m.step)):
                # Databases of MLflow keep NaN of a logged model as 0.
                value = 0.0 if math.isnan(m.value) else m.value
                say("logged metric", m.key, number(value), m.timestamp, m.step, m.run_id)
            loaded = mlflow.sklearn.load_model(f"models:/{model.model_id}")
            say("loaded", [int(p) for p in loaded.predict([[1.0], [9.0]])])
        for trace in client.search_traces(locations=[e.experiment_id]):
            trace = mlflow.get_trace(trace.info.trace_id)
            told_trace(trace)
    told_models()


def told_trace(trace):
    i = trace.info
    say("trace", i.trace_id, i.state, i.request_time, i.execution_duration, i.request_preview, i.response_preview)
    say("trace tags", {k: v for k, v in i.tags.items() if k not in ("mlflow.artifactLocation", "mlflow.trace.spansLocation")})
    say("trace metadata", i.trace_metadata)
    for a in sorted(i.assessments, key=lambda a: a.name):
        say("assessment", a.assessment_id, a.name, a.value, a.rationale, str(a.source.source_type), a.create_time_ms)
    for s in trace.data.spans:
        say("span", s.span_id, s.parent_id, s.name, s.span_type, s.status.status_code, s.start_time_ns, s.end_time_ns, s.inputs, s.outputs, dict(s.attributes))


make() if command == "make" else told()
