-- Portable SQL: BIGINT, TEXT, positional parameters. `body` is the JSON of the domain record; the other columns are what
-- queries look for. Times are microseconds since 1970.

CREATE TABLE models (
    id TEXT NOT NULL PRIMARY KEY,
    -- The next version's number; only ever grows, so that no number is used twice.
    next_version BIGINT NOT NULL,
    -- Grows with every change of the record: the etag.
    revision BIGINT NOT NULL,
    -- Whether the served version is wanted in device memory: 1 after loading, 0 after unloading.
    loaded BIGINT NOT NULL,
    body TEXT NOT NULL
);

-- Immutable rows.
CREATE TABLE versions (
    model TEXT NOT NULL REFERENCES models (id),
    number BIGINT NOT NULL,
    -- The job that made it; a job publishes at most one version.
    job TEXT UNIQUE,
    body TEXT NOT NULL,
    PRIMARY KEY (model, number)
);

CREATE TABLE datasets (
    id TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
);

-- `id` grows with the time of submission.
CREATE TABLE jobs (
    id TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    last_sequence BIGINT NOT NULL,
    -- The fold of the job's events.
    body TEXT NOT NULL
);

CREATE INDEX jobs_by_state ON jobs (state, id);
CREATE INDEX jobs_by_model ON jobs (model, id);

CREATE TABLE events (
    job TEXT NOT NULL REFERENCES jobs (id),
    sequence BIGINT NOT NULL,
    time BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (job, sequence)
);

CREATE TABLE request_ids (
    scope TEXT NOT NULL,
    id TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    resource TEXT NOT NULL,
    time BIGINT NOT NULL,
    PRIMARY KEY (scope, id)
);
