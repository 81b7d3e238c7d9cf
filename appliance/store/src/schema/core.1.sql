-- Who may use the box, and how it is set. All times are unix milliseconds.

CREATE TABLE accounts (
    id            INTEGER PRIMARY KEY,              -- random, so that it is never given again: work.db refers to it
    name          TEXT NOT NULL UNIQUE COLLATE NOCASE,
    role          TEXT NOT NULL,
    password_hash TEXT NOT NULL,                    -- argon2id, PHC string
    created_ms    INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    token_hash BLOB PRIMARY KEY CHECK (length(token_hash) = 32),   -- SHA-256 of 256 random bits
    account    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_ms INTEGER NOT NULL,
    seen_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_account ON sessions (account);

CREATE TABLE api_keys (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL COLLATE NOCASE,
    secret_hash  BLOB NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
    created_ms   INTEGER NOT NULL,
    last_used_ms INTEGER,
    revoked_ms   INTEGER
) STRICT;

-- A revoked key keeps its row for the record, and frees its name.
CREATE UNIQUE INDEX live_key_names ON api_keys (name) WHERE revoked_ms IS NULL;

CREATE TABLE setup_code (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    code_hash  BLOB NOT NULL CHECK (length(code_hash) = 32),
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
