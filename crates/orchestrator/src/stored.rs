//! Whether what the ledger remembers is still stored.

use baton_core::{Pin, TableVersion};

use crate::services::Services;

/// Whether all files of a table version are there.
pub(crate) async fn is_whole(services: &Services, table: &TableVersion) -> bool {
    match services.lake.snapshot(table).await {
        Ok(snapshot) => snapshot.files().iter().all(|file| file.path.is_file()),
        Err(_) => false,
    }
}

/// Whether what a pin shows can be read; a recorded step whose output was collected has to be done again.
pub(crate) async fn is_there(services: &Services, pin: &Pin) -> bool {
    match pin.version.table() {
        Some(table) => is_whole(services, table).await,
        None => true,
    }
}
