-- The evidence of an outage in the second language of the pages.

ALTER TABLE outages ADD COLUMN evidence_ko TEXT NOT NULL DEFAULT '';       -- empty in records of before
