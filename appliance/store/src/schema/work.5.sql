-- An outage whose end nobody saw. All times are unix milliseconds.

ALTER TABLE outages ADD COLUMN end_after_ms INTEGER;                       -- it ended after this, and before end_ms
