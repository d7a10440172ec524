"""The Python side of Baton: calls the functions of Python tables, one at a time, for as long as Baton runs.

Frames go over a private copy of standard output and come over a private copy of standard input: a letter for the kind,
four bytes for the length (little endian), then that many bytes. Rows travel as Arrow IPC streams. What user code prints
or logs becomes frames of its own, so it never mixes with them.

To the worker:   C a call (JSON)   D a piece of the input that was asked for   E that input has ended
From the worker: H ready (JSON)    P asks for a piece of an input (its number)   L a line of log (JSON)
                 R a piece of the result   O the call ended well (JSON)   F it failed (JSON)
"""

import os
import sys

sys.path[:] = [entry for entry in sys.path if entry]
_incoming = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
_outgoing = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
_nothing = os.open(os.devnull, os.O_RDONLY)
os.dup2(_nothing, 0)
os.dup2(2, 1)

import contextlib  # noqa: E402
import faulthandler  # noqa: E402
import importlib.abc  # noqa: E402
import importlib.util  # noqa: E402
import io  # noqa: E402
import json  # noqa: E402
import linecache  # noqa: E402
import logging  # noqa: E402
import random  # noqa: E402
import struct  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
import types  # noqa: E402
from datetime import date, datetime, timedelta, timezone  # noqa: E402

faulthandler.enable()
_sending = threading.Lock()
_asking = threading.Lock()
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _send(kind, payload=b""):
    with _sending:
        _outgoing.write(struct.pack("<cI", kind, len(payload)))
        _outgoing.write(payload)
        _outgoing.flush()


def _send_json(kind, value):
    _send(kind, json.dumps(value, default=str).encode())


def _exactly(count):
    data = _incoming.read(count)
    if len(data) < count:
        os._exit(0)
    return data


def _receive():
    kind, length = struct.unpack("<cI", _exactly(5))
    return kind, _exactly(length)


def _end_with_parent(parent):
    """Ends the worker when Baton was killed while user code was running."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


class _Printed(io.TextIOBase):
    """Standard output of user code, line by line."""

    def __init__(self, level):
        self.level = level
        self.rest = ""

    def writable(self):
        return True

    def write(self, text):
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            _log(self.level, line)
        return len(text)

    def flush(self):
        if self.rest:
            _log(self.level, self.rest)
            self.rest = ""


class _Logged(logging.Handler):
    def emit(self, record):
        try:
            for line in self.format(record).split("\n"):
                _log(record.levelname.lower(), line)
        except Exception:
            self.handleError(record)


def _log(level, line):
    _send_json(b"L", {"level": level, "line": line[:10_000]})


class _Modules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The project's own modules, as Baton read them: what is imported is what the fingerprint took in."""

    def __init__(self):
        self.texts = {}
        self.loaded = {}

    def use(self, folder, texts):
        """Takes another set of modules; a module of other text than before is imported anew, and with it all others."""
        known = {self._name(path): (os.path.join(folder, path), path, text) for path, text in texts.items()}
        if any(known.get(name, (0, 0, text))[2] != text for name, text in self.loaded.items()):
            for name in self.loaded:
                sys.modules.pop(name, None)
            self.loaded = {}
        self.texts = known

    @staticmethod
    def _name(path):
        path = path[: -len(".py")].replace("/", ".")
        return path[: -len(".__init__")] if path.endswith(".__init__") else path

    def find_spec(self, name, path=None, target=None):
        if name in self.texts:
            file, relative, _ = self.texts[name]
            is_package = relative.endswith("/__init__.py")
            spec = importlib.util.spec_from_loader(name, self, origin=file, is_package=is_package)
            spec.has_location = True
            return spec
        if any(known.startswith(name + ".") for known in self.texts):
            return importlib.util.spec_from_loader(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__
        if name not in self.texts:
            self.loaded[name] = None
            return
        file, _, text = self.texts[name]
        self.loaded[name] = text
        _remember_lines(file, text)
        exec(compile(text, file, "exec"), module.__dict__)


def _remember_lines(file, text):
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)


class Context:
    """What a table's function may ask for besides its inputs."""

    def __init__(self, call):
        self.name = call["name"]
        self.as_of = _instant(call["as_of"])
        self.start = _instant(call["start"])
        self.end = _instant(call["end"])
        self.interval = None if self.start is None else (self.start, self.end)
        self.is_incremental = self.start is not None
        self.vars = dict(call["vars"])
        self.each = _value(call["each"])
        self.log = logging.getLogger("baton." + self.name)

    def var(self, name, default=None):
        return self.vars.get(name, default)


