-- Addresses that are told what happens in the registry, and what they have yet to be told.

CREATE TABLE webhooks (
    id INTEGER PRIMARY KEY,
    webhook_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT,
    url TEXT NOT NULL,
    -- `ACTIVE` or `DISABLED`.
    status TEXT NOT NULL,
    secret TEXT,
    creation_time INTEGER NOT NULL,
    last_update_time INTEGER NOT NULL
);

CREATE TABLE webhook_events (
    webhook INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    entity TEXT NOT NULL,
    action TEXT NOT NULL,
    PRIMARY KEY (webhook, entity, action)
) WITHOUT ROWID;

-- A delivery that was taken is deleted; one that never will be stays with its reason and no time to try it.
CREATE TABLE webhook_deliveries (
    id INTEGER PRIMARY KEY,
    delivery_id TEXT NOT NULL UNIQUE,
    webhook INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    not_before INTEGER,
    reason TEXT
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (not_before);
