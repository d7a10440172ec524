-- Studies are runs, and so are their trials; what clients of MLflow do not ask is beside them. `run` and `study` are row
-- numbers of runs. `definition` and `record` are JSON of those who search; `identity` is what makes two studies the same.
CREATE TABLE studies (
    run INTEGER PRIMARY KEY REFERENCES runs (id),
    experiment INTEGER NOT NULL,
    identity TEXT NOT NULL,
    definition TEXT NOT NULL
);

CREATE INDEX studies_by_identity ON studies (experiment, identity);

-- `key` is what a trial depends on: trials of one key come to the same.
CREATE TABLE trials (
    study INTEGER NOT NULL REFERENCES studies (run),
    number INTEGER NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (id),
    experiment INTEGER NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (study, number)
) WITHOUT ROWID;

CREATE INDEX trials_by_key ON trials (experiment, key);
