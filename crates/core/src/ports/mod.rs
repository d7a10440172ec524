//! Ports: what the inside needs of the outside, one small trait per noun, each with an in-memory fake.

mod ledger;
mod memory_ledger;
mod memory_online;
mod online;

pub use ledger::{Ancestor, Environment, Ledger, LedgerError, LogRoot, Tag};
pub use memory_ledger::MemoryLedger;
pub use memory_online::MemoryOnlineStore;
pub use online::{NamespaceUse, OnlineError, OnlineRow, OnlineSnapshot, OnlineStore, UpsertReport};
