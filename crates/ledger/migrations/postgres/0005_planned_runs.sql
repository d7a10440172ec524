-- What a run was to do and with what: needed to go on with it.
ALTER TABLE run ADD COLUMN parameters TEXT COLLATE "C" NOT NULL DEFAULT '{}';  -- JSON
ALTER TABLE run ADD COLUMN planned TEXT COLLATE "C" NOT NULL DEFAULT '';       -- names of assets, a line each
