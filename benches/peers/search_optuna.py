"""Optuna's studies of 40 trials with Baton's trainer: `search_optuna.py DATA PROJECT random|tpe|halving`.

Two threads, each with a trainer of its own, as ours has two trials at a time. The mean of ten seeds is told."""

import json
import os
import subprocess
import sys
import threading
import time

import optuna

SEEDS, TRIALS, SIDE_BY_SIDE = range(1, 11), 40, 2
WAY = sys.argv[3]
optuna.logging.set_verbosity(optuna.logging.WARNING)


class Trainer:
    def __init__(self):
        program = os.path.join(os.path.dirname(os.environ["BATON_PROGRAM"]), "baton-bench")
        command = [program, "search-trainer", "--project", sys.argv[2]]
        environment = dict(os.environ, RAYON_NUM_THREADS="1")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.read()

    def read(self):
        return json.loads(self.process.stdout.readline())

    def write(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def score(self, trial, seed, params, watched):
        self.write(json.dumps({"seed": seed, "params": params, "watched": watched}))
        while True:
            told = self.read()
            if "step" not in told:
                if told["score"] is None:
                    raise optuna.TrialPruned()
                return told["score"]
            trial.report(told["value"], told["step"])
            self.write("stop" if trial.should_prune() else "go")


def main():
    trainers, lock = [Trainer() for _ in range(SIDE_BY_SIDE)], threading.Lock()
    watched = WAY == "halving"

    def objective(trial):
        params = {
            "learning_rate": trial.suggest_float("learning_rate", 0.05, 0.3, log=True),
            "max_depth": trial.suggest_int("max_depth", 4, 9),
            "min_child_weight": trial.suggest_float("min_child_weight", 1.0, 100.0, log=True),
            "subsample": trial.suggest_float("subsample", 0.6, 1.0),
            "colsample": trial.suggest_float("colsample", 0.5, 1.0),
            "lambda": trial.suggest_float("lambda", 0.1, 10.0, log=True),
        }
        with lock:
            trainer = trainers.pop()
        try:
            return trainer.score(trial, seed, params, watched)
        finally:
            with lock:
                trainers.append(trainer)

    seconds = score = 0.0
    for seed in SEEDS:
        sampler = (
            optuna.samplers.TPESampler(seed=seed) if WAY == "tpe" else optuna.samplers.RandomSampler(seed=seed)
        )
        pruner = (
            optuna.pruners.SuccessiveHalvingPruner(min_resource=3, reduction_factor=3)
            if watched
            else optuna.pruners.NopPruner()
        )
        study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
        start = time.perf_counter()
        study.optimize(objective, n_trials=TRIALS, n_jobs=SIDE_BY_SIDE)
        seconds += time.perf_counter() - start
        score += study.best_value
    for trainer in trainers:
        trainer.process.stdin.close()
        trainer.process.wait()
    print(json.dumps({"seconds": seconds / len(SEEDS), "score": score / len(SEEDS)}))


main()
