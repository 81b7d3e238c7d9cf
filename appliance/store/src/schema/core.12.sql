-- Orders may be about a local model too: `upstream` becomes `target`.

CREATE TABLE orders_of_any_target (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,     -- never given again: the audit log refers to it
    kind     TEXT NOT NULL CHECK (kind IN ('force-local', 'force-cloud', 'isolate', 'load', 'unload')),
    target   TEXT CHECK ((target IS NULL) = (kind IN ('force-local', 'force-cloud'))),  -- an upstream, or a local model
    who      TEXT NOT NULL,
    reason   TEXT NOT NULL,
    given_ms INTEGER NOT NULL,
    lasts_ms INTEGER NOT NULL CHECK (lasts_ms BETWEEN 60000 AND 86400000),
    left_ms  INTEGER NOT NULL,                      -- what was left of it at noted_ms, by the running box's own clock
    noted_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    ended_by TEXT                                   -- who lifted it; null when it ran out
) STRICT;

INSERT INTO orders_of_any_target SELECT id, kind, upstream, who, reason, given_ms, lasts_ms, left_ms, noted_ms, ended_ms, ended_by FROM orders;
DROP TABLE orders;
ALTER TABLE orders_of_any_target RENAME TO orders;

CREATE UNIQUE INDEX one_of_each_kind ON orders (kind, coalesce(target, '')) WHERE ended_ms IS NULL;
