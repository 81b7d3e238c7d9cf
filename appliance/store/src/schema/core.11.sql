-- What one key may have in the place of what the configuration gives to every key; null: what that says.

ALTER TABLE api_keys ADD COLUMN max_requests INTEGER CHECK (max_requests > 0);
ALTER TABLE api_keys ADD COLUMN max_per_minute INTEGER CHECK (max_per_minute > 0);
