//! The nouns of Baton and the ports to the outside.
//!
//! Start at [`asset`] (what a project declares), then [`commit`] (what an environment points at) and [`event`]
//! (what happened). Everything here is plain data or a trait: no IO, no async runtime, no clock of its own.

pub mod approval;
pub mod asset;
pub mod channel;
pub mod check;
pub mod commit;
pub mod duration;
pub mod event;
pub mod failpoint;
pub mod fingerprint;
pub mod graph;
pub mod incident;
pub mod interval;
pub mod name;
pub mod parameter;
pub mod ports;
pub mod registered;
pub mod runbook;
pub mod scalar;
pub mod schedule;
pub mod span;
pub mod time;
pub mod unit_test;
pub mod version;

pub use approval::Approval;
pub use asset::{Asset, Definition, Kind};
pub use commit::{Commit, CommitId, Pin};
pub use event::{Event, EventKind, NewEvent};
pub use fingerprint::Fingerprint;
pub use graph::Graph;
pub use interval::{Interval, IntervalSet};
pub use name::AssetName;
pub use parameter::Parameter;
pub use registered::RegisteredReference;
pub use runbook::Runbook;
pub use schedule::Schedule;
pub use time::{Clock, Timestamp};
pub use unit_test::UnitTest;
pub use version::{TableVersion, Version};
