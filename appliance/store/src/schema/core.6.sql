-- The second factor: what a person has, beside the password that a person knows.

CREATE TABLE second_factors (
    account      INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    secret       BLOB NOT NULL CHECK (length(secret) = 20),   -- shared with the person's authenticator
    confirmed_ms INTEGER,                                     -- null until a first code proved it: it does not count yet
    last_step    INTEGER NOT NULL                             -- a code of this time step or an earlier one is refused
) STRICT;

CREATE TABLE recovery_codes (
    account   INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    code_hash BLOB NOT NULL CHECK (length(code_hash) = 32),   -- SHA-256 of 80 random bits
    used_ms   INTEGER,
    PRIMARY KEY (account, code_hash)
) STRICT, WITHOUT ROWID;
