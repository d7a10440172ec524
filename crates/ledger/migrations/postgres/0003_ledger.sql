-- The sealed event log, commits, tags, and the environments that point at commits: as SQLite has them after its migration
-- of the same number. Texts are compared byte by byte, as there.

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0];
END $$;

CREATE TABLE event (
    sequence    BIGINT PRIMARY KEY,                        -- from 1, without gaps
    at          BIGINT NOT NULL,                           -- microseconds since the epoch, machine's clock
    as_of       BIGINT NOT NULL,                           -- microseconds since the epoch, logical clock
    environment TEXT COLLATE "C" NOT NULL,
    run         TEXT COLLATE "C",
    asset       TEXT COLLATE "C",
    kind        TEXT COLLATE "C" NOT NULL,
    key         TEXT COLLATE "C" NOT NULL,
    body        TEXT COLLATE "C" NOT NULL,                 -- JSON, exactly as hashed
    leaf        BYTEA NOT NULL CHECK (length(leaf) = 32)
);

-- A key may be longer than an entry of an ordered index can be.
CREATE INDEX event_by_key ON event USING hash (key);
CREATE INDEX event_by_asset ON event (asset) WHERE asset IS NOT NULL;
CREATE INDEX event_by_run ON event (run) WHERE run IS NOT NULL;
CREATE INDEX event_by_environment_as_of ON event (environment, as_of);
CREATE INDEX event_by_kind_environment ON event (kind, environment);

CREATE TRIGGER event_is_not_updated BEFORE UPDATE OR DELETE OR TRUNCATE ON event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('events are append-only');

-- One row: how many events there are, the roots of the complete subtrees over them, largest first, and how many
-- transactions wrote anything. Who writes holds its lock.
CREATE TABLE log_head (
    one      BIGINT PRIMARY KEY CHECK (one = 1),
    size     BIGINT NOT NULL,
    frontier BYTEA NOT NULL CHECK (length(frontier) % 32 = 0),
    writes   BIGINT NOT NULL
) WITH (fillfactor = 50);

INSERT INTO log_head (one, size, frontier, writes) VALUES (1, 0, ''::bytea, 0);

CREATE TABLE commit_record (
    id      TEXT COLLATE "C" PRIMARY KEY,
    parent  TEXT COLLATE "C" REFERENCES commit_record (id) DEFERRABLE,
    content TEXT COLLATE "C" NOT NULL,                     -- JSON
    merged  TEXT COLLATE "C" REFERENCES commit_record (id) DEFERRABLE
);

CREATE TRIGGER commit_is_not_updated BEFORE UPDATE OR DELETE ON commit_record
    FOR EACH ROW EXECUTE FUNCTION refuse_change('commits are immutable');

CREATE TABLE environment (
    name      TEXT COLLATE "C" PRIMARY KEY,
    commit_id TEXT COLLATE "C" NOT NULL REFERENCES commit_record (id) DEFERRABLE
);

-- Names that people gave to commits.
CREATE TABLE tag (
    name      TEXT COLLATE "C" PRIMARY KEY,
    commit_id TEXT COLLATE "C" NOT NULL REFERENCES commit_record (id) DEFERRABLE
);
