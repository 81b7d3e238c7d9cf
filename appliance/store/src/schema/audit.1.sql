-- The audit log. Each row's hash covers the row and the hash before it, so a change anywhere shows.
-- The triggers stop mistakes; it is the chain that stops intent.

CREATE TABLE entries (
    seq   INTEGER PRIMARY KEY,                      -- 1, 2, 3 and so on, without a hole
    at_ms INTEGER NOT NULL,                         -- unix milliseconds; order is by seq, not by the clock
    kind  TEXT NOT NULL CHECK (kind IN ('request', 'outcome', 'event')),
    body  TEXT NOT NULL,                            -- JSON, hashed as these very bytes
    hash  BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TRIGGER entries_are_added_at_the_end BEFORE INSERT ON entries
WHEN new.seq <> 1 + (SELECT coalesce(max(seq), 0) FROM entries)
BEGIN SELECT raise(ABORT, 'the audit log grows at its end only'); END;

CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries
BEGIN SELECT raise(ABORT, 'the audit log is append only'); END;

CREATE TRIGGER entries_are_not_deleted BEFORE DELETE ON entries
BEGIN SELECT raise(ABORT, 'the audit log is append only'); END;
