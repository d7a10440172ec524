//! Whether the files of a folder may have changed, without reading them.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use walkdir::{DirEntry, WalkDir};

use crate::load::is_project_file;
use crate::spec::PythonSettings;

/// Paths, sizes and times of the YAML files in `folder`, as one text: another one whenever one of them was written.
pub fn stamp(folder: &Path) -> String {
    let is_yaml =
        |entry: &DirEntry| entry.path().extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    visible(folder).filter(is_yaml).map(|entry| describe(&entry)).collect()
}

/// The same of the files that the project in `folder` is read from; `lock` is the lock file that its settings name. Other files
/// may come and go as deliveries do.
pub fn stamp_of_project(folder: &Path, lock: Option<&str>) -> String {
    let is_read = |entry: &DirEntry| {
        let path = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        let file = parts.join("/");
        let is_lock = PythonSettings::LOCKS.contains(&file.as_str()) || lock == Some(file.as_str());
        is_project_file(&file) || file.ends_with(".py") || is_lock
    };
    visible(folder).filter(is_read).map(|entry| describe(&entry)).collect()
}

/// The same of all files in `folder`, whatever a project may be read from.
pub fn stamp_of_all(folder: &Path) -> String {
    visible(folder).map(|entry| describe(&entry)).collect()
}

fn visible(folder: &Path) -> impl Iterator<Item = DirEntry> {
    WalkDir::new(folder).sort_by_file_name().into_iter().filter_entry(is_visible).flatten()
}

fn is_visible(entry: &DirEntry) -> bool {
    entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.')
}

fn describe(entry: &DirEntry) -> String {
    let data = entry.metadata().ok();
    let size = data.as_ref().map_or(0, std::fs::Metadata::len);
    let written = data.and_then(|data| data.modified().ok()?.duration_since(UNIX_EPOCH).ok()).unwrap_or(Duration::ZERO);
    format!("{} {size} {}\n", entry.path().display(), written.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_to_yaml_shows_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("baton.yml", "project: x\n");
        let first = stamp(folder.path());
        std::fs::create_dir(folder.path().join(".baton")).unwrap();
        write(".baton/notes.yml", "a: 1\n");
        write("landing.csv", "id\n1\n");
        assert_eq!(stamp(folder.path()), first);
        let all = stamp_of_all(folder.path());
        write("landing.csv", "id\n1\n2\n");
        assert_ne!(stamp_of_all(folder.path()), all);
        let read = stamp_of_project(folder.path(), Some("env.txt"));
        write("landing.csv", "id\n1\n2\n3\n");
        write("notes.txt", "nothing\n");
        assert_eq!(stamp_of_project(folder.path(), Some("env.txt")), read);
        let mut before = read;
        std::fs::create_dir(folder.path().join("tables")).unwrap();
        for file in ["tables/a.sql", "tables/b.py", "shared.py", "uv.lock", "env.txt", "more.yaml"] {
            write(file, "\n");
            let now = stamp_of_project(folder.path(), Some("env.txt"));
            assert_ne!(now, before, "{file}");
            before = now;
        }
        write("schedules.yaml", "schedules: []\n");
        let second = stamp(folder.path());
        assert_ne!(second, first);
        write("baton.yml", "project: y2\n");
        assert_ne!(stamp(folder.path()), second);
    }
}
