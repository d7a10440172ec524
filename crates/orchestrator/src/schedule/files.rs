//! Files that a schedule waits for: a digest of what lies there, and whether its writers are done.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use baton_connectors::{DiscoverRequest, connector};
use baton_core::{Fingerprint, Timestamp};

use super::scheduler::Host;
use super::stores::{Listing, Stores, is_of_store};

/// What lies at some places, as last seen.
#[derive(Default)]
pub(super) struct Listings {
    /// By glob: the newest digest, and the one that was seen twice in a row.
    seen: BTreeMap<String, (String, Option<String>)>,
    of_stores: BTreeMap<String, Listing>,
    trouble: Option<String>,
}

/// Where to look.
pub(super) struct Place<'p> {
    pub(super) folder: &'p Path,
    pub(super) glob: &'p str,
    pub(super) stores: &'p Stores,
    pub(super) host: &'p Arc<dyn Host>,
    pub(super) now: Timestamp,
}

impl Listings {
    /// The digest of what lies at a place, once it stands still.
    pub(super) async fn look(&mut self, place: &Place<'_>) -> Option<String> {
        if !is_of_store(place.glob) {
            return self.look_here(place.folder, place.glob).await;
        }
        let listing = self.of_stores.entry(place.glob.to_owned()).or_default();
        listing.look(place).await.unwrap_or_else(|trouble| {
            self.trouble = Some(trouble);
            None
        })
    }

    /// Why a store did not answer, once.
    pub(super) fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// Looks at the files of `glob` below `folder`, and answers their digest once it stands still: a file that is still
    /// being written differs from one look to the next.
    async fn look_here(&mut self, folder: &Path, glob: &str) -> Option<String> {
        let (root, location) = (folder.to_owned(), glob.to_owned());
        let looking = tokio::task::spawn_blocking(move || digest(&root, &location));
        let now = looking.await.ok().flatten()?;
        let entry = self.seen.entry(glob.to_owned()).or_default();
        if entry.0 == now {
            entry.1 = Some(now);
        } else {
            entry.0 = now;
        }
        entry.1.clone()
    }
}

/// Nothing that matches, or a folder that is not there yet, is a listing too.
fn digest(root: &Path, location: &str) -> Option<String> {
    let request = DiscoverRequest { root: root.to_owned(), location: location.to_owned(), options: BTreeMap::new() };
    let units = connector("file")?.discover(&request).unwrap_or_default();
    let parts = units.iter().map(|unit| format!("{}\u{0}{}\u{0}{}", unit.path, unit.size, unit.modified_at));
    Some(Fingerprint::of(parts).short().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listing_counts_once_it_stands_still() {
        let folder = tempfile::tempdir().unwrap();
        let mut listings = Listings::default();
        let mut look = async || listings.look_here(folder.path(), "landing/*.csv").await;
        assert_eq!(look().await, None);
        let empty = look().await.unwrap();
        std::fs::create_dir(folder.path().join("landing")).unwrap();
        std::fs::write(folder.path().join("landing/a.csv"), "id\n1\n").unwrap();
        assert_eq!(look().await, Some(empty.clone()), "seen for the first time");
        std::fs::write(folder.path().join("landing/a.csv"), "id\n1\n2\n").unwrap();
        assert_eq!(look().await, Some(empty.clone()), "it still grows");
        let one = look().await.unwrap();
        assert_ne!(one, empty);
        std::fs::write(folder.path().join("landing/notes.txt"), "").unwrap();
        assert_eq!(look().await, Some(one));
    }
}
