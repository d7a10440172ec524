//! What lies in the stores and nothing reaches.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use baton_core::TableVersion;
use baton_lake::{StoredItem, TableLocation};

use super::roots::Roots;
use super::{Garbage, GarbageKind};
use crate::error::RunError;
use crate::services::Services;

/// All that can go, and what was left alone though it might have.
pub(super) struct Found {
    pub(super) garbage: Vec<Garbage>,
    pub(super) left_alone: Vec<String>,
    /// Tables whose newest version loses files: it is written anew as this version first, so that other readers, who
    /// open the newest, always find a whole one.
    pub(super) restored: Vec<TableVersion>,
    /// Files that are reached.
    pub(super) kept_files: u64,
    /// Their bytes.
    pub(super) kept_bytes: u64,
}

/// Looks everywhere. What was written within `grace` and no version names stays: it may be about to be named.
pub(super) async fn find(services: &Services, roots: &Roots, grace: Duration) -> Result<Found, RunError> {
    let mut found =
        Found { garbage: Vec::new(), left_alone: Vec::new(), restored: Vec::new(), kept_files: 0, kept_bytes: 0 };
    let reached = by_location(roots);
    for location in services.lake.tables()? {
        match reached.get(&location.to_string()) {
            None => found.garbage.push(whole_table(services, &location)?),
            Some(versions) => found.look_into(services, &location, versions, grace).await?,
        }
    }
    for namespace in services.online.namespaces()? {
        if !roots.namespaces.contains(&namespace.name) {
            let (name, items, bytes) = (namespace.name, namespace.rows, namespace.bytes);
            found.garbage.push(Garbage { kind: GarbageKind::OnlineValues, name, items, bytes, files: Vec::new() });
        }
    }
    let is_old = |item: &StoredItem| is_older(item, grace);
    for item in services.lake.stored_artifacts()?.into_iter().filter(is_old) {
        if !roots.artifacts.contains(&item.name) {
            found.garbage.push(Garbage::single(GarbageKind::Artifact, item));
        }
    }
    let leftovers = services.lake.leftovers()?.into_iter();
    let leftovers = leftovers.filter(|item| item.name.starts_with(".trash/") || is_old(item));
    found.garbage.extend(leftovers.map(|item| Garbage::single(GarbageKind::Leftover, item)));
    Ok(found)
}

/// Reached versions by location; `true` for those that have to be readable.
fn by_location(roots: &Roots) -> BTreeMap<String, BTreeMap<u64, bool>> {
    let mut found: BTreeMap<String, BTreeMap<u64, bool>> = BTreeMap::new();
    let strict = roots.tables.iter().map(|table| (table, true));
    for (table, is_needed) in roots.inputs.iter().map(|table| (table, false)).chain(strict) {
        *found.entry(table.location.clone()).or_default().entry(table.version).or_default() |= is_needed;
    }
    found
}

fn whole_table(services: &Services, location: &TableLocation) -> Result<Garbage, RunError> {
    let files = services.lake.stored_files(location)?.len() as u64;
    let bytes = services.lake.stored_bytes(location)?;
    Ok(Garbage { kind: GarbageKind::Table, name: location.to_string(), items: files, bytes, files: Vec::new() })
}

impl Found {
    async fn look_into(
        &mut self,
        services: &Services,
        location: &TableLocation,
        versions: &BTreeMap<u64, bool>,
        grace: Duration,
    ) -> Result<(), RunError> {
        if let Some(entry) = services.lake.log_history(location)?.into_iter().find(|entry| !entry.is_ours()) {
            self.left_alone.push(format!("{location}: version {} was written by `{}`", entry.version, entry.engine));
            return Ok(());
        }
        let mut kept: BTreeSet<String> = BTreeSet::new();
        let mut newest_kept = None;
        for (version, is_needed) in versions {
            let table = TableVersion { location: location.to_string(), version: *version };
            match services.lake.snapshot(&table).await {
                Ok(snapshot) => kept.extend(snapshot.files().iter().map(|file| file.name.clone())),
                // What a reached version was made from may be gone for good.
                Err(_) if !is_needed => continue,
                Err(error) => {
                    self.left_alone.push(format!("{location}: version {version} cannot be read: {error}"));
                    return Ok(());
                }
            }
            newest_kept = Some(table);
        }
        let stored = services.lake.stored_files(location)?;
        let (reached, rest): (Vec<StoredItem>, Vec<StoredItem>) =
            stored.into_iter().partition(|item| kept.contains(&item.name));
        self.kept_files += reached.len() as u64;
        self.kept_bytes += reached.iter().map(|item| item.bytes).sum::<u64>();
        let logged = if rest.iter().all(|item| is_older(item, grace)) {
            BTreeSet::new()
        } else {
            services.lake.logged_files(location)?
        };
        let gone: Vec<StoredItem> =
            rest.into_iter().filter(|item| is_older(item, grace) || logged.contains(&item.name)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        if let (Some(newest), Some(kept_version)) = (services.lake.newest(location).await?, newest_kept) {
            let names: BTreeSet<&str> = gone.iter().map(|item| item.name.as_str()).collect();
            let snapshot = services.lake.snapshot(&newest).await?;
            if snapshot.files().iter().any(|file| names.contains(file.name.as_str())) {
                self.restored.push(kept_version);
            }
        }
        self.garbage.push(Garbage {
            kind: GarbageKind::TableFiles,
            name: location.to_string(),
            items: gone.len() as u64,
            bytes: gone.iter().map(|item| item.bytes).sum(),
            files: gone.into_iter().map(|item| item.name).collect(),
        });
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "ages of files are on the file system's clock, which no port has")]
fn is_older(item: &StoredItem, grace: Duration) -> bool {
    SystemTime::now().duration_since(item.modified).is_ok_and(|age| age >= grace)
}
