//! The port every source implements, and the nouns it speaks.
//!
//! Invariant: discovery is cheap (names and sizes only) and deterministic; only [`Connector::fingerprint`] and
//! [`Connector::read`] look inside a unit.

use std::collections::BTreeMap;
use std::path::PathBuf;

use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::{ConnectorError, Contract, ReadReport};

/// One kind of source. Its methods block; they hold no state between calls, so one value serves all threads.
pub trait Connector: Send + Sync {
    /// The word that selects this connector in a project file.
    fn kind(&self) -> &'static str;

    /// Lists what can be landed now, in a stable order, without reading content.
    ///
    /// # Errors
    /// A wrong option or pattern, a place that is missing, unreadable or outside the project.
    fn discover(&self, request: &DiscoverRequest) -> Result<Vec<Unit>, ConnectorError>;

    /// Hashes the content of `unit` as stored: 64 hexadecimal digits of BLAKE3.
    ///
    /// It reads all of the unit, so callers first compare path, size and `modified_at` with what they remember.
    ///
    /// # Errors
    /// The unit cannot be read.
    fn fingerprint(&self, unit: &Unit) -> Result<String, ConnectorError>;

    /// Reads `unit` in order, handing batches that keep to `contract` to `sink`.
    ///
    /// All batches have the schema of [`ReadReport::schema`]. Rows that cannot keep to the contract are set aside in
    /// the report; the rest lands. **On `Err` the batches already handed out must be discarded**: a fault may show
    /// only at the end of a unit, and nothing of a broken unit may land. So callers stage, then publish.
    ///
    /// # Errors
    /// The unit is broken, its schema breaks the contract, an option is wrong, or `sink` failed (its error is passed on).
    fn read(
        &self,
        unit: &Unit,
        contract: &Contract,
        sink: &mut dyn FnMut(RecordBatch) -> Result<(), ConnectorError>,
    ) -> Result<ReadReport, ConnectorError>;
}

/// Where to look for units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoverRequest {
    /// The project folder; relative locations start here and may not leave it.
    pub root: PathBuf,
    /// The location as written in the project: for files a path or a glob (`landing/flights/*.parquet`, `**`).
    pub location: String,
    /// The options of the source, the same map as [`Contract::options`].
    pub options: BTreeMap<String, String>,
}

/// One piece that lands whole or not at all: for files, one file.
///
/// It is known by path and content hash; the caller's ledger remembers which were landed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The project folder that `path` starts from; not part of the unit's identity.
    #[serde(skip)]
    pub root: PathBuf,
    /// Path relative to the project, `/` between the parts; absolute only if the location was.
    pub path: String,
    /// Size as stored, in bytes.
    pub size: u64,
    /// When it arrived: last modification, microseconds since 1970-01-01 UTC.
    pub modified_at: i64,
    /// How its bytes are to be understood.
    pub format: FileFormat,
}

impl Unit {
    /// Returns the path to open.
    pub fn full_path(&self) -> PathBuf {
        self.root.join(&self.path)
    }
}

/// The layout of a file and the compression around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFormat {
    /// The layout inside.
    pub format: Format,
    /// The compression around the whole file, not the one inside a Parquet file.
    pub compression: Compression,
}

/// The layouts that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Delimited text, quoted as in RFC 4180.
    Csv,
    /// One JSON object a line.
    Json,
}

/// The compressions that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Stored as it is.
    None,
    /// One or more gzip members.
    Gzip,
    /// One or more Zstandard frames.
    Zstd,
}
