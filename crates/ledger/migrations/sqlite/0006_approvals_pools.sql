-- What else a command was asked for, to go on with its run.
ALTER TABLE run ADD COLUMN request TEXT;         -- JSON

-- Who waits for a slot of a pool.
CREATE TABLE pool_wait (
    pool     TEXT NOT NULL,
    holder   TEXT NOT NULL,
    priority INTEGER NOT NULL,
    since    INTEGER NOT NULL,                   -- microseconds since the epoch
    until    INTEGER NOT NULL,                   -- who says nothing until then no longer waits
    PRIMARY KEY (pool, holder)
) STRICT, WITHOUT ROWID;

-- What somebody changed of how a project runs.
CREATE TABLE adjustment (
    environment TEXT NOT NULL,                   -- empty: all
    subject     TEXT NOT NULL,                   -- schedule/NAME, export/NAME, pool/NAME
    value       TEXT NOT NULL,                   -- JSON
    until       INTEGER,
    at          INTEGER NOT NULL,
    author      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    PRIMARY KEY (environment, subject)
) STRICT, WITHOUT ROWID;
