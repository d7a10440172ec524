//! Table versions on Delta Lake: write, append, merge, restore; snapshot to file list.
//!
//! Start at [`Lake`]. Rows go through a [`Writer`] into staged files, which no reader sees; [`Lake::commit`] turns
//! them into exactly one new Delta version, from a base version that the caller names; [`Lake::snapshot`] answers
//! with the files of a version. [`Artifacts`] holds models and other files by their content.
//!
//! Only this crate names `deltalake`. It knows nothing of the ledger, so a version that it made counts only
//! when a commit of an environment points at it.

mod artifacts;
mod change;
mod collect;
mod compaction;
mod digest;
mod encoding;
mod error;
mod export;
mod lake;
mod location;
mod log;
mod order;
mod read;
mod rewrite;
mod schema;
mod snapshot;
mod stats;
mod store;
mod writer;

pub use artifacts::Artifacts;
pub use baton_core::TableVersion;
pub use change::{Change, CommitInfo};
pub use collect::{LogEntry, StoredItem, has_promised_content};
pub use digest::RowDigest;
pub use error::LakeError;
pub use export::ParquetExport;
pub use lake::Lake;
pub use location::TableLocation;
pub use schema::{conform, delta_schema};
pub use snapshot::{FileEntry, Snapshot, StagedFile};
pub use stats::{ColumnStats, FileStats};
pub use writer::{Compression, WriteOptions, Writer};
