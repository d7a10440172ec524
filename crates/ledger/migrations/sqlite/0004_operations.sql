-- What is going on. Unlike events, these rows change and may be deleted.

-- Who may do what only one process may do at a time.
CREATE TABLE lease (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,                       -- empty: given back
    token  INTEGER NOT NULL,                    -- grows with every change of holder
    until  INTEGER NOT NULL                     -- microseconds since the epoch
) STRICT, WITHOUT ROWID;

-- What of a schedule was dealt with.
CREATE TABLE schedule_cursor (
    environment TEXT NOT NULL,
    schedule    TEXT NOT NULL,
    cursor      TEXT NOT NULL,                  -- JSON
    PRIMARY KEY (environment, schedule)
) STRICT, WITHOUT ROWID;

-- Runs that schedules and hands ask for.
CREATE TABLE request (
    id           INTEGER PRIMARY KEY,
    environment  TEXT NOT NULL,
    schedule     TEXT NOT NULL,
    trigger      TEXT NOT NULL,
    key          TEXT NOT NULL,
    due_at       INTEGER NOT NULL,
    as_of        INTEGER,
    requested_at INTEGER NOT NULL,
    priority     INTEGER NOT NULL,
    parameters   TEXT NOT NULL,                 -- JSON
    state        TEXT NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    not_before   INTEGER,
    token        INTEGER,                       -- of the lease under which it was begun
    reason       TEXT,
    UNIQUE (environment, schedule, key)
) STRICT;

CREATE INDEX request_open ON request (environment, priority DESC, due_at, id) WHERE state IN ('queued', 'running');

-- The history of runs.
CREATE TABLE run (
    id          TEXT PRIMARY KEY,
    environment TEXT NOT NULL,
    command     TEXT NOT NULL,
    schedule    TEXT,
    trigger     TEXT,
    due_at      INTEGER,
    as_of       INTEGER NOT NULL,
    author      TEXT NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    state       TEXT NOT NULL,
    commit_id   TEXT,
    steps       INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    cause       TEXT,
    cancelled   INTEGER NOT NULL DEFAULT 0      -- whether somebody asked it to end
) STRICT;

CREATE INDEX run_by_start ON run (started_at);
CREATE INDEX run_by_schedule ON run (schedule, started_at) WHERE schedule IS NOT NULL;
CREATE INDEX run_by_state ON run (state, started_at);

CREATE TABLE run_step (
    run         TEXT NOT NULL,
    number      INTEGER NOT NULL,
    asset       TEXT NOT NULL,
    verb        TEXT NOT NULL,
    state       TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    detail      TEXT NOT NULL,
    hit         INTEGER,
    rows        INTEGER,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_log (
    id    INTEGER PRIMARY KEY,
    run   TEXT NOT NULL,
    asset TEXT NOT NULL,
    at    INTEGER NOT NULL,
    level TEXT NOT NULL,
    text  TEXT NOT NULL
) STRICT;

CREATE INDEX run_log_by_run ON run_log (run);

-- Messages that are to be delivered.
CREATE TABLE message (
    id          INTEGER PRIMARY KEY,
    environment TEXT NOT NULL,
    channel     TEXT NOT NULL,
    cause       TEXT NOT NULL,
    ends        INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    body        TEXT NOT NULL,                  -- JSON
    state       TEXT NOT NULL,                  -- open, delivered, given_up
    attempts    INTEGER NOT NULL DEFAULT 0,
    not_before  INTEGER NOT NULL,
    reason      TEXT
) STRICT;

CREATE INDEX message_by_cause ON message (environment, channel, cause, id);
CREATE INDEX message_open ON message (not_before) WHERE state = 'open';
