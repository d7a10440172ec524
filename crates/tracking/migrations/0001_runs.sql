-- Times are milliseconds since 1970. `run` and `experiment` are row numbers; `run_id` is what clients know.
CREATE TABLE experiments (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    artifact_location TEXT NOT NULL,
    lifecycle_stage TEXT NOT NULL,
    creation_time INTEGER NOT NULL,
    last_update_time INTEGER NOT NULL
);

CREATE TABLE experiment_tags (
    experiment INTEGER NOT NULL REFERENCES experiments (id),
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (experiment, key)
) WITHOUT ROWID;

CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL UNIQUE,
    experiment INTEGER NOT NULL REFERENCES experiments (id),
    name TEXT NOT NULL,
    user_id TEXT NOT NULL,
    status TEXT NOT NULL,
    start_time INTEGER NOT NULL,
    end_time INTEGER,
    lifecycle_stage TEXT NOT NULL,
    deleted_time INTEGER,
    artifact_uri TEXT NOT NULL
);

-- The order in which runs are listed.
CREATE INDEX runs_by_start ON runs (experiment, start_time DESC, run_id);
CREATE INDEX runs_by_name ON runs (experiment, name);

-- Every point of every metric. NaN is 0 with `is_nan`, as no database orders it.
CREATE TABLE metrics (
    run INTEGER NOT NULL,
    key TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    step INTEGER NOT NULL,
    value REAL NOT NULL,
    is_nan INTEGER NOT NULL,
    PRIMARY KEY (run, key, timestamp, step, value, is_nan)
) WITHOUT ROWID;

-- The last point of each metric, by step, then time, then value; what searches look at. `experiment` is that of the run,
-- so that an index finds the runs of one experiment by a value. `shown` is the value as text that reads back to the same
-- number, which the database's own text of a number may not.
CREATE TABLE latest_metrics (
    run INTEGER NOT NULL,
    key TEXT NOT NULL,
    experiment INTEGER NOT NULL,
    value REAL NOT NULL,
    is_nan INTEGER NOT NULL,
    shown TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    step INTEGER NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;

CREATE INDEX latest_metrics_by_value ON latest_metrics (experiment, key, is_nan, value);

-- Values may be long, so that the index knows their beginnings only.
CREATE TABLE params (
    run INTEGER NOT NULL,
    key TEXT NOT NULL,
    experiment INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;

CREATE INDEX params_by_value ON params (experiment, key, substr(value, 1, 40));

CREATE TABLE tags (
    run INTEGER NOT NULL,
    key TEXT NOT NULL,
    experiment INTEGER NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
) WITHOUT ROWID;

CREATE INDEX tags_by_value ON tags (experiment, key, substr(value, 1, 40));

CREATE TABLE datasets (
    id INTEGER PRIMARY KEY,
    experiment INTEGER NOT NULL REFERENCES experiments (id),
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    source_type TEXT NOT NULL,
    source TEXT NOT NULL,
    schema TEXT,
    profile TEXT,
    UNIQUE (experiment, name, digest)
);

CREATE TABLE run_datasets (
    run INTEGER NOT NULL,
    dataset INTEGER NOT NULL REFERENCES datasets (id),
    position INTEGER NOT NULL,
    PRIMARY KEY (run, dataset)
) WITHOUT ROWID;

CREATE INDEX run_datasets_by_dataset ON run_datasets (dataset);

CREATE TABLE run_dataset_tags (
    run INTEGER NOT NULL,
    dataset INTEGER NOT NULL,
    position INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, dataset, position)
) WITHOUT ROWID;

-- Models that a run reads (`input`) and makes (`output`).
CREATE TABLE run_models (
    run INTEGER NOT NULL,
    direction TEXT NOT NULL,
    model_id TEXT NOT NULL,
    step INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (run, direction, position)
) WITHOUT ROWID;
