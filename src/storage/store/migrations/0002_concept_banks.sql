CREATE TABLE concept_banks (
    id TEXT NOT NULL PRIMARY KEY,
    -- The model it was learnt on.
    model TEXT NOT NULL,
    body TEXT NOT NULL
);