def _value(typed):
    """The value that a table is made for, of its declared type."""
    if typed is None:
        return None
    kind, value = typed
    if kind == "date":
        return date.fromisoformat(value)
    return _instant(value) if kind == "timestamp" else value


def _instant(micros):
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


class _Input:
    """The Arrow IPC stream of one input, asked for piece by piece."""

    def __init__(self, number):
        self.number = number
        self.piece = memoryview(b"")
        self.ended = False
        self.closed = False

    def read(self, count=-1):
        parts = []
        while count != 0:
            if not len(self.piece) and not self._more():
                break
            part = self.piece if count < 0 else self.piece[:count]
            self.piece = self.piece[len(part) :]
            count = count if count < 0 else count - len(part)
            parts.append(part)
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def _more(self):
        if self.ended:
            return False
        with _asking:
            _send(b"P", struct.pack("<I", self.number))
            kind, data = _receive()
        self.ended = kind == b"E"
        self.piece = memoryview(data)
        return not self.ended

    def readable(self):
        return True

    def close(self):
        self.closed = True


class _Result(io.RawIOBase):
    """Takes the Arrow IPC stream of the result and sends it in large pieces."""

    def __init__(self):
        self.parts = []
        self.size = 0

    def writable(self):
        return True

    def write(self, data):
        data = bytes(data)
        self.parts.append(data)
        self.size += len(data)
        if self.size >= 1 << 20:
            self.flush()
        return len(data)

    def flush(self):
        if self.parts:
            _send(b"R", b"".join(self.parts))
            self.parts, self.size = [], 0


class Refused(Exception):
    """A result that is not what the table declares."""


_TYPES = {
    "string": lambda pa: pa.string(),
    "int": lambda pa: pa.int64(),
    "float": lambda pa: pa.float64(),
    "bool": lambda pa: pa.bool_(),
    "date": lambda pa: pa.date32(),
    "timestamp": lambda pa: pa.timestamp("us", tz="UTC"),
}


def _schema(pa, columns):
    return pa.schema([pa.field(name, _TYPES[kind](pa)) for name, kind in columns])


def _handed(pa, number, form):
    reader = pa.ipc.open_stream(pa.PythonFile(_Input(number), mode="r"))
    if form == "batches":
        return reader
    table = reader.read_all()
    if form == "arrow":
        return table
    if form == "pandas":
        return table.to_pandas()
    import polars

    frame = polars.from_arrow(table)
    return frame.lazy() if form == "lazy" else frame


def _tables(pa, value):
    """The Arrow tables that a returned value stands for."""
    if isinstance(value, pa.Table):
        yield value
    elif isinstance(value, pa.RecordBatch):
        yield pa.Table.from_batches([value])
    elif isinstance(value, pa.RecordBatchReader):
        for batch in value:
            yield pa.Table.from_batches([batch])
    elif type(value).__module__.startswith("polars") and type(value).__name__ == "LazyFrame":
        yield value.collect().to_arrow()
    elif type(value).__module__.startswith("polars") and type(value).__name__ == "DataFrame":
        yield value.to_arrow()
    elif type(value).__module__.startswith("pandas") and type(value).__name__ == "DataFrame":
        yield pa.Table.from_pandas(value, preserve_index=False)
    elif hasattr(value, "__arrow_c_stream__"):
        yield pa.table(value)
    elif isinstance(value, types.GeneratorType):
        for part in value:
            yield from _tables(pa, part)
    else:
        name = type(value).__name__
        raise Refused(f"it returned {name}, not an Arrow table, a Polars or pandas frame, or batches of them")


def _fitting(pa, table, schema):
    """The declared columns of a table, with the declared types."""
    missing = [name for name in schema.names if name not in table.column_names]
    if missing:
        there = ", ".join(map(str, table.column_names)) or "none"
        raise Refused(f"it returned no column {', '.join(missing)}; there are: {there}")
    undeclared = [str(name) for name in table.column_names if name not in schema.names]
    if undeclared:
        raise Refused(f"it returned {', '.join(undeclared)} besides the declared columns: declare or drop that")
    return pa.table([_cast(pa, table.column(field.name), field) for field in schema], schema=schema)


def _cast(pa, column, field):
    kind = column.type
    try:
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
        elif pa.types.is_timestamp(kind) and kind.tz is None and pa.types.is_timestamp(field.type):
            import pyarrow.compute as compute

            column = compute.assume_timezone(column.cast(pa.timestamp("us"), safe=False), "UTC")
        elif pa.types.is_timestamp(kind) and pa.types.is_timestamp(field.type):
            return column.cast(field.type, safe=False)
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise Refused(f"column {field.name} is {kind}, which is no {field.type}: {error}") from None


