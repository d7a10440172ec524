-- Traces of programs: what each was about, and its spans as clients read them (a JSON message each).

CREATE TABLE traces (
    id INTEGER PRIMARY KEY,
    trace_id TEXT NOT NULL UNIQUE,
    experiment INTEGER NOT NULL,
    -- Milliseconds since 1970; how long it took, in milliseconds, once it ended.
    request_time INTEGER NOT NULL,
    execution_duration INTEGER,
    state TEXT NOT NULL,
    client_request_id TEXT,
    request_preview TEXT,
    response_preview TEXT,
    -- Whether the client has told of the whole trace; until then it is what its spans say.
    is_told INTEGER NOT NULL
);
CREATE INDEX traces_newest ON traces (experiment, request_time DESC, trace_id);

CREATE TABLE trace_tags (
    trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (trace, key)
) WITHOUT ROWID;

CREATE TABLE trace_metadata (
    trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (trace, key)
) WITHOUT ROWID;

-- Runs that a trace was linked to afterwards.
CREATE TABLE trace_runs (
    trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
    run_id TEXT NOT NULL,
    PRIMARY KEY (trace, run_id)
) WITHOUT ROWID;

CREATE TABLE spans (
    trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
    span_id TEXT NOT NULL,
    parent_span_id TEXT,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    -- Nanoseconds since 1970; the end is 0 while it runs.
    start_time INTEGER NOT NULL,
    end_time INTEGER NOT NULL,
    content TEXT NOT NULL,
    PRIMARY KEY (trace, span_id)
) WITHOUT ROWID;

-- Judgements of a trace or one of its spans, as clients read them (a JSON message each); the columns are for searching.
CREATE TABLE assessments (
    id INTEGER PRIMARY KEY,
    assessment_id TEXT NOT NULL UNIQUE,
    trace INTEGER NOT NULL REFERENCES traces (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- `feedback` or `expectation`, and its value: a text as it is, anything else as JSON.
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX assessments_by_trace ON assessments (trace);
