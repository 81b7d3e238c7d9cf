-- Drills: asked for, refused, running or over. All times are unix milliseconds.

CREATE TABLE drills (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given again: the audit log refers to it
    asked_ms   INTEGER NOT NULL,
    asked_by   TEXT NOT NULL,
    scope      TEXT NOT NULL,                       -- 'site', 'key NAME' or 'alias NAME'
    long       INTEGER NOT NULL CHECK (long IN (0, 1)),
    state      TEXT NOT NULL CHECK (state IN ('asked', 'refused', 'running', 'passed', 'failed', 'aborted', 'invalid')),
    refusal    TEXT,                                -- why it did not begin
    abort_by   TEXT,                                -- who wants it to end
    started_ms INTEGER,
    ended_ms   INTEGER,
    report     TEXT                                 -- JSON
) STRICT;

CREATE INDEX drills_by_state ON drills (state, ended_ms);
