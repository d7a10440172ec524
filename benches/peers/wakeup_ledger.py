"""A ledger with a history of so many steps, a hundred a run, written straight into the SQLite file of a project."""
import sqlite3, sys

ledger, steps = sys.argv[1], int(sys.argv[2])
runs = steps // 100
db = sqlite3.connect(ledger)
db.execute('pragma synchronous = off')
db.execute("""
with recursive n(i) as (select 1 union all select i + 1 from n where i < ?)
insert into run (id, environment, command, schedule, trigger, due_at, as_of, author, started_at, finished_at, state, steps, failed)
select printf('%012x', i), 'dev', 'run', 's' || (i % 20), 'cron', i * 1000000, i * 1000000, 'ada', 1600000000000000 + i * 1000000,
       1600000000500000 + i * 1000000, 'succeeded', 100, 0 from n""", (runs,))
db.execute("""
with recursive n(i) as (select 1 union all select i + 1 from n where i < ?)
insert into request (environment, schedule, trigger, key, due_at, requested_at, priority, parameters, state, attempts)
select 'dev', 's' || (i % 20), 'cron', 'cron ' || i, i, i, 0, '{}', 'succeeded', 1 from n""", (runs,))
db.execute("""
with recursive n(i) as (select 0 union all select i + 1 from n where i < ? - 1)
insert into run_step (run, number, asset, verb, state, attempts, started_at, finished_at, detail, hit, rows)
select printf('%012x', i / 100 + 1), i % 100 + 1, 'asset_' || (i % 100), 'build', 'done', 1, i, i, '3 rows', 0, 3 from n""", (steps,))
db.commit()
