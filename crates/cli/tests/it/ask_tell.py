"""The example of docs/guide/search.md, with an objective that has a curve. Prints what a test compares, as JSON."""

import json
import sys

import mlflow
import requests

address = sys.argv[1]
mlflow.set_tracking_uri(address)
api = f"{address}/api/v1/studies"


def train(depth, rate):
    for step in range(1, 6):
        yield (depth - 4) ** 2 + abs(rate - 0.1) + 1 / step


def searched(name, trials):
    study = requests.post(api, json={
        "name": name, "direction": "minimize", "metric": "loss", "trials": trials, "prune": "median", "seed": 1, "resume": True,
        "parameters": {"depth": {"min": 2, "max": 9}, "rate": {"distribution": "log_uniform_values", "min": 0.01, "max": 0.3}},
    }).json()["study"]
    asked_all = []
    while not (asked := requests.post(f"{api}/{study}/ask").json())["over"]:
        asked_all.append(asked["parameters"])
        trial = f"{api}/{study}/trials/{asked['trial']}"
        with mlflow.start_run(run_id=asked["run_id"]):
            mlflow.log_metric("by_the_client", asked["trial"])
            for step, loss in enumerate(train(**asked["parameters"]), 1):
                if requests.post(f"{trial}/report", json={"step": step, "value": loss}).json()["should_prune"]:
                    requests.post(f"{trial}/tell", json={"state": "pruned"})
                    break
            else:
                requests.post(f"{trial}/tell", json={"value": loss})
    return study, asked_all


study, first = searched("depth", 20)
_, twin = searched("twin", 20)
again, more = searched("depth", 30)
shown = requests.get(f"{api}/{study}").json()
best = shown["trials"][shown["best"]]
runs = mlflow.search_runs(
    experiment_names=["Default"], filter_string=f"tags.`mlflow.parentRunId` = '{study}'", output_format="list"
)
print(json.dumps({
    "reproduced": first == twin,
    "same_study": study == again,
    "asked": [len(first), len(more)],
    "runs": len(runs),
    "logged_by_client": sum("by_the_client" in run.data.metrics for run in runs),
    "pruned": sum(trial["state"] == "pruned" for trial in shown["trials"]),
    "running": sum(trial["state"] == "running" for trial in shown["trials"]),
    "best_depth": best["parameters"]["depth"],
    "best_is_least": best["value"] == min(trial["value"] for trial in shown["trials"] if trial["value"] is not None),
    "best_run": mlflow.get_run(best["run_id"]).data.metrics["loss"] == best["value"],
    "study_status": mlflow.get_run(study).info.status,
}))
