"""Runs a model that a client of MLflow logged, in a process of its own.

    python -c CODE FOLDER TASK BYTES

Requests come over standard input and answers go over standard output, each after its length; before an answer comes a byte, 0 when
all went well. The first answer says that the model is open. A request holds rows, or nothing: then the logged example is meant.
"""

import json
import os
import struct
import sys


class Refused(Exception):
    """What the user can do something about."""


def messages(requests):
    while True:
        head = requests.read(8)
        if len(head) < 8:
            return
        yield requests.read(struct.unpack("<Q", head)[0])


def answer(answers, status, content):
    answers.write(bytes([status]) + struct.pack("<Q", len(content)) + content)
    answers.flush()


def limit(size):
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (size, size))
    except (ImportError, ValueError, OSError):
        pass


class Model:
    """A model with the names and types of what it reads."""

    TYPES = {"integer": "int32", "long": "int64", "float": "float32", "double": "float64", "boolean": "bool"}

    def __init__(self, folder, task):
        try:
            import mlflow.models
            import mlflow.pyfunc
        except ImportError as error:
            raise Refused(
                f"{sys.executable} cannot import what opens models ({error}); install `mlflow` and the model's own requirements "
                "there (they are in its requirements.txt), or name another interpreter with `python:` in baton.yml"
            ) from error
        self.folder = folder
        self.described = mlflow.models.Model.load(folder)
        self.function = mlflow.pyfunc.load_model(folder)
        try:
            self.raw = self.function.get_raw_model()
        except Exception:
            self.raw = None
        # A probability is asked for, and by itself a classifier tells only a class.
        self.tells_probability = task == "binary_classification" and callable(getattr(self.raw, "predict_proba", None))
        signature = self.described.signature
        self.inputs = signature.inputs if signature else None
        self.names = None
        if self.inputs is not None and self.inputs.has_input_names():
            self.names = self.inputs.input_names()

    def rows(self, values):
        """The rows as the model reads them."""
        import pandas

        if self.inputs is not None and self.inputs.is_tensor_spec():
            kinds = {str(spec.type) for spec in self.inputs.inputs}
            return values.astype(kinds.pop() if len(kinds) == 1 else "float32")
        if self.names is None:
            return values
        frame = pandas.DataFrame(values.astype("float64"), columns=self.names)
        for name, kind in zip(self.names, self.inputs.input_types()):
            wanted = self.TYPES.get(getattr(kind, "name", str(kind)))
            if wanted and not (wanted != "float32" and wanted != "float64" and frame[name].isna().any()):
                frame[name] = frame[name].astype(wanted)
        return frame

    def predict(self, rows):
        found = self.raw.predict_proba(rows) if self.tells_probability else self.function.predict(rows)
        return one_a_row(found, len(rows))

    def example(self):
        import numpy
        import pandas

        rows = self.described.load_input_example(self.folder)
        if rows is None:
            raise Refused("it was logged without an example; log it with `input_example=` a few rows of what it reads")
        if isinstance(rows, pandas.DataFrame):
            names = self.names or [str(name) for name in rows.columns]
            texts = [str(name) for name in rows.columns if not is_number(rows[name].dtype)]
            if texts:
                raise Refused(f"its example has columns that are no numbers ({', '.join(texts)}); encode them in a feature view")
            values = rows.set_axis([str(name) for name in rows.columns], axis=1)[names].to_numpy(dtype="float64")
        else:
            names = self.names
            values = numpy.asarray(rows, dtype="float64")
            values = values.reshape(len(values), -1)
        return {
            "inputs": names,
            "rows": [[plain(value) for value in row] for row in values],
            "expected": [plain(value) for value in self.predict(rows)],
            "trees": self.trees(),
        }

    def trees(self):
        """The trees of scikit-learn's way to call LightGBM and XGBoost, in the open format of their library."""
        module = type(self.raw).__module__
        if module.startswith("lightgbm") and hasattr(self.raw, "booster_"):
            return list(self.raw.booster_.model_to_string().encode())
        if module.startswith("xgboost") and hasattr(self.raw, "get_booster"):
            return list(self.raw.get_booster().save_raw("ubj"))
        return None


def is_number(kind):
    import pandas.api.types as types

    return types.is_numeric_dtype(kind) or types.is_bool_dtype(kind)


def plain(value):
    """JSON knows no NaN."""
    return None if value != value else float(value)


def one_a_row(found, count):
    """One number a row: the only one, or the last of two, the probability of true."""
    import numpy
    import pandas

    if isinstance(found, dict) or isinstance(found, pandas.DataFrame):
        names = list(found)
        chosen = next((name for name in names if "prob" in str(name)), None)
        if chosen is None and len(names) > 2:
            raise Refused(f"it predicts {len(names)} columns a row ({', '.join(map(str, names))}); one is needed")
        found = numpy.asarray(found[chosen if chosen is not None else names[-1]])
    numbers = numpy.asarray(found, dtype="float64")
    numbers = numbers.reshape(count, -1) if count else numbers.reshape(0, 1)
    if numbers.shape[1] > 2:
        raise Refused(f"it predicts {numbers.shape[1]} values a row; one, or two for two classes, are understood")
    return numbers[:, -1]


def told(error):
    if isinstance(error, Refused):
        return str(error).encode()
    return f"{type(error).__name__}: {error}".encode()


def main(folder, task, size):
    # What models print must not come between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    requests = os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    limit(int(size))
    try:
        model = Model(folder, task)
    except BaseException as error:
        return answer(answers, 1, told(error))
    answer(answers, 0, b"")
    import numpy

    for content in messages(requests):
        try:
            if not content:
                found = json.dumps(model.example()).encode()
            else:
                count = struct.unpack("<Q", content[:8])[0]
                values = numpy.frombuffer(content, dtype="<f4", offset=8).reshape(count, -1)
                found = model.predict(model.rows(values)).astype("<f8").tobytes()
            answer(answers, 0, found)
        except Exception as error:
            answer(answers, 1, told(error))


main(*sys.argv[1:])
