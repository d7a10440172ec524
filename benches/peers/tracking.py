"""A tracking server asked over one connection: the median of what is asked.

    tracking.py DATA PROJECT baton|mlflow log-metric|log-batch|create-run|search|page|history|writers|upload|download|idle

`search`, `page` and `history` work on a store that is filled once, by SQL: through the servers it would take hours. With
`BATON_BENCH_SHORT=1` it has a hundredth of the runs and points, to see that everything works. `writers` are eight processes that write
at once, `upload` and `download` move a file of 1 GiB through the proxy, and `idle` is a server that nobody asks anything. The memory
is the most that the server's processes held while they worked, and of `idle` what they hold.
"""

import http.client
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

IS_SHORT = os.environ.get("BATON_BENCH_SHORT") == "1"
RUNS = 1_000 if IS_SHORT else 100_000
POINTS = 10_000 if IS_SHORT else 1_000_000
PIECES = 64 if IS_SHORT else 1024
WRITERS = 8
KEYS = 20
# 2023-11-14T22:13:20Z in milliseconds.
BEGIN = 1_700_000_000_000

data, _project, who, what = sys.argv[1:5]


def start(folder):
    global port
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = os.path.join(folder, "store.db")
    if who == "baton":
        command = [os.environ["BATON_PROGRAM"], "tracking", "--quiet", "--port", str(port), "--store", file]
    else:
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{file}", "--artifacts-destination", os.path.join(folder, "artifacts")]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              start_new_session=True)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    for _ in range(3000):
        try:
            connection.request("GET", "/health")
            connection.getresponse().read()
            return server, connection
        except OSError:
            connection.close()
            time.sleep(0.1)
    stop(server)
    raise SystemExit("the server does not start")


def stop(server):
    os.killpg(server.pid, signal.SIGTERM)
    server.wait()


def memory(server, field):
    """What the processes of a server hold together, `VmRSS`, or the most that each held so far, `VmHWM`; in MiB."""
    listed = subprocess.run(["ps", "-o", "pid=", "-g", str(server.pid)], capture_output=True, text=True).stdout
    total = 0
    for process in listed.split():
        with open(f"/proc/{process}/status") as status:
            total += sum(int(line.split()[1]) for line in status if line.startswith(field + ":"))
    return total / 1024


