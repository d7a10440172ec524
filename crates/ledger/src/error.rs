//! What SQLite and the file system say, as the port's errors: what was tried, why it failed and what to do.

use std::path::Path;

use baton_core::ports::LedgerError;

/// A failed statement or connection.
pub(crate) fn storage(action: impl Into<String>, error: &sqlx::Error) -> LedgerError {
    LedgerError::Storage { action: action.into(), reason: reason(error) }
}

/// A failed file operation.
pub(crate) fn file(action: &str, path: &Path, error: &std::io::Error) -> LedgerError {
    LedgerError::Storage { action: format!("{action} `{}`", path.display()), reason: error.to_string() }
}

/// A record that does not say what it should.
pub(crate) fn damaged(what: impl Into<String>, reason: impl ToString) -> LedgerError {
    LedgerError::Damaged { what: what.into(), reason: reason.to_string() }
}

/// SQLite's primary result code, where the error is SQLite's own.
pub(crate) fn sqlite_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    // Extended codes carry the primary one in the lowest byte.
    code.parse::<i32>().ok().map(|code| code & 0xff)
}

/// Whether the error says that the database or its folder cannot be written: a full disk shows as a failed one, because
/// SQLite cannot lengthen the files that it keeps beside.
pub(crate) fn cannot_be_written(error: &sqlx::Error) -> bool {
    matches!(sqlite_code(error), Some(READ_ONLY | CANNOT_OPEN | PERMISSION | FULL | IO))
}

const PERMISSION: i32 = 3;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READ_ONLY: i32 = 8;
const IO: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;

fn reason(error: &sqlx::Error) -> String {
    let advice = match sqlite_code(error) {
        Some(BUSY | LOCKED) => {
            "another process keeps it locked; wait for that process to end, or stop it and try again"
        }
        Some(READ_ONLY | PERMISSION) => {
            "it is read-only, or the disk was full when it was opened; what is there can still be read; make the file and its \
             folder writable, or free some space, to go on"
        }
        Some(FULL) => "the disk is full; nothing of this write was kept; free some space and run the command again",
        Some(IO) => "the disk failed or is full; nothing of this write was kept; free some space or check the disk",
        Some(CANNOT_OPEN) => "the file cannot be opened; check that its folder exists and can be read and written",
        Some(CORRUPT | NOT_A_DATABASE) => "the file is damaged or no ledger; restore it from a backup",
        _ => return error.to_string(),
    };
    format!("{advice} ({})", error.as_database_error().map_or("", |error| error.message()))
}
