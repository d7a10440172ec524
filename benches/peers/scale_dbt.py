"""dbt: prints the seconds of `dbt parse`, from start to exit, of the project with so many assets.

`cold` remembers nothing; `warm` has parsed everything before and then changed one model.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import time

assets, remembered = int(sys.argv[3]), sys.argv[4]
project = pathlib.Path(sys.argv[1]) / f"scale-{assets}" / "dbt"
dbt = pathlib.Path(sys.executable).with_name("dbt")
environment = os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}


def parse():
    command = [dbt, "parse", "--project-dir", project, "--profiles-dir", project, "--quiet"]
    began = time.perf_counter()
    subprocess.run(command, check=True, env=environment, cwd=project, stdout=sys.stderr)
    return time.perf_counter() - began


if remembered == "cold":
    shutil.rmtree(project / "target", ignore_errors=True)
    print(parse())
else:
    if not (project / "target" / "partial_parse.msgpack").is_file():
        parse()
    model = project / "models" / f"table_{(assets // 50 + assets) // 2 // 4 * 4:05}.sql"
    before = model.read_text()
    model.write_text(before.replace("value * 2", "value * 3"))
    seconds = parse()
    model.write_text(before)
    parse()
    print(seconds)
