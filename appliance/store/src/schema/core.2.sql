-- What persons in charge have ordered for a time: all times are unix milliseconds.

CREATE TABLE orders (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,     -- never given again: the audit log refers to it
    kind     TEXT NOT NULL CHECK (kind IN ('force-local', 'force-cloud', 'isolate')),
    upstream TEXT CHECK ((upstream IS NOT NULL) = (kind = 'isolate')),
    who      TEXT NOT NULL,
    reason   TEXT NOT NULL,
    given_ms INTEGER NOT NULL,
    lasts_ms INTEGER NOT NULL CHECK (lasts_ms BETWEEN 60000 AND 86400000),
    left_ms  INTEGER NOT NULL,                      -- what was left of it at noted_ms, by the running box's own clock
    noted_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    ended_by TEXT                                   -- who lifted it; null when it ran out
) STRICT;

CREATE UNIQUE INDEX one_of_each_kind ON orders (kind, coalesce(upstream, '')) WHERE ended_ms IS NULL;
