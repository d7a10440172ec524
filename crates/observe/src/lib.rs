//! Watching: bands over series, alerts into incidents, incidents to causes.
//!
//! Pure: takes records, returns records. Knows nothing of ledgers, tables or engines; `orchestrator` gathers what is
//! needed. Start at [`causes::rank`].

pub mod band;
pub mod causes;
pub mod evidence;
pub mod incidents;
pub mod volume;
