//! The state ports on SQLite; migrations; the sealed event log
