//! Schedules: what is due when, who of several servers runs it, and the queue between them.
//!
//! [`due`] is pure. A [`Scheduler`] asks it at every wake-up, writes what is due into the ledger's queue and hands the runs
//! to its [`Host`]. Of several servers on one ledger only the one that holds the lease does so.

mod blackout;
mod cron;
mod delivery;
mod due;
mod files;
mod notices;
mod scheduler;
mod stores;
mod work;

pub(crate) use delivery::deliver_lineage;
pub use due::{Cursor, Due, Facts, Tick, Timetable, Trigger, due};
pub use notices::About;
pub use scheduler::{Declared, Host, Ran, Scheduler};
pub use stores::Stores;
