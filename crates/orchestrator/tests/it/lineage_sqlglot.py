"""Column lineage by sqlglot: reads {"schema", "queries"} from standard input and answers, for each query, a map from
its output columns to the [table, column] pairs that they are computed from."""

import json
import sys

from sqlglot import exp
from sqlglot.lineage import lineage


def sources(column, sql, schema):
    found = set()
    for node in lineage(column, sql, schema=schema, dialect="postgres").walk():
        if not node.downstream and isinstance(node.source, exp.Table) and "." in node.name:
            found.add((node.source.name, node.name.split(".")[-1].strip('"')))
    return sorted(found)


asked = json.load(sys.stdin)
answers = [
    {column: sources(column, query["sql"], asked["schema"]) for column in query["columns"]} for query in asked["queries"]
]
json.dump(answers, sys.stdout)
