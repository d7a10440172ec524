-- The newest events of an asset, or of a kind, are found without going through all of them. SQLite's indexes end with the row's
-- number by themselves.
DROP INDEX event_by_asset;
CREATE INDEX event_by_asset ON event (asset, sequence) WHERE asset IS NOT NULL;
DROP INDEX event_by_kind_environment;
CREATE INDEX event_by_kind_environment ON event (kind, environment, sequence);
