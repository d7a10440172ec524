//! Everything that can go wrong with a unit as a whole; single rows are in the report instead.

use std::fmt::Write as _;
use std::io;

use crate::SchemaChange;

/// Why a unit, or a whole source, could not be read. Paths are as in [`crate::Unit::path`].
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// An option has an unknown name or a value that makes no sense.
    #[error("option `{name}: {value}` {reason}")]
    Option {
        /// The option's name.
        name: String,
        /// The value as written.
        value: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The location is not a valid glob.
    #[error("path `{pattern}` is not a valid pattern: {reason}")]
    Pattern {
        /// The location as written.
        pattern: String,
        /// What the pattern compiler says.
        reason: String,
    },
    /// A relative location leads out of the project folder.
    #[error("`{path}` leads out of the project folder; write an absolute path if that is meant")]
    OutsideProject {
        /// The location or the file found.
        path: String,
    },
    /// Nothing is there.
    #[error("`{path}` {reason}")]
    NotFound {
        /// The file or folder looked for.
        path: String,
        /// What is missing and what to do.
        reason: String,
    },
    /// The name tells no format and no option does.
    #[error(
        "`{path}` has no known file ending (.parquet, .csv, .tsv, .json, .jsonl, .ndjson, each also .gz or .zst); \
         set option `format`, or narrow the path"
    )]
    UnknownFormat {
        /// The file found.
        path: String,
    },
    /// The operating system refused.
    #[error("cannot {action} `{path}`: {source}")]
    Io {
        /// The file or folder.
        path: String,
        /// The verb: open, list, read.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// The content is not what its format asks for; nothing of it may land.
    #[error("cannot read `{path}`{}: {reason}; {hint}", place(.row, .column))]
    Broken {
        /// The file.
        path: String,
        /// The line of a text file or the row of a Parquet file at which it shows, from 1.
        row: Option<u64>,
        /// The column in which it shows.
        column: Option<String>,
        /// What is wrong.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// The file was written to during the read, so what was read is a mixture.
    #[error("`{path}` changed while it was read; let its writer finish under another name and rename it then")]
    ChangedWhileReading {
        /// The file.
        path: String,
    },
    /// The columns differ and the contract is frozen.
    #[error("`{path}` breaks the frozen schema: {}; change the columns of the source, or mend the file", list(.changes))]
    SchemaFrozen {
        /// The file.
        path: String,
        /// All differences.
        changes: Vec<SchemaChange>,
    },
    /// The columns differ and the contract sets such units aside.
    #[error("`{path}` is set aside, its schema differs: {}; mend the file, or change the columns of the source", list(.changes))]
    Quarantined {
        /// The file.
        path: String,
        /// All differences.
        changes: Vec<SchemaChange>,
    },
    /// The options of a source are not those of its connector.
    #[error("options of source `{source_name}` are wrong: {reason}; {hint}")]
    Options {
        /// The source.
        source_name: String,
        /// What is wrong.
        reason: String,
        /// What would be right.
        hint: String,
    },
    /// The options of an export are not those of its destination.
    #[error("the destination of export `{name}` is wrong: {reason}; {hint}")]
    ExportOptions {
        /// The export.
        name: String,
        /// What is wrong.
        reason: String,
        /// What would be right.
        hint: String,
    },
    /// What is at the destination does not go with the rows; none was sent.
    #[error("export `{name}` cannot be delivered to {place}: {}", .conflicts.join("; "))]
    Undeliverable {
        /// The export.
        name: String,
        /// The table or folder.
        place: String,
        /// Everything that is in the way, each with what to do.
        conflicts: Vec<String>,
    },
    /// A reference to a secret leads nowhere.
    #[error("secret `{reference}` {reason}; {hint}")]
    Secret {
        /// The reference as written, such as `${env:DATABASE_URL}`.
        reference: String,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// The origin cannot be reached, or refuses.
    #[error("{origin} {reason}; {hint}")]
    Origin {
        /// What was asked, without secrets, such as `postgres at db.example.com:5432/shop`.
        origin: String,
        /// What it answered.
        reason: String,
        /// What to do.
        hint: String,
        /// Whether trying again later may help without anybody doing anything.
        is_transient: bool,
    },
    /// The origin no longer has what follows the recorded position: rows may be missing, so nothing is pulled.
    #[error("{origin} no longer has the changes after the last landing: {reason}; {hint}")]
    PositionLost {
        /// What was asked.
        origin: String,
        /// How that shows.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// A recorded position cannot be understood.
    #[error("the recorded position {reason}; it was written by another connector, mode or version")]
    Position {
        /// What is wrong with it.
        reason: String,
    },
    /// The receiver of the batches failed; not the unit's fault.
    #[error("the rows read could not be taken on")]
    Sink {
        /// The receiver's own error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ConnectorError {
    /// Says whether this unit alone is at fault, so that the caller sets it aside and lands the others.
    pub fn is_unit_at_fault(&self) -> bool {
        matches!(
            self,
            Self::Broken { .. }
                | Self::SchemaFrozen { .. }
                | Self::Quarantined { .. }
                | Self::UnknownFormat { .. }
                | Self::ChangedWhileReading { .. }
        )
    }

    /// Says whether trying again later may help without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Origin { is_transient: true, .. })
    }

    pub(crate) fn position(reason: impl Into<String>) -> Self {
        Self::Position { reason: reason.into() }
    }

    /// Wraps an error of the receiver, to be returned from a sink.
    pub fn sink(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Sink { source: source.into() }
    }

    pub(crate) fn broken(path: &str, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Broken { path: path.to_owned(), row: None, column: None, reason: reason.into(), hint: hint.into() }
    }

    /// Adds where in the unit a [`ConnectorError::Broken`] shows; other errors stay as they are.
    pub(crate) fn at(mut self, at_row: Option<u64>, at_column: Option<&str>) -> Self {
        if let Self::Broken { row, column, .. } = &mut self {
            *row = at_row;
            *column = at_column.map(ToOwned::to_owned);
        }
        self
    }
}

fn place(row: &Option<u64>, column: &Option<String>) -> String {
    let mut text = String::new();
    if let Some(row) = row {
        let _infallible = write!(text, ", row {row}");
    }
    if let Some(column) = column {
        let _infallible = write!(text, ", column `{column}`");
    }
    text
}

fn list(changes: &[SchemaChange]) -> String {
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
