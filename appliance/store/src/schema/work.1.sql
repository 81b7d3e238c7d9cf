-- The portal's conversations, and the outages. All times are unix milliseconds.

CREATE TABLE conversations (
    id         TEXT PRIMARY KEY,                    -- 128 random bits, so that no address tells how many there are
    account    INTEGER NOT NULL,                    -- accounts.id in core.db
    title      TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    active_ms  INTEGER NOT NULL                     -- the last message
) STRICT, WITHOUT ROWID;

CREATE INDEX conversations_by_account ON conversations (account, active_ms DESC);

CREATE TABLE messages (
    id           INTEGER PRIMARY KEY,
    conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    role         TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant')),
    text         TEXT NOT NULL,
    complete     INTEGER NOT NULL CHECK (complete IN (0, 1)),   -- 0: cut off, never shown as finished
    served_by    TEXT,
    route        TEXT,
    reason       TEXT,
    seam         INTEGER,                           -- characters sent before a local model took over
    at_ms        INTEGER NOT NULL
) STRICT;

CREATE INDEX messages_by_conversation ON messages (conversation, id);

CREATE TABLE outages (
    id           INTEGER PRIMARY KEY,
    start_ms     INTEGER NOT NULL,
    end_ms       INTEGER,                           -- null while it lasts
    verdict      TEXT,
    served_local INTEGER NOT NULL DEFAULT 0
) STRICT;
