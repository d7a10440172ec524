"""The stored champion behind `mlflow models serve`: the median of requests over one connection."""

import glob
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time

import mlflow.xgboost
import xgboost

WARM_UP = 50
REQUESTS = 300

data, project = sys.argv[1:3]
[path] = glob.glob(os.path.join(project, ".baton/warehouse/artifacts/*/model.ubj"))[:1]
booster = xgboost.Booster(model_file=path)
folder = os.path.join(data, "mlflow-model")
shutil.rmtree(folder, ignore_errors=True)
mlflow.xgboost.save_model(booster, folder)

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", folder, "--env-manager", "local"]
programs = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
server = subprocess.Popen(
    [*command, "--port", str(port), "--workers", "1"],
    env={**os.environ, "PATH": programs},
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
    start_new_session=True,
)


def connect():
    """Waits until the server answers."""
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/ping")
            if connection.getresponse().read() is not None:
                return connection
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not come up")


def ask(connection, body):
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, text


try:
    connection = connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = json.dumps({"inputs": [[1.0] * booster.num_features()]})
    seconds = []
    for number in range(WARM_UP + REQUESTS):
        start = time.perf_counter()
        ask(connection, body)
        if number >= WARM_UP:
            seconds.append(time.perf_counter() - start)
    print(sorted(seconds)[REQUESTS // 2])
finally:
    os.killpg(server.pid, 15)
    server.wait()
