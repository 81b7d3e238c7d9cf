-- The box's signatures over the log. Each covers all rows up to its own.

CREATE TABLE checkpoints (
    number    INTEGER PRIMARY KEY,                  -- 1, 2, 3 and so on, without a hole
    rows      INTEGER NOT NULL UNIQUE,              -- entries.seq of the last row that it covers
    head      BLOB NOT NULL CHECK (length(head) = 32),      -- the hash of that row
    at_ms     INTEGER NOT NULL,                     -- unix milliseconds
    key       BLOB NOT NULL CHECK (length(key) = 32),       -- Ed25519, the public half
    signature BLOB NOT NULL CHECK (length(signature) = 64)
) STRICT;

CREATE TRIGGER checkpoints_are_added_at_the_end BEFORE INSERT ON checkpoints
WHEN new.number <> 1 + (SELECT coalesce(max(number), 0) FROM checkpoints)
BEGIN SELECT raise(ABORT, 'checkpoints of the audit log are added at the end only'); END;

CREATE TRIGGER checkpoints_are_not_changed BEFORE UPDATE ON checkpoints
BEGIN SELECT raise(ABORT, 'the audit log is append only'); END;

CREATE TRIGGER checkpoints_are_not_deleted BEFORE DELETE ON checkpoints
BEGIN SELECT raise(ABORT, 'the audit log is append only'); END;
