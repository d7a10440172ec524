//! Collecting what nothing reaches: says what and how many bytes, then deletes it.
//!
//! Whatever stops it, what is reached was never touched, and the next collection finds the rest. The caller holds the lock
//! of the stored files, so that nobody reads or writes them meanwhile.

mod find;
mod roots;

use std::time::Duration;

use baton_core::{EventKind, NewEvent, TableVersion, failpoint};
use baton_lake::{CommitInfo, StoredItem, TableLocation};
use serde::Serialize;
use serde_json::json;

use self::find::{Found, find};
use self::roots::Roots;
use crate::error::RunError;
use crate::profiles;
use crate::services::Services;

/// What to keep.
#[derive(Debug, Clone, Copy)]
pub struct GcOptions {
    /// How long commits of an environment stay, on the machine's clock; its head stays always.
    pub keep: Duration,
    /// Files younger than this stay unless a version names them.
    pub grace: Duration,
    /// Say what would go; delete nothing.
    pub dry_run: bool,
}

/// What kind of thing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GarbageKind {
    /// A table of a definition that nothing reaches, with all its versions.
    Table,
    /// Data files of a table that only versions have which nothing reaches.
    TableFiles,
    /// A stored model that no version has.
    Artifact,
    /// Online values that no commit points at.
    OnlineValues,
    /// What killed writers and collections left behind.
    Leftover,
}

/// Things of one kind and place that go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Garbage {
    /// What they are.
    pub kind: GarbageKind,
    /// The table's location, the artifact's digest, the namespace, or the file.
    pub name: String,
    /// How many files or rows.
    pub items: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The files, of a table that stays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

impl Garbage {
    fn single(kind: GarbageKind, item: StoredItem) -> Self {
        Self { kind, name: item.name, items: 1, bytes: item.bytes, files: Vec::new() }
    }
}

/// What a collection deleted, or would.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// Whether it only looked.
    pub dry_run: bool,
    /// What goes.
    pub garbage: Vec<Garbage>,
    /// Bytes of all that goes.
    pub bytes: u64,
    /// Data files of tables that stay.
    pub kept_files: u64,
    /// Their bytes.
    pub kept_bytes: u64,
    /// Tables that were left alone, and why.
    pub left_alone: Vec<String>,
}

/// Deletes what no environment, tag, training set, model version or retention reaches.
///
/// # Errors
/// Those of the stores. What was deleted until then was not reached; the next collection goes on.
pub async fn gc(services: &Services, options: GcOptions) -> Result<GcReport, RunError> {
    let keep = chrono::TimeDelta::from_std(options.keep).unwrap_or(chrono::TimeDelta::MAX);
    let kept_since = services.clock.now().checked_sub_signed(keep).unwrap_or_default();
    let roots = Roots::find(services, kept_since).await?;
    let found = find(services, &roots, options.grace).await?;
    if !options.dry_run {
        collect(services, &found).await?;
    }
    Ok(GcReport {
        dry_run: options.dry_run,
        bytes: found.garbage.iter().map(|garbage| garbage.bytes).sum(),
        garbage: found.garbage,
        kept_files: found.kept_files,
        kept_bytes: found.kept_bytes,
        left_alone: found.left_alone,
    })
}

async fn collect(services: &Services, found: &Found) -> Result<(), RunError> {
    for version in &found.restored {
        restore(services, version).await?;
        failpoint::reach("gc.restored");
    }
    for garbage in &found.garbage {
        failpoint::reach("gc.before_delete");
        delete(services, garbage)?;
    }
    failpoint::reach("gc.before_record");
    if !found.garbage.is_empty() {
        services.ledger.append(vec![collected(services, found)]).await?;
    }
    failpoint::reach("gc.after_record");
    Ok(())
}

/// Makes the newest version of a table one that is reached: other readers open the newest.
async fn restore(services: &Services, version: &TableVersion) -> Result<(), RunError> {
    let location = TableLocation::parse(&version.location)?;
    let metadata = json!({"restored": version.version});
    let info = CommitInfo { operation: "RESTORE".to_owned(), at: services.clock.now(), metadata };
    services.lake.restore(&location, version.version, &info).await?;
    Ok(())
}

fn delete(services: &Services, garbage: &Garbage) -> Result<(), RunError> {
    match garbage.kind {
        GarbageKind::Table => {
            profiles::forget(services, &garbage.name, None)?;
            services.lake.delete_table(&TableLocation::parse(&garbage.name)?)?;
        }
        GarbageKind::TableFiles => {
            let location = TableLocation::parse(&garbage.name)?;
            for file in &garbage.files {
                profiles::forget(services, &garbage.name, Some(file))?;
                services.lake.delete_file(&location, file)?;
                failpoint::reach("gc.file_deleted");
            }
        }
        GarbageKind::Artifact => services.lake.delete_artifact(&garbage.name)?,
        GarbageKind::OnlineValues => services.online.drop_namespace(&garbage.name)?,
        GarbageKind::Leftover => services.lake.delete_leftover(&garbage.name)?,
    }
    Ok(())
}

fn collected(services: &Services, found: &Found) -> NewEvent {
    let line = |garbage: &Garbage| json!({"kind": garbage.kind, "name": garbage.name, "items": garbage.items, "bytes": garbage.bytes});
    let garbage: Vec<_> = found.garbage.iter().map(line).collect();
    let now = services.clock.now();
    NewEvent {
        at: now,
        as_of: now,
        environment: String::new(),
        run: None,
        asset: None,
        kind: EventKind::StorageCollected,
        key: "gc".to_owned(),
        body: json!({"garbage": garbage, "author": services.author}),
    }
}
