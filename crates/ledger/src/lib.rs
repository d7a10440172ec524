//! The state ports on SQLite; migrations; the sealed event log.
//!
//! Start at [`SqliteLedger`]. Events are sealed by an RFC 6962 Merkle tree ([`merkle`]): the ledger keeps the roots
//! of the complete subtrees, so that an append costs a logarithm of the log's size, and [`SqliteLedger::verify`]
//! computes everything again. [`LockGuard`] keeps two processes from applying to one environment at once.
//!
//! It does not know what events mean, which database file a project uses, or what time it is.

mod connection;
mod error;
mod lock;
pub mod merkle;
mod operations;
mod record;
mod sqlite;
mod verify;

pub use lock::{LockGuard, StorageGuard};
pub use sqlite::SqliteLedger;
pub use verify::InclusionProof;
