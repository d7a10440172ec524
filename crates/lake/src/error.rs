//! What can go wrong in the lake, named by what failed.

use std::error::Error;
use std::io;
use std::path::Path;

use arrow::error::ArrowError;

/// A failure of the lake. Every message names the object, the reason, and what to do where the user can act.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// Something could not be stored; no version became visible.
    #[error("could not write `{path}`: {reason}; {hint}")]
    Write {
        /// What was being written.
        path: String,
        /// The operating system's or the store's reason.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// Something that is recorded could not be read.
    #[error("could not read `{path}`: {reason}; {hint}")]
    Read {
        /// What was being read.
        path: String,
        /// The operating system's or the store's reason.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// A file is there but does not hold what was written.
    #[error("file `{path}` is corrupted: {reason}; restore it from a copy of the warehouse, or rebuild its table")]
    Corrupt {
        /// The file.
        path: String,
        /// How it was noticed.
        reason: String,
    },
    /// The Delta log does not say what a Baton table's log says.
    #[error(
        "the Delta log of table `{table}` is not usable: {reason}; restore its `_delta_log` folder, or rebuild the table"
    )]
    Log {
        /// The table's location.
        table: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No such table version.
    #[error("table version `{table}@{version}` does not exist; `baton log` lists the recorded versions")]
    NoSuchVersion {
        /// The table's location.
        table: String,
        /// The wanted Delta version.
        version: u64,
    },
    /// Other writers kept winning.
    #[error("could not commit to table `{table}`: other writers were faster {attempts} times; run the command again")]
    Contended {
        /// The table's location.
        table: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// A column would change its type in place.
    #[error(
        "column `{column}` of table `{table}` is of type {recorded} and would become {wanted}; cast it to {recorded}, or replace the whole table"
    )]
    TypeChanged {
        /// The table's location.
        table: String,
        /// The column.
        column: String,
        /// The recorded type.
        recorded: String,
        /// The type that was written.
        wanted: String,
    },
    /// A type that Delta Lake cannot hold.
    #[error("column `{column}` is of type {data_type}, which a table cannot hold; cast it to another type")]
    UnsupportedType {
        /// The column.
        column: String,
        /// The Arrow type.
        data_type: String,
    },
    /// A column that an operation needs is not there or of an unusable type.
    #[error("column `{column}` cannot be used here: {reason}")]
    Column {
        /// The column.
        column: String,
        /// Why not.
        reason: String,
    },
    /// Rows could not be brought into the table's types.
    #[error("values of column `{column}` do not fit its table: {reason}")]
    Value {
        /// The column.
        column: String,
        /// The first value that did not fit.
        reason: String,
    },
    /// A name or path that may not be used.
    #[error("`{name}` is not usable as a name in the lake: {reason}")]
    Name {
        /// The name as given.
        name: String,
        /// Which rule it breaks.
        reason: String,
    },
    /// An Arrow or Parquet computation failed: our bug.
    #[error("could not compute {what}: {reason}")]
    Compute {
        /// What was being computed.
        what: &'static str,
        /// Arrow's reason.
        reason: String,
    },
}

impl LakeError {
    /// A failed write, with a hint drawn from the kind of the underlying I/O error.
    pub(crate) fn write(path: impl ToString, error: &(dyn Error + 'static)) -> Self {
        let (reason, hint) = reason_and_hint(error, "check the warehouse folder and run the command again");
        Self::Write { path: path.to_string(), reason, hint }
    }

    /// A failed read, with a hint drawn from the kind of the underlying I/O error.
    pub(crate) fn read(path: impl ToString, error: &(dyn Error + 'static)) -> Self {
        let (reason, hint) = reason_and_hint(error, "check that the warehouse is complete");
        Self::Read { path: path.to_string(), reason, hint }
    }

    /// A file whose content is not what it should be.
    pub(crate) fn corrupt(path: impl AsRef<Path>, reason: impl ToString) -> Self {
        Self::Corrupt { path: path.as_ref().display().to_string(), reason: reason.to_string() }
    }

    /// A log that cannot be understood.
    pub(crate) fn log(table: impl ToString, reason: impl ToString) -> Self {
        Self::Log { table: table.to_string(), reason: reason.to_string() }
    }

    /// Wraps an Arrow error of a computation that is expected to work.
    pub(crate) fn compute(what: &'static str) -> impl FnOnce(ArrowError) -> Self {
        move |error| Self::Compute { what, reason: error.to_string() }
    }
}

/// The innermost I/O error's text with what to do about its kind; else the error's own text and `otherwise`.
fn reason_and_hint(error: &(dyn Error + 'static), otherwise: &str) -> (String, String) {
    let mut innermost: Option<&io::Error> = None;
    let mut current = Some(error);
    while let Some(error) = current {
        innermost = error.downcast_ref::<io::Error>().or(innermost);
        current = error.source();
    }
    let Some(io_error) = innermost else { return (error.to_string(), otherwise.to_owned()) };
    let hint = match io_error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space on its disk and run the command again; the last commit still serves"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "make the folder writable for this user and run the command again; the last commit still serves"
        }
        io::ErrorKind::NotFound => "the file is gone: restore the warehouse from a copy, or rebuild the table",
        _ => otherwise,
    };
    (io_error.to_string(), hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_read_only_folder_say_what_to_do() {
        let told = |kind: io::ErrorKind| {
            // As it arrives: wrapped by the object store.
            let source = Box::new(io::Error::from(kind));
            LakeError::write("/warehouse/x", &object_store::Error::Generic { store: "lake", source }).to_string()
        };
        assert_eq!(
            told(io::ErrorKind::StorageFull),
            "could not write `/warehouse/x`: no storage space; free some space on its disk and run the command again; \
             the last commit still serves"
        );
        assert!(told(io::ErrorKind::ReadOnlyFilesystem).contains("make the folder writable"));
        assert!(told(io::ErrorKind::PermissionDenied).contains("make the folder writable"));
        assert!(told(io::ErrorKind::TimedOut).contains("check the warehouse folder"));
    }
}
