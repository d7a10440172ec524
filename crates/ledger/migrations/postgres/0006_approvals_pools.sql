-- What else a command was asked for, to go on with its run.
ALTER TABLE run ADD COLUMN request TEXT COLLATE "C";         -- JSON

-- Who waits for a slot of a pool.
CREATE TABLE pool_wait (
    pool     TEXT COLLATE "C" NOT NULL,
    holder   TEXT COLLATE "C" NOT NULL,
    priority BIGINT NOT NULL,
    since    BIGINT NOT NULL,                                -- microseconds since the epoch
    until    BIGINT NOT NULL,                                -- who says nothing until then no longer waits
    PRIMARY KEY (pool, holder)
);

-- What somebody changed of how a project runs.
CREATE TABLE adjustment (
    environment TEXT COLLATE "C" NOT NULL,                   -- empty: all
    subject     TEXT COLLATE "C" NOT NULL,                   -- schedule/NAME, export/NAME, pool/NAME
    value       TEXT COLLATE "C" NOT NULL,                   -- JSON
    until       BIGINT,
    at          BIGINT NOT NULL,
    author      TEXT COLLATE "C" NOT NULL,
    reason      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (environment, subject)
);
