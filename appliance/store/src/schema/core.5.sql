-- Departments, what is granted, and what was taken in an emergency. All times are unix milliseconds.

CREATE TABLE departments (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given again: grants and the audit log refer to it
    name       TEXT NOT NULL UNIQUE COLLATE NOCASE,
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE members (
    department  INTEGER NOT NULL REFERENCES departments (id) ON DELETE CASCADE,
    member_kind TEXT NOT NULL CHECK (member_kind IN ('person', 'key')),
    member      INTEGER NOT NULL,
    PRIMARY KEY (department, member_kind, member)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_by_member ON members (member_kind, member);

CREATE TABLE grants (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    grantee_kind    TEXT NOT NULL CHECK (grantee_kind IN ('person', 'key', 'department', 'role')),
    grantee         TEXT NOT NULL,                  -- a number, or the word of a role
    verb            TEXT NOT NULL CHECK (verb IN ('view', 'use', 'manage')),
    object_kind     TEXT NOT NULL,
    object          TEXT NOT NULL,                  -- a name, the number of a department, or * for all
    given_by        TEXT NOT NULL,
    given_ms        INTEGER NOT NULL,
    expires_ms      INTEGER,
    ended_ms        INTEGER,
    is_broken_glass INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX grants_by_grantee ON grants (grantee_kind, grantee) WHERE ended_ms IS NULL;

-- Kept whatever becomes of the person and the grant, until somebody else has looked at it and after.
CREATE TABLE broken_glass (
    grant_id    INTEGER PRIMARY KEY REFERENCES grants (id),
    account     INTEGER NOT NULL,
    who         TEXT NOT NULL,
    reason      TEXT NOT NULL,
    reviewed_ms INTEGER,
    reviewed_by TEXT,
    finding     TEXT
) STRICT;

-- For an account whose password nobody has chosen yet.
CREATE TABLE first_codes (
    account    INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    code_hash  BLOB NOT NULL CHECK (length(code_hash) = 32),
    created_ms INTEGER NOT NULL
) STRICT;

CREATE TRIGGER a_person_who_goes_leaves_nothing_granted AFTER DELETE ON accounts BEGIN
    DELETE FROM members WHERE member_kind = 'person' AND member = old.id;
    UPDATE grants SET ended_ms = CAST(unixepoch('subsec') * 1000 AS INTEGER)
    WHERE grantee_kind = 'person' AND grantee = CAST(old.id AS TEXT) AND ended_ms IS NULL;
END;

CREATE TRIGGER a_key_that_goes_leaves_nothing_granted AFTER UPDATE OF revoked_ms ON api_keys
WHEN new.revoked_ms IS NOT NULL BEGIN
    DELETE FROM members WHERE member_kind = 'key' AND member = old.id;
    UPDATE grants SET ended_ms = new.revoked_ms
    WHERE grantee_kind = 'key' AND grantee = CAST(old.id AS TEXT) AND ended_ms IS NULL;
END;

CREATE TRIGGER a_department_that_goes_leaves_nothing_granted AFTER DELETE ON departments BEGIN
    UPDATE grants SET ended_ms = CAST(unixepoch('subsec') * 1000 AS INTEGER)
    WHERE ended_ms IS NULL AND ((grantee_kind = 'department' AND grantee = CAST(old.id AS TEXT))
                             OR (object_kind = 'department' AND object = CAST(old.id AS TEXT)));
END;
