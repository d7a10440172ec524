"""dbt with DuckDB: builds the 22 TPC-H tables over Parquet files and prints the seconds of `dbt run`, start to exit."""

import os
import pathlib
import subprocess
import sys
import time

data, scale = pathlib.Path(sys.argv[1]), sys.argv[3]
project = data / f"tpch-{scale}-dbt"
(project / "tpch.duckdb").unlink(missing_ok=True)
dbt = pathlib.Path(sys.executable).with_name("dbt")
environment = os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
command = [dbt, "run", "--project-dir", project, "--profiles-dir", project, "--quiet"]
began = time.perf_counter()
subprocess.run(command, check=True, env=environment, cwd=project, stdout=sys.stderr)
print(time.perf_counter() - began)
