-- The sealed event log, commits and the environments that point at them.

CREATE TABLE event (
    sequence    INTEGER PRIMARY KEY,            -- from 1, without gaps
    at          INTEGER NOT NULL,               -- microseconds since the epoch, machine's clock
    as_of       INTEGER NOT NULL,               -- microseconds since the epoch, logical clock
    environment TEXT NOT NULL,
    run         TEXT,
    asset       TEXT,
    kind        TEXT NOT NULL,
    key         TEXT NOT NULL,
    body        TEXT NOT NULL,                  -- JSON, exactly as hashed
    leaf        BLOB NOT NULL CHECK (length(leaf) = 32)
) STRICT;

CREATE INDEX event_by_kind_key ON event (kind, key);
CREATE INDEX event_by_asset ON event (asset) WHERE asset IS NOT NULL;
CREATE INDEX event_by_run ON event (run) WHERE run IS NOT NULL;
CREATE INDEX event_by_environment_as_of ON event (environment, as_of);

CREATE TRIGGER event_is_not_updated BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

CREATE TRIGGER event_is_not_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

-- One row: how many events there are, and the roots of the complete subtrees over them, largest first.
CREATE TABLE log_head (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    size     INTEGER NOT NULL,
    frontier BLOB NOT NULL CHECK (length(frontier) % 32 = 0)
) STRICT;

INSERT INTO log_head (one, size, frontier) VALUES (1, 0, x'');

CREATE TABLE commit_record (
    id      TEXT PRIMARY KEY,
    parent  TEXT REFERENCES commit_record (id),
    content TEXT NOT NULL                       -- JSON
) STRICT, WITHOUT ROWID;

CREATE TRIGGER commit_is_not_updated BEFORE UPDATE ON commit_record
BEGIN SELECT RAISE(ABORT, 'commits are immutable'); END;

CREATE TRIGGER commit_is_not_deleted BEFORE DELETE ON commit_record
BEGIN SELECT RAISE(ABORT, 'commits are immutable'); END;

CREATE TABLE environment (
    name      TEXT PRIMARY KEY,
    commit_id TEXT NOT NULL REFERENCES commit_record (id)
) STRICT, WITHOUT ROWID;
