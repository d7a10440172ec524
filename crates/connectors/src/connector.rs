//! The port every source implements, and the nouns it speaks.
//!
//! Invariant: discovery is cheap (names and sizes only) and deterministic; only [`Connector::fingerprint`] and
//! [`Connector::read`] look inside a unit.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::{ConnectorError, Contract, ReadReport};

/// One kind of source. Its methods block; they hold no state between calls, so one value serves all threads.
pub trait Connector: Send + Sync {
    /// The word that selects this connector in a project file.
    fn kind(&self) -> &'static str;

    /// The JSON Schema of [`DiscoverRequest::options`], made from the connector's config struct; `None` when a project
    /// gives it none.
    fn options(&self) -> Option<schemars::Schema> {
        None
    }

    /// Options that do not decide which rows there are, such as keys.
    fn incidental(&self) -> &'static [&'static str] {
        &[]
    }

    /// Variables of the process environment that stand for an option that `given` does not have, by option; of two for
    /// one option the first that is set counts.
    fn usual_variables(&self, given: &BTreeMap<String, String>) -> Vec<(&'static str, &'static str)> {
        let _no_use_for_them = given;
        Vec::new()
    }

    /// Looks whether the place can be reached, and says what answered; `None` when it lies on this machine.
    ///
    /// # Errors
    /// What is missing or refused, and what to do.
    fn check(&self, request: &DiscoverRequest) -> Result<Option<String>, ConnectorError> {
        let _nobody_answers = request;
        Ok(None)
    }

    /// Lists what can be landed now, in a stable order, without reading content.
    ///
    /// # Errors
    /// A wrong option or pattern, a place that is missing, unreadable or outside the project.
    fn discover(&self, request: &DiscoverRequest) -> Result<Vec<Unit>, ConnectorError>;

    /// Hashes the content of `unit` as stored, or what its origin tells one content from another by: 64 hexadecimal digits
    /// of BLAKE3.
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
    /// What is known of it where it does not lie on this machine; not part of the unit's identity.
    #[serde(skip)]
    pub remote: Option<Remote>,
}

/// What is known of a unit that lies in a store. Its `Debug` shows no options: they may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Remote {
    /// How the store is reached, secrets resolved.
    pub(crate) options: Arc<BTreeMap<String, String>>,
    /// What the store tells one content from another by.
    pub(crate) tag: Option<String>,
    /// The copy on this machine.
    pub(crate) copy: Option<PathBuf>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Remote").field("tag", &self.tag).field("copy", &self.copy).finish_non_exhaustive()
    }
}

impl Unit {
    /// Returns the path to open.
    pub fn full_path(&self) -> PathBuf {
        let copy = self.remote.as_ref().and_then(|remote| remote.copy.clone());
        copy.unwrap_or_else(|| self.root.join(&self.path))
    }

    /// The fingerprint, where listing the unit brought all that it is made from.
    pub fn fingerprint_as_listed(&self) -> Option<String> {
        let remote = self.remote.as_ref()?;
        let tag = remote.tag.clone().unwrap_or_else(|| self.modified_at.to_string());
        Some(blake3::hash(format!("{tag}\u{0}{}", self.size).as_bytes()).to_hex().to_string())
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
