-- Promotions: the commit of another environment whose changes a commit took in.
ALTER TABLE commit_record ADD COLUMN merged TEXT REFERENCES commit_record (id);

-- Names that people gave to commits.
CREATE TABLE tag (
    name      TEXT PRIMARY KEY,
    commit_id TEXT NOT NULL REFERENCES commit_record (id)
) STRICT, WITHOUT ROWID;
