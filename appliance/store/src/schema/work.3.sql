-- What an outage report says, and the answers that deserve a second look. All times are unix milliseconds.

ALTER TABLE outages ADD COLUMN scope TEXT NOT NULL DEFAULT 'site' CHECK (scope IN ('site', 'upstream'));
ALTER TABLE outages ADD COLUMN upstreams TEXT NOT NULL DEFAULT '';         -- their names
ALTER TABLE outages ADD COLUMN evidence TEXT NOT NULL DEFAULT '';          -- in words, no text of requests
ALTER TABLE outages ADD COLUMN is_drill INTEGER NOT NULL DEFAULT 0 CHECK (is_drill IN (0, 1));
ALTER TABLE outages ADD COLUMN first_evidence_ms INTEGER;                  -- the first failure that led to it
ALTER TABLE outages ADD COLUMN tripped_ms INTEGER;
ALTER TABLE outages ADD COLUMN first_local_ms INTEGER;                     -- the first local answer after that failure
ALTER TABLE outages ADD COLUMN failback_ms INTEGER;                        -- all conversations go to the cloud again
ALTER TABLE outages ADD COLUMN seen_ms INTEGER;                            -- when the box last wrote this row
ALTER TABLE outages ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;        -- of the box, while it lasted
ALTER TABLE outages ADD COLUMN counts TEXT NOT NULL DEFAULT '{}';          -- JSON

CREATE INDEX open_outages ON outages (id) WHERE end_ms IS NULL;

-- Answers that a local model gave in the place of the cloud. Never their text.
CREATE TABLE second_looks (
    id           INTEGER PRIMARY KEY,
    request_id   TEXT NOT NULL UNIQUE,
    at_ms        INTEGER NOT NULL,
    who          TEXT NOT NULL,
    alias        TEXT NOT NULL,
    model        TEXT NOT NULL,
    reason       TEXT NOT NULL,
    lane         TEXT NOT NULL,
    conversation TEXT,                              -- of the portal; its owner alone is led there
    chars        INTEGER NOT NULL,
    looked_ms    INTEGER,
    looked_by    TEXT
) STRICT;

CREATE INDEX second_looks_by_time ON second_looks (at_ms);
