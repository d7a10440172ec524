//! Ports: what the inside needs of the outside, one small trait per noun, each with an in-memory fake.

mod ledger;
mod memory_ledger;
mod memory_online;
mod memory_operations;
mod online;
mod operations;
mod spans;

pub use ledger::{Ancestor, Environment, Ledger, LedgerError, LogRoot, Tag};
pub use memory_ledger::MemoryLedger;
pub use memory_online::MemoryOnlineStore;
pub use memory_operations::MemoryOperations;
pub use online::{NamespaceUse, OnlineError, OnlineRow, OnlineSnapshot, OnlineStore, UpsertReport};
pub use operations::{
    Adjustment, Advance, Delivery, Lease, LogLine, Message, NewMessage, NewRequest, Operations, Request, RequestEnd,
    RunChange, RunEnd, RunFilter, RunRecord, RunState, StepRecord, Waiter,
};
pub use spans::{MemorySpans, NoSpans, Spans};
