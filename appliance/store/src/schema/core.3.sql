-- The highest lane that the holder of a key may ask for.

ALTER TABLE api_keys ADD COLUMN lane TEXT NOT NULL DEFAULT 'interactive'
    CHECK (lane IN ('clinical', 'interactive', 'batch'));
