//! Connector `file`: Parquet, CSV and JSON lines on this machine, each also in gzip or Zstandard, found by glob.
//!
//! A unit is one file. A text file with unknown types is read twice (types first, over the whole file; then rows), so
//! memory stays at a few batches whatever the size.

pub(crate) mod csv;
mod discover;
mod export;
pub(crate) mod json;
mod open;
mod options;
mod parallel;
mod parquet;
mod remembered;

use std::fs;
use std::time::SystemTime;

use arrow::record_batch::RecordBatch;

use crate::{Connector, ConnectorError, Contract, DiscoverRequest, Format, ReadReport, Unit};
pub(crate) use discover::{literal_folder, matcher};
pub use export::FileExporter;
pub(crate) use export::layout_of;
pub(crate) use options::FileOptions;

/// Rows of one batch, at most.
const BATCH_ROWS: usize = 32_768;
/// Text of one batch, about; also the longest record that is read.
const BATCH_BYTES: usize = 32 << 20;

/// The connector for files.
#[derive(Debug, Clone, Copy)]
pub struct FileConnector;

impl Connector for FileConnector {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn discover(&self, request: &DiscoverRequest) -> Result<Vec<Unit>, ConnectorError> {
        discover::discover(request)
    }

    fn fingerprint(&self, unit: &Unit) -> Result<String, ConnectorError> {
        let file = open::open_file(unit)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file).map_err(|source| open::io_error(unit, "read", source))?;
        Ok(hasher.finalize().to_hex().to_string())
    }

    fn read(
        &self,
        unit: &Unit,
        contract: &Contract,
        sink: &mut dyn FnMut(RecordBatch) -> Result<(), ConnectorError>,
    ) -> Result<ReadReport, ConnectorError> {
        let options = FileOptions::parse(&contract.options)?;
        let before = state(unit)?;
        if before.0 == 0 {
            let hint = "remove it, or let its writer finish";
            return Err(ConnectorError::broken(&unit.path, "the file is empty", hint));
        }
        let outcome = match unit.format.format {
            Format::Parquet => parquet::read(unit, contract, sink),
            Format::Csv => csv::read(unit, contract, &options, sink),
            Format::Json => json::read(unit, contract, sink),
        };
        // A file that grows during the read also looks broken; saying that it changed is nearer to the truth.
        if before.0 != unit.size || before != state(unit)? {
            return Err(ConnectorError::ChangedWhileReading { path: unit.path.clone() });
        }
        outcome
    }
}

fn state(unit: &Unit) -> Result<(u64, Option<SystemTime>), ConnectorError> {
    let metadata = fs::metadata(unit.full_path()).map_err(|source| open::io_error(unit, "read", source))?;
    Ok((metadata.len(), metadata.modified().ok()))
}

#[cfg(test)]
mod tests;
