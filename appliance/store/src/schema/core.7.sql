-- For how many days after its last message a conversation of a department's people is kept; null: as the site says.

ALTER TABLE departments ADD COLUMN keep_days INTEGER CHECK (keep_days BETWEEN 1 AND 3650);
