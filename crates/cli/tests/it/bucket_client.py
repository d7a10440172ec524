"""What a client of MLflow does with files of a run, whose bytes lie in a bucket that it does not know.

    bucket_client.py URI FOLDER
"""

import hashlib
import os
import sys

import mlflow
import requests

uri, folder = sys.argv[1:3]
os.makedirs(folder)
mlflow.set_tracking_uri(uri)
client = mlflow.MlflowClient()
mlflow.set_experiment("bucket")


def written(name, size):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
        file.write(b"x" * (size % (1 << 20)))
    return path


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


large, other = written("large.bin", 100 << 20), written("other b+c.bin", (30 << 20) + 17)
with mlflow.start_run() as run:
    mlflow.log_text("hello", "notes/a b.txt")
    mlflow.log_dict({"a": [1, 2]}, "notes/deep/d.json")
    mlflow.log_artifact(large, "files")
    open(os.path.join(folder, "empty"), "w").close()
    mlflow.log_artifact(os.path.join(folder, "empty"))
    os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"
    os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = str(8 << 20)
    os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(7 << 20)
    mlflow.log_artifact(other, "files")
run_id = run.info.run_id
listed = lambda folder: [(file.path, file.is_dir, file.file_size) for file in client.list_artifacts(run_id, folder)]
print("listed", listed(None), listed("files"), listed("notes/deep"))
for path in [large, other]:
    found = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="files/" + os.path.basename(path))
    assert digest(found) == digest(path), path
assert mlflow.artifacts.load_text(f"runs:/{run_id}/notes/a b.txt") == "hello"
whole = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="notes")
print("downloaded", sorted(os.path.relpath(os.path.join(at, name), whole) for at, _, names in os.walk(whole) for name in names))

address = f"{uri}/api/2.0/mlflow-artifacts/artifacts/{run.info.experiment_id}/{run_id}/artifacts/files/large.bin"
with open(large, "rb") as file:
    file.seek(9_000_000)
    wanted = file.read(20_000_000)
part = requests.get(address, headers={"Range": "bytes=9000000-28999999"})
assert part.status_code == 206 and part.content == wanted
assert requests.get(address, headers={"If-None-Match": part.headers["ETag"]}).status_code == 304
damaged = requests.put(address, data=b"damaged", headers={"Content-Digest": "sha-256=:" + "A" * 43 + "=:"})
assert damaged.status_code == 400 and "announced" in damaged.json()["message"], damaged.text
assert requests.head(address).headers["Content-Length"] == str(100 << 20)
client.delete_run(run_id)
print(f"run {run.info.experiment_id}/{run_id}")
