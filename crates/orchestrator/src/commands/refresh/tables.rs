//! Files of a table version: there, of the recorded size, with the recorded content.

use std::path::Path;
use std::time::{Duration, SystemTime};

use baton_core::{AssetName, TableVersion};
use baton_lake::FileEntry;

use super::{DriftKind, RefreshReport};
use crate::error::RunError;
use crate::services::Services;

pub(super) const RESTORE: &str =
    "restore the warehouse from a copy, or build the table again with `baton apply --full-refresh`";

/// A stored version as it is told of.
pub(super) struct Part<'p> {
    /// Whose it is.
    pub(super) asset: &'p AssetName,
    /// What it is: `version 3`, `the training set of delay@2`.
    pub(super) what: String,
    /// What to do when something is wrong with it.
    pub(super) hint: &'p str,
}

/// What is wrong with a file.
enum Wrong {
    Missing,
    Size(u64),
    Content,
}

impl RefreshReport {
    /// Looks at every file of a version; `published` is when the version was first published, in microseconds: the
    /// contents of files that are older need not be read. `None` reads all.
    pub(super) async fn look_at_table(
        &mut self,
        services: &Services,
        part: &Part<'_>,
        table: &TableVersion,
        published: Option<i64>,
    ) -> Result<(), RunError> {
        let Part { asset, what: version, hint } = part;
        let snapshot = match services.lake.snapshot(table).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                self.note(DriftKind::Log, asset, format!("{version} cannot be read: {error}"), hint);
                return Ok(());
            }
        };
        for file in snapshot.files() {
            self.files += 1;
            let (kind, what) = match self.wrong_with(file, published)? {
                None => continue,
                Some(Wrong::Missing) => (DriftKind::FileMissing, format!("{} of {version} is gone", file.name)),
                Some(Wrong::Size(found)) => {
                    let what = format!("{} of {version} has {found} bytes, recorded {}", file.name, file.size);
                    (DriftKind::FileAltered, what)
                }
                Some(Wrong::Content) => {
                    let what = format!("{} of {version} has other bytes than recorded", file.name);
                    (DriftKind::FileAltered, what)
                }
            };
            self.note(kind, asset, what, hint);
        }
        Ok(())
    }

    fn wrong_with(&mut self, file: &FileEntry, published: Option<i64>) -> Result<Option<Wrong>, RunError> {
        let Ok(metadata) = std::fs::metadata(&file.path) else { return Ok(Some(Wrong::Missing)) };
        if metadata.len() != file.size {
            return Ok(Some(Wrong::Size(metadata.len())));
        }
        let is_untouched = published.is_some_and(|published| {
            let published = SystemTime::UNIX_EPOCH + Duration::from_micros(published.unsigned_abs());
            metadata.modified().is_ok_and(|modified| modified <= published)
        });
        if is_untouched {
            return Ok(None);
        }
        self.bytes_read += metadata.len();
        Ok((!holds_promise(&file.path)?).then_some(Wrong::Content))
    }
}

/// Whether a file's content has the hash that its name ends in.
fn holds_promise(path: &Path) -> Result<bool, RunError> {
    baton_lake::has_promised_content(path)
        .map_err(|error| RunError::File { path: path.display().to_string(), reason: error.to_string() })
}