def send(method, path, body=None):
    text = None if body is None else json.dumps(body)
    connection.request(method, "/api/2.0/mlflow/" + path, text, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = answer.read()
    assert answer.status == 200, (answer.status, said)
    return json.loads(said)


def new_run():
    return send("POST", "runs/create", {"experiment_id": "0", "start_time": BEGIN, "user_id": "u"})["run"]["info"]["run_id"]


def point(key, step):
    return {"key": key, "value": step / 7, "timestamp": BEGIN + step, "step": step}


def fill(file):
    """The same runs for both: 20 metrics and 20 parameters each, and one metric of a million points."""
    store = sqlite3.connect(file)
    store.execute("PRAGMA synchronous = OFF")
    ours = who == "baton"
    rows = {table: [] for table in ["runs", "metrics", "latest_metrics", "params", "tags"]}
    texts = {
        "runs": "INSERT INTO runs (id, run_id, experiment, name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri)"
        " VALUES (?, ?, 1, ?, 'u', 'FINISHED', ?, ?, 'active', ?)",
        "metrics": "INSERT INTO metrics (run, key, timestamp, step, value, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
        "latest_metrics": "INSERT INTO latest_metrics (run, key, experiment, value, is_nan, shown, timestamp, step) VALUES (?, ?, 1, ?, 0, ?, ?, 0)",
        "params": "INSERT INTO params (run, key, experiment, value) VALUES (?, ?, 1, ?)",
        "tags": "INSERT INTO tags (run, key, experiment, value) VALUES (?, ?, 1, ?)",
    } if ours else {
        "runs": "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, source_version,"
        " lifecycle_stage, artifact_uri, experiment_id) VALUES (?, ?, 'UNKNOWN', '', '', 'u', 'FINISHED', ?, ?, '', 'active', ?, 1)",
        "metrics": "INSERT INTO metrics (run_uuid, key, timestamp, step, value, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
        "latest_metrics": "INSERT INTO latest_metrics (run_uuid, key, value, timestamp, step, is_nan) VALUES (?, ?, ?, ?, 0, 0)",
        "params": "INSERT INTO params (run_uuid, key, value) VALUES (?, ?, ?)",
        "tags": "INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)",
    }
    experiment = ("id", "") if ours else ("experiment_id", ", workspace")
    store.execute(
        f"INSERT INTO experiments ({experiment[0]}, name, artifact_location, lifecycle_stage, creation_time, last_update_time{experiment[1]})"
        f" VALUES (1, 'filled', 'mlflow-artifacts:/1', 'active', {BEGIN}, {BEGIN}{'' if ours else ', ' + repr('default')})"
    )

    def flush():
        for table, text in texts.items():
            store.executemany(text, rows[table])
            rows[table].clear()

    chance = random.Random(7)
    for number in range(RUNS):
        run_id = uuid.UUID(int=chance.getrandbits(128)).hex
        run, begin = (number + 1 if ours else run_id), BEGIN + number * 1000
        uri = f"mlflow-artifacts:/1/{run_id}/artifacts"
        rows["runs"].append(([run] if ours else []) + [run_id, f"run-{number}", begin, begin + 500, uri])
        for key in range(KEYS):
            value = chance.random()
            rows["metrics"].append((run, f"m{key}", BEGIN, 0, value))
            rows["latest_metrics"].append((run, f"m{key}", value, repr(value), BEGIN) if ours else (run, f"m{key}", value, BEGIN))
            rows["params"].append((run, f"p{key}", str(chance.randrange(10 ** (1 + key % 4)))))
        rows["tags"] += [(run, "mlflow.runName", f"run-{number}"), (run, "mlflow.user", "u")]
        if number % 5000 == 4999:
            flush()
    for step in range(POINTS):
        rows["metrics"].append((run, "long", BEGIN + step, step, chance.random()))
    last = rows["metrics"][-1][4]
    rows["latest_metrics"].append((run, "long", last, repr(last), BEGIN) if ours else (run, "long", last, BEGIN))
    flush()
    store.execute("ANALYZE")
    store.commit()
    store.close()
    return run_id


def filled():
    """A folder with a store that is filled, and its last run."""
    global connection
    folder = os.path.join(data, f"tracking-{who}-{RUNS}")
    note = os.path.join(folder, "run.txt")
    if not os.path.exists(note):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        server, connection = start(folder)
        stop(server)
        run_id = fill(os.path.join(folder, "store.db"))
        with open(note, "w") as file:
            file.write(run_id)
    return folder, open(note).read()


def measured(times, work):
    took = []
    for number in range(times):
        begin = time.perf_counter()
        work(number)
        took.append(time.perf_counter() - begin)
    return statistics.median(took)


def search(number):
    found = send("POST", "runs/search", {
        "experiment_ids": ["1"],
        "filter": f"metrics.m0 > 0.{5 + number % 3} and metrics.m1 < 0.5 and params.p0 = '{number % 10}'",
        "order_by": ["metrics.m2 DESC"],
        "max_results": 100,
    })
    assert len(found["runs"]) == 100 or IS_SHORT


def tenth_page(_number):
    token = None
    for _ in range(10):
        body = {"experiment_ids": ["1"], "order_by": ["metrics.m2 DESC"], "max_results": RUNS // 100}
        found = send("POST", "runs/search", body if token is None else {**body, "page_token": token})
        token = found["next_page_token"]


def history(_number):
    seen, token = 0, ""
    while True:
        page = send("GET", f"metrics/get-history?run_id={last}&metric_key=long&max_results=25000{token}")
        seen += len(page["metrics"])
        if "next_page_token" not in page:
            break
        token = "&page_token=" + page["next_page_token"]
    assert seen == POINTS


def write(writer, batches, run, results):
    """One of the processes: batches of ten points and a tag; how many were answered with what."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    answered = {}
    for number in range(batches):
        body = {"run_id": run, "metrics": [point(f"w{writer}", number * 10 + step) for step in range(10)],
                "tags": [{"key": f"t{writer}", "value": str(number)}]}
        try:
            connection.request("POST", "/api/2.0/mlflow/runs/log-batch", json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        except (http.client.HTTPException, OSError):
            connection.close()
            status = 0
        answered[status] = answered.get(status, 0) + 1
    results.put((writer, answered))


def writers():
    """Seconds a batch, all of them together. Of ours each must be answered well, and be there."""
    batches = (100 if IS_SHORT else 1000) if who == "baton" else 50
    run, results = new_run(), multiprocessing.Queue()
    processes = [multiprocessing.Process(target=write, args=(writer, batches, run, results)) for writer in range(WRITERS)]
    begin = time.perf_counter()
    for process in processes:
        process.start()
    answered = dict(results.get() for _ in processes)
    took = time.perf_counter() - begin
    for process in processes:
        process.join()
    # The server may have given up a connection that nobody used for so long.
    connection.close()
    failed = {writer: found for writer, found in answered.items() if set(found) != {200}}
    assert who != "baton" or not failed, failed
    for writer, found in answered.items():
        kept = send("GET", f"metrics/get-history?run_id={run}&metric_key=w{writer}").get("metrics", [])
        assert len(kept) >= 10 * found.get(200, 0), (writer, found, len(kept))
    return took / sum(found.get(200, 0) for found in answered.values())


PIECE = random.Random(7).randbytes(1 << 20)
FILE = "/api/2.0/mlflow-artifacts/artifacts/0/bench/artifacts/model.bin"


def upload(_number):
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(PIECES << 20)}
    connection.request("PUT", FILE, (PIECE for _ in range(PIECES)), headers)
    answer = connection.getresponse()
    assert answer.status == 200, (answer.status, answer.read())
    answer.read()


def download(_number):
    connection.request("GET", FILE)
    answer = connection.getresponse()
    assert answer.status == 200, (answer.status, answer.read())
    for _ in range(PIECES):
        assert answer.read(1 << 20) == PIECE
    assert answer.read() == b""


def downloads():
    upload(0)
    return measured(3, download)


def idle():
    """Nothing is asked; what counts is the memory."""
    time.sleep(1 if IS_SHORT else 10)
    return 1.0


is_filled = what in ("search", "page", "history")
scratch = None if is_filled else tempfile.mkdtemp()
folder, last = filled() if is_filled else (scratch, None)
server, connection = start(folder)
try:
    if not is_filled and what != "idle":
        run = new_run()
    quick = 10 if who == "baton" else 1
    seconds = {
        "log-metric": lambda: measured(100 * quick, lambda number: send(
            "POST", "runs/log-metric", {"run_id": run, **point("m", number)})),
        "log-batch": lambda: measured(10 * quick, lambda number: send(
            "POST", "runs/log-batch", {"run_id": run, "metrics": [point(f"m{key}", number * 50 + step) for key in range(20) for step in range(50)]})),
        "create-run": lambda: measured(100 * quick, lambda _number: new_run()),
        "search": lambda: measured(3 * quick, search),
        "page": lambda: measured(1, tenth_page) / 10,
        "history": lambda: measured(1, history),
        "writers": writers,
        "upload": lambda: measured(3, upload),
        "download": downloads,
        "idle": idle,
    }[what]()
    print(json.dumps({"seconds": seconds, "peak_mib": memory(server, "VmRSS" if what == "idle" else "VmHWM")}))
finally:
    stop(server)
    if scratch:
        shutil.rmtree(scratch, ignore_errors=True)
