"""Labels and feature rows for the point-in-time join: 10 million each, of 100,000 entities, over a year."""

import os
import sys

import duckdb

ROWS = 10_000_000
ENTITIES = 100_000
MICROSECONDS = 365 * 24 * 3600 * 1_000_000

folder = sys.argv[1]
duckdb.execute("set threads = 1; select setseed(0.5)")
for name, columns in [("labels", "i as label"), ("features", "random() as value")]:
    path = os.path.join(folder, f"pit-{name}.parquet")
    if os.path.exists(path):
        continue
    duckdb.execute(
        f"""copy (select (random() * {ENTITIES})::bigint as entity,
                         make_timestamp(1356998400000000 + (random() * {MICROSECONDS})::bigint) as at, {columns}
                  from range({ROWS}) numbers(i))
            to '{path}.part' (format parquet)"""
    )
    os.rename(f"{path}.part", path)