class Worker:
    def __init__(self, pa):
        self.pa = pa
        self.modules = _Modules()
        self.functions = {}
        sys.meta_path.insert(0, self.modules)

    def serve(self):
        while True:
            kind, data = _receive()
            if kind != b"C":
                # What is left of a call that failed before it had read all of its inputs.
                continue
            call = json.loads(data)
            began = time.perf_counter()
            try:
                with _tracking(call["tracking"]):
                    rows = self.call(call)
            except BaseException as error:
                self._flush()
                _send_json(b"F", _failure(error, call))
            else:
                self._flush()
                _send_json(b"O", {"rows": rows, "seconds": time.perf_counter() - began})

    @staticmethod
    def _flush():
        sys.stdout.flush()
        sys.stderr.flush()

    def call(self, call):
        function = self._function(call)
        _seed(call["seed"])
        arguments = [_handed(self.pa, number, form) for number, form in enumerate(call["inputs"])]
        if call["context"] is not None:
            arguments.insert(call["context"], Context(call))
        return self._write(function(*arguments), _schema(self.pa, call["columns"]))

    def _function(self, call):
        self.modules.use(call["folder"], call["modules"])
        key = call["key"]
        if key not in self.functions:
            file = os.path.join(call["folder"], call["file"])
            module = types.ModuleType("table_" + call["name"])
            module.__file__ = file
            _remember_lines(file, call["code"])
            exec(compile(call["code"], file, "exec"), module.__dict__)
            # Another version of the same table is not called any more, or seldom.
            self.functions = {known: found for known, found in self.functions.items() if found[0] != call["name"]}
            self.functions[key] = (call["name"], module.table)
        return self.functions[key][1]

    def _write(self, value, schema):
        rows = 0
        sink = _Result()
        with self.pa.ipc.new_stream(self.pa.PythonFile(sink, mode="w"), schema) as writer:
            for table in _tables(self.pa, value):
                table = _fitting(self.pa, table, schema)
                rows += table.num_rows
                writer.write_table(table, max_chunksize=1 << 16)
        sink.flush()
        return rows


# Variables by which clients of MLflow find where they track; those that a call sets itself are gone after it.
_MLFLOW = ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID")


@contextlib.contextmanager
def _tracking(variables):
    """The address and the run of a call, as clients of MLflow look for them; runs that it leaves open end with it."""
    if not variables:
        yield
        return
    before = {name: os.environ.pop(name, None) for name in _MLFLOW}
    os.environ.update(variables)
    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    finally:
        _end_runs(status)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _end_runs(status):
    mlflow = sys.modules.get("mlflow")
    if not hasattr(mlflow, "end_run"):
        return
    try:
        while mlflow.active_run() is not None:
            mlflow.end_run(status)
        # The next call is of another run, and in the experiment that it chooses itself.
        sys.modules["mlflow.tracking.fluent"]._active_experiment_id = None
    except Exception as error:
        _log("warning", f"a run cannot be ended: {error}")


def _seed(seed):
    """The same call draws the same random numbers."""
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed & 0xFFFFFFFF)


def _failure(error, call):
    """What went wrong, with the frames of the project's own code."""
    own = {os.path.join(call["folder"], path): path for path in [call["file"], *call["modules"]]}
    frames = []
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename in own:
            frames.append({"file": own[frame.filename], "line": frame.lineno, "function": frame.name, "code": frame.line or ""})
    if isinstance(error, SyntaxError) and error.filename in own:
        code = (error.text or "").strip()
        frames.append({"file": own[error.filename], "line": error.lineno or 1, "function": "<module>", "code": code})
    kind = type(error)
    name = kind.__name__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__name__}"
    try:
        message = str(error)
    except Exception:
        message = "(its message cannot be shown)"
    return {
        "refused": isinstance(error, Refused),
        "memory": isinstance(error, MemoryError),
        "missing": getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None,
        "type": name,
        "message": message,
        "frames": frames,
    }


def _limit(limit):
    """Lets memory beyond `limit` bytes be refused, where the system can."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    except (ImportError, ValueError, OSError):
        pass


def main():
    limit, parent = int(sys.argv[1]), os.getppid()
    try:
        import pyarrow
    except ImportError as error:
        _send_json(b"H", {"python": sys.version.split()[0], "pyarrow": None, "reason": str(error)})
        return
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    sys.stdout, sys.stderr = _Printed("print"), _Printed("print")
    logging.basicConfig(handlers=[_Logged()], level=logging.INFO, format="%(message)s")
    if limit:
        _limit(limit)
    _send_json(b"H", {"python": sys.version.split()[0], "pyarrow": pyarrow.__version__})
    Worker(pyarrow).serve()


main()
