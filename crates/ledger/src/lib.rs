//! The state ports on SQLite and PostgreSQL; migrations; the sealed event log.
//!
//! Start at [`SqlLedger`]. Both databases are asked in one language (`database`), by the same code. Events are sealed by
//! an RFC 6962 Merkle tree ([`merkle`]): the ledger keeps the roots of the complete subtrees, so that an append costs a
//! logarithm of the log's size, and [`SqlLedger::verify`] computes everything again. [`LockGuard`] keeps two processes
//! from applying to one environment at once. [`SqlLedger::copy_to`] moves all of it to another database.
//!
//! It does not know what events mean, which database a project uses, or what time it is.

mod copy;
pub mod database;
mod error;
mod ledger;
mod location;
mod locks;
pub mod merkle;
mod operations;
mod patience;
mod record;
mod verify;

pub use copy::{Copied, CopyError};
pub use ledger::SqlLedger;
pub use location::{Location, Server, is_address};
pub use locks::{LockGuard, StorageGuard};
pub use patience::Patience;
pub use verify::InclusionProof;
