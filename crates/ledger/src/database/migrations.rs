//! The steps that bring a database up to today's schema, oldest first.
//!
//! A step that was released is never edited: databases know it by its bytes.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Number, name and text of a step.
pub type Step = (i64, &'static str, &'static str);

const SQLITE: [Step; 7] = [
    (1, "ledger", include_str!("../../migrations/sqlite/0001_ledger.sql")),
    (2, "event kind environment", include_str!("../../migrations/sqlite/0002_event_kind_environment.sql")),
    (3, "branches and tags", include_str!("../../migrations/sqlite/0003_branches_and_tags.sql")),
    (4, "operations", include_str!("../../migrations/sqlite/0004_operations.sql")),
    (5, "planned runs", include_str!("../../migrations/sqlite/0005_planned_runs.sql")),
    (6, "approvals pools", include_str!("../../migrations/sqlite/0006_approvals_pools.sql")),
    (7, "events in order", include_str!("../../migrations/sqlite/0007_events_in_order.sql")),
];

const POSTGRES: [Step; 5] = [
    (3, "ledger", include_str!("../../migrations/postgres/0003_ledger.sql")),
    (4, "operations", include_str!("../../migrations/postgres/0004_operations.sql")),
    (5, "planned runs", include_str!("../../migrations/postgres/0005_planned_runs.sql")),
    (6, "approvals pools", include_str!("../../migrations/postgres/0006_approvals_pools.sql")),
    (7, "events in order", include_str!("../../migrations/postgres/0007_events_in_order.sql")),
];

/// The steps of SQLite.
pub(super) fn sqlite() -> Migrator {
    migrator(&SQLITE)
}

/// The steps of PostgreSQL, which began with SQLite's third.
pub(super) fn postgres() -> Migrator {
    migrator(&POSTGRES)
}

/// What takes `steps`.
pub(super) fn migrator(steps: &[Step]) -> Migrator {
    let migration = |&(number, name, text): &Step| {
        Migration::new(number, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(steps.iter().map(migration).collect())
}

#[cfg(test)]
mod tests {
    use super::{POSTGRES, SQLITE};

    /// A file that nobody lists would never be applied.
    #[test]
    fn every_file_is_listed() {
        for (folder, steps) in [("sqlite", SQLITE.as_slice()), ("postgres", POSTGRES.as_slice())] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
            let mut files: Vec<_> = std::fs::read_dir(folder)
                .unwrap()
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let named = |(number, name, _): &(i64, &str, &str)| format!("{number:04}_{}.sql", name.replace(' ', "_"));
            assert_eq!(files, steps.iter().map(named).collect::<Vec<_>>());
        }
    }
}
