//! What other trackers keep, brought into Baton's own store and handed back.
//!
//! Start at [`import`]: it asks a `Source` (a folder `mlruns/`, a database of MLflow, a database of Optuna) piece by piece, and
//! keeps each experiment, run, model and trace in one transaction of its own, then its files. Done again, or gone on with after
//! it was broken off, it brings in what is not there yet. What cannot be read is named and set aside, and the rest goes on.
//! [`export`] writes a database and artifacts that an unmodified MLflow opens.
//!
//! It does not know HTTP, projects or the ledger. Invariant: the other tracker's files are only read.

mod aside;
mod error;
mod export;
mod files;
mod import;
mod mlflow;
mod optuna;
mod report;
mod source;
#[cfg(test)]
mod tests;
mod time;

pub use error::{ExchangeError, Result};
pub use export::{ExportReport, export};
pub use import::{Destination, Origin, import};
pub use report::{Counts, FileCounts, ImportReport, SetAside};
