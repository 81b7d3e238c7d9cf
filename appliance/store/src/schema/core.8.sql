-- The secrets of second factors are sealed with the box's key. SQLite changes no check, so the table is made anew.

CREATE TABLE sealed_factors (
    account      INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    secret       BLOB NOT NULL CHECK (length(secret) IN (20, 48)),  -- 48: sealed; 20: not yet, the next start seals it
    confirmed_ms INTEGER,                                           -- null until a first code proved it: it does not count yet
    last_step    INTEGER NOT NULL                                   -- a code of this time step or an earlier one is refused
) STRICT;

INSERT INTO sealed_factors SELECT account, secret, confirmed_ms, last_step FROM second_factors;

DROP TABLE second_factors;

ALTER TABLE sealed_factors RENAME TO second_factors;
