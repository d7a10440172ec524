"""DuckDB's SUMMARIZE of the Parquet file."""

import os
import sys
import time

import duckdb

path = os.path.join(sys.argv[1], "profile.parquet")
connection = duckdb.connect()
start = time.perf_counter()
columns = connection.execute(f"summarize select * from '{path}'").fetchall()
seconds = time.perf_counter() - start
assert len(columns) == 16, columns
print(seconds)
