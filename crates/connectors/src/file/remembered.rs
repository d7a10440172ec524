//! What a file was found to hold: a plan looks it through, and the landing that follows need not do so again.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::open;
use crate::{ConnectorError, Unit};

/// Files that are remembered.
const MOST_FILES: usize = 16;
/// A file that was written later than this ago may be written again without another time.
const SETTLED: Duration = Duration::from_secs(2);

/// What was found in files, the newest last.
pub(super) struct Remembered<T>(Mutex<Vec<(Key, T)>>);

/// How a file is known again.
#[derive(PartialEq, Eq)]
struct Key {
    path: PathBuf,
    size: u64,
    modified: SystemTime,
    terms: String,
}

impl Key {
    /// `None` where the file may change without anybody seeing it.
    fn of(unit: &Unit, terms: &str) -> Result<Option<Self>, ConnectorError> {
        let path = unit.full_path();
        let metadata = std::fs::metadata(&path).map_err(|source| open::io_error(unit, "read", source))?;
        let Ok(modified) = metadata.modified() else { return Ok(None) };
        let is_settled = modified.elapsed().is_ok_and(|age| age >= SETTLED);
        Ok(is_settled.then(|| Self { path, size: metadata.len(), modified, terms: terms.to_owned() }))
    }
}

impl<T: Clone> Remembered<T> {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// What was found in the file under the same `terms`, or what `look` finds now.
    ///
    /// # Errors
    /// Those of `look`.
    pub(super) fn get_or(
        &self,
        unit: &Unit,
        terms: &str,
        look: impl FnOnce() -> Result<T, ConnectorError>,
    ) -> Result<T, ConnectorError> {
        let Some(key) = Key::of(unit, terms)? else { return look() };
        let known = self.lock().iter().find(|(known, _)| *known == key).map(|(_, found)| found.clone());
        if let Some(found) = known {
            return Ok(found);
        }
        let found = look()?;
        let mut files = self.lock();
        if files.len() == MOST_FILES {
            files.remove(0);
        }
        files.push((key, found.clone()));
        Ok(found)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Key, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::{Compression, FileFormat, Format};

    #[test]
    fn a_settled_file_is_looked_through_once_and_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let format = FileFormat { format: Format::Json, compression: Compression::None };
        let unit = Unit {
            root: folder.path().to_owned(),
            path: "a.jsonl".to_owned(),
            size: 0,
            modified_at: 0,
            format,
            remote: None,
        };
        let remembered = Remembered::new();
        let ask = |terms: &str| remembered.get_or(&unit, terms, || Ok(fs::read_to_string(&path).unwrap())).unwrap();
        let write = |text: &str, age: u64| {
            fs::write(&path, text).unwrap();
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + age);
            File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        };
        fs::write(&path, "new").unwrap();
        assert_eq!(ask(""), "new");
        fs::write(&path, "old").unwrap();
        assert_eq!(ask(""), "old", "a file that is written now may be written again");
        write("one", 0);
        assert_eq!(ask(""), "one");
        write("two", 0);
        assert_eq!((ask(""), ask("other")), ("one".to_owned(), "two".to_owned()));
        write("two", 1);
        assert_eq!(ask(""), "two");
    }
}
