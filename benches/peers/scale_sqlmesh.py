"""SQLMesh: prints the seconds of a plan, from start to exit, of the project with so many assets and one model changed.

Everything was applied before, once: that takes far longer than the plan.
"""

import os
import pathlib
import subprocess
import sys
import time

import duckdb

assets = int(sys.argv[3])
project = pathlib.Path(sys.argv[1]) / f"scale-{assets}" / "sqlmesh"
sqlmesh = pathlib.Path(sys.executable).with_name("sqlmesh")
environment = os.environ | {"SQLMESH__DISABLE_ANONYMIZED_ANALYTICS": "true"}
applied = project / "applied"


def plan(*more):
    command = [sqlmesh, "-p", project, "plan", "--no-prompts", "--skip-tests", "--skip-linter", *more]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    began = time.perf_counter()
    done = subprocess.run(command, check=False, env=environment, cwd=project, **quiet)
    return time.perf_counter() - began, done.returncode


if not applied.exists():
    with duckdb.connect(str(project / "scale.duckdb")) as database:
        database.execute("create schema if not exists scale.scale")
        for index in range(assets // 50):
            columns = "1::bigint id, 'a' as key, 5::bigint as value, timestamp '2024-01-01' as at, 'low' as level"
            database.execute(f"create or replace table scale.scale.source_{index:05} as select {columns}")
    _, code = plan("--auto-apply")
    if code != 0:
        sys.exit("the project could not be applied")
    applied.touch()
model = project / "models" / f"table_{(assets // 50 + assets) // 2 // 4 * 4:05}.sql"
before = model.read_text()
model.write_text(before.replace("value * 2", "value * 3"))
# Without a terminal to confirm on, it ends when the plan is shown.
seconds, _ = plan()
model.write_text(before)
print(seconds)
