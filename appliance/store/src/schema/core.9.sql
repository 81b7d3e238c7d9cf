-- People for whom the building's directory vouches. All times are unix milliseconds.

CREATE TABLE directory_people (
    account     INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    entry       TEXT NOT NULL UNIQUE,   -- what the directory calls this person for good, whatever the name becomes
    also        TEXT COLLATE NOCASE,    -- another name that this person signs in with
    verifier    TEXT,                   -- argon2id, PHC string, of the password that the directory took last
    verified_ms INTEGER,                -- when it took it
    CHECK ((verifier IS NULL) = (verified_ms IS NULL))
) STRICT;

CREATE UNIQUE INDEX directory_people_by_other_name ON directory_people (also) WHERE also IS NOT NULL;

CREATE INDEX directory_people_by_proof ON directory_people (verified_ms) WHERE verified_ms IS NOT NULL;

ALTER TABLE sessions ADD COLUMN by_cache INTEGER NOT NULL DEFAULT 0;    -- begun while the directory was out of reach
