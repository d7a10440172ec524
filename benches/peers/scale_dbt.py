"""dbt: parses the project of 10,000 assets with nothing remembered and prints the seconds of `dbt parse`, start to exit."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

project = pathlib.Path(sys.argv[1]) / "scale" / "dbt"
shutil.rmtree(project / "target", ignore_errors=True)
dbt = pathlib.Path(sys.executable).with_name("dbt")
environment = os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
command = [dbt, "parse", "--no-partial-parse", "--project-dir", project, "--profiles-dir", project, "--quiet"]
began = time.perf_counter()
subprocess.run(command, check=True, env=environment, cwd=project, stdout=sys.stderr)
print(time.perf_counter() - began)
