//! Tables that a command makes: what is run, what it is handed, and which of its files holds the rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::name::AssetName;

/// The command behind a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandStep {
    /// What a shell runs in the project folder, with templates rendered.
    pub command: String,
    /// Sources and tables that it is handed as Parquet files.
    pub inputs: Vec<AssetName>,
    /// Files and folders of the project that it reads, as declared, with the hash of what they hold; `None` until somebody
    /// looked.
    pub files: BTreeMap<String, Option<Fingerprint>>,
    /// The file that it writes its rows to; or, with `keeps_files`, the file or folder that is kept.
    pub output: String,
    /// Whether what it writes is kept as it is, a row a file, instead of the rows that it holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps_files: bool,
    /// Variables of its environment, with secrets by reference.
    pub environment: BTreeMap<String, String>,
    /// The container image that it runs in; `None` runs it on this machine.
    pub image: Option<String>,
    /// Seconds that it may take; `None` for as long as it does.
    pub timeout: Option<i64>,
    /// Bytes of memory that it may use; `None` for as much as there is.
    pub memory_limit: Option<u64>,
    /// The table whose command it is, where that makes several tables: they are run together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<AssetName>,
}

impl CommandStep {
    /// The name under which the rows that it wrote are read.
    pub const ROWS: &'static str = "command_rows";
    /// The columns of files that are kept: path, size, SHA-256 in hexadecimal digits, and what the file holds.
    pub const OF_FILES: [&'static str; 4] = ["path", "bytes", "sha256", "content"];
    /// What the name of a file that can hold rows ends with.
    pub const ENDINGS: [&'static str; 4] = [".parquet", ".csv", ".jsonl", ".ndjson"];
}
