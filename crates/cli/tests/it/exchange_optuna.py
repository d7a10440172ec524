"""Two studies of Optuna, in the database that is named."""
import json
import math
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.CRITICAL)
url = sys.argv[1]
pruner = optuna.pruners.MedianPruner(n_startup_trials=2)
tune = optuna.create_study(study_name="tune", storage=url, sampler=optuna.samplers.TPESampler(seed=1), pruner=pruner)
tune.set_user_attr("team", "cellar")


def loss(trial):
    x = trial.suggest_float("x", -5, 5)
    trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    trial.suggest_int("n", 1, 9, step=2)
    trial.suggest_categorical("c", ["a", None, True, 3, 0.5])
    trial.set_user_attr("note", f"trial {trial.number}")
    for step in range(5):
        trial.report((x - 1) ** 2 + 1 / (step + 1), step)
        if trial.number != 2 and trial.should_prune():
            raise optuna.TrialPruned()
    if trial.number == 2:
        raise ValueError("no")
    return (x - 1) ** 2


tune.optimize(loss, n_trials=12, catch=(ValueError,))
tune.enqueue_trial({"x": 0.5})
two = optuna.create_study(study_name="two", storage=url, directions=["minimize", "maximize"])
two.optimize(lambda trial: (trial.suggest_float("x", 0, 1), float("inf")), n_trials=3)


def told(trial):
    return [trial.number, trial.state.name, {key: str(value) for key, value in trial.params.items()},
            [value if math.isfinite(value) else str(value) for value in trial.values or []],
            trial.intermediate_values]


print(json.dumps([[told(trial) for trial in study.trials] for study in (tune, two)]))
print(json.dumps([tune.best_trial.number, tune.best_value]))
