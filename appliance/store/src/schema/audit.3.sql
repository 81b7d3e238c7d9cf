-- How many rows of each filling of the spool have been chained in.

CREATE TABLE spools (
    id   TEXT PRIMARY KEY,                          -- the random name of a filling
    rows INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
