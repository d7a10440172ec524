"""A table of 6 million rows and 16 columns, in the manner of an order book: keys, decimals, dates, words, remarks."""

import os
import sys

import duckdb

ROWS = 6_000_000
WORDS = "['quickly', 'final', 'deposits', 'sleep', 'above', 'ironic', 'accounts', 'bold', 'requests', 'wake']"

path = os.path.join(sys.argv[1], "profile.parquet")
if os.path.exists(path):
    sys.exit()
duckdb.execute("set threads = 1; select setseed(0.5)")
duckdb.execute(
    f"""copy (
        select i // 4 as order_key,
               (random() * 200000)::bigint as part_key,
               (random() * 10000)::bigint as supplier_key,
               (i % 4)::integer as line,
               (1 + random() * 49)::integer::decimal(15, 2) as quantity,
               (900 + random() * 104000)::decimal(15, 2) as price,
               ((random() * 10)::integer / 100)::decimal(15, 2) as discount,
               ((random() * 8)::integer / 100)::decimal(15, 2) as tax,
               ['A', 'N', 'R'][1 + (random() * 2.99)::integer % 3] as return_flag,
               ['F', 'O'][1 + (random() * 1.99)::integer % 2] as status,
               date '1992-01-02' + (random() * 2500)::integer as shipped,
               date '1992-01-31' + (random() * 2500)::integer as promised,
               date '1992-01-04' + (random() * 2500)::integer as received,
               ['DELIVER IN PERSON', 'COLLECT COD', 'NONE', 'TAKE BACK RETURN'][1 + (random() * 3.99)::integer % 4]
                   as instruction,
               ['AIR', 'FOB', 'MAIL', 'RAIL', 'REG AIR', 'SHIP', 'TRUCK'][1 + (random() * 6.99)::integer % 7] as mode,
               concat_ws(' ', {WORDS}[1 + (random() * 9.99)::integer % 10], {WORDS}[1 + (random() * 9.99)::integer % 10],
                         {WORDS}[1 + (random() * 9.99)::integer % 10], (random() * 100000)::integer) as remark
        from range({ROWS}) numbers(i))
    to '{path}.part' (format parquet)"""
)
os.rename(f"{path}.part", path)
