//! Sessions over a commit, types, lineage and fingerprints from logical plans, point-in-time join.
//!
//! Start at [`Engine`] (runs SQL over table versions), then [`analysis`] (what a table's SQL reads and yields,
//! without running it), [`fingerprint`] (what its content depends on) and [`pit`] (features as of a label's time).
//! The only crate that names `datafusion`: nothing of it shows in the public API.

pub mod analysis;
mod availability;
mod cheapest;
mod determinism;
mod engine;
mod error;
pub mod fingerprint;
pub mod keep;
mod memory;
pub mod pit;
mod plan_text;
mod session;
mod sieve;
pub mod sql;
mod stream;
pub mod table;
mod yielding;

pub use analysis::inspection::{FanOut, InspectedTable, Inspection, NullCause, TableFacts, TextComparison, inspect};
pub use analysis::{Analysis, analyze};
pub use engine::{Engine, EngineOptions};
pub use error::{EngineError, ProblemKind, SqlProblem};
pub use fingerprint::{TableFingerprints, fingerprints};
pub use pit::{PitOptions, PointInTimeJoin};
pub use session::{BuildOptions, Session, SessionInput};
pub use sql::table_references;
pub use stream::BatchStream;
pub use table::{Comparand, Condition, DataFile, Is, RecordSource, TableFiles, TableInput, Wanted};

/// The system column that says when a row became known (timestamp, microseconds, UTC); null means always known.
pub const AVAILABLE_AT: &str = "_available_at";

/// Whether `column` is a system column: hidden from `select *` and from the schema that users see.
pub fn is_system_column(column: &str) -> bool {
    column.starts_with('_')
}
