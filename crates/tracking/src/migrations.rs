//! The steps that bring a tracking database up to today's tables, oldest first.
//!
//! A step that was released is never edited: databases know it by its bytes.

use baton_ledger::database::Step;

pub(crate) const STEPS: &[Step] = &[
    (1, "runs", include_str!("../migrations/0001_runs.sql")),
    (2, "models", include_str!("../migrations/0002_models.sql")),
    (3, "traces", include_str!("../migrations/0003_traces.sql")),
    (4, "webhooks", include_str!("../migrations/0004_webhooks.sql")),
    (5, "studies", include_str!("../migrations/0005_studies.sql")),
];

#[cfg(test)]
mod tests {
    use super::STEPS;

    /// A file that nobody lists would never be applied.
    #[test]
    fn every_file_is_listed() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let named = |(number, name, _): &Step| format!("{number:04}_{}.sql", name.replace(' ', "_"));
        assert_eq!(files, STEPS.iter().map(named).collect::<Vec<_>>());
    }

    use super::Step;
}
