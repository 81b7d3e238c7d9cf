-- Who a person is to an identity provider outside. The pair never passes to another account, whatever either is called.

CREATE TABLE identities (
    issuer   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    account  INTEGER NOT NULL UNIQUE REFERENCES accounts (id) ON DELETE CASCADE,
    bound_ms INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
