-- Where a person is signed in, and the devices that a person has signed in on before.

ALTER TABLE sessions ADD COLUMN device TEXT NOT NULL DEFAULT '';    -- a few words: "Firefox, Windows"
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';   -- of the sign-in

-- A known device has tries of its own, so that nobody's guessing keeps a person out. It opens nothing by itself.
CREATE TABLE known_devices (
    token_hash BLOB PRIMARY KEY CHECK (length(token_hash) = 32),    -- SHA-256 of 256 random bits
    account    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    seen_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX known_devices_by_account ON known_devices (account, seen_ms);
