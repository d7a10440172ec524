-- Incidents and monitors ask for one kind of event in one environment, every tick.
CREATE INDEX event_by_kind_environment ON event (kind, environment);
