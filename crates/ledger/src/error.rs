//! What databases and the file system say, as the port's errors: what was tried, why it failed and what to do.

use std::io::ErrorKind;
use std::path::Path;

use baton_core::ports::LedgerError;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

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
fn sqlite_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.try_downcast_ref::<SqliteError>()?;
    // Extended codes carry the primary one in the lowest byte.
    sqlx::error::DatabaseError::code(code)?.parse::<i32>().ok().map(|code| code & 0xff)
}

/// PostgreSQL's code (SQLSTATE), where the error is the server's own.
pub(crate) fn postgres_code(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error()?.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::code)
}

/// Whether the error says that the database or its folder cannot be written: a full disk shows as a failed one, because
/// SQLite cannot lengthen the files that it keeps beside.
pub(crate) fn cannot_be_written(error: &sqlx::Error) -> bool {
    matches!(sqlite_code(error), Some(READ_ONLY | CANNOT_OPEN | PERMISSION | FULL | IO))
}

/// Whether the connection to a server is gone, so that another one may do better: it broke, or the server ends or begins
/// (SQLSTATE classes 08 and 57P).
pub(crate) fn is_broken(error: &sqlx::Error) -> bool {
    let ends = |code: &str| code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03" | "57P05");
    matches!(error, sqlx::Error::Io(_)) || postgres_code(error).is_some_and(ends)
}

/// Whether a server cannot be reached now and may be later: it ends, begins, or nothing listens there.
pub(crate) fn is_away(error: &sqlx::Error) -> bool {
    match error {
        // What else goes wrong, as with a name that nobody knows, is as wrong a minute later.
        sqlx::Error::Io(error) => matches!(
            error.kind(),
            ErrorKind::ConnectionRefused
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::NotConnected
                | ErrorKind::UnexpectedEof
                | ErrorKind::TimedOut
                | ErrorKind::HostUnreachable
                | ErrorKind::NetworkUnreachable
                | ErrorKind::NotFound
        ),
        sqlx::Error::PoolTimedOut => true,
        error => is_broken(error) || postgres_code(error) == Some("53300"),
    }
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

/// Why a statement or connection failed, and what to do.
pub(crate) fn reason(error: &sqlx::Error) -> String {
    let advice = match (sqlite_code(error), postgres_code(error)) {
        (Some(code), _) => advice_of_sqlite(code),
        (_, Some(code)) => advice_of_postgres(code),
        _ if is_broken(error) => {
            let advice = "the connection to the server broke or cannot be made; nothing of this was kept; check the address and \
                          that the server runs, and run the command again";
            return format!("{advice} ({error})");
        }
        _ if matches!(error, sqlx::Error::PoolTimedOut) => {
            Some("no connection was answered in time; check that the database is there, and run the command again")
        }
        _ => None,
    };
    let said = said(error);
    advice.map_or(said.clone(), |advice| format!("{advice} ({said})"))
}

/// What the database or the driver says, as it says it.
pub(crate) fn said(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

fn advice_of_sqlite(code: i32) -> Option<&'static str> {
    Some(match code {
        BUSY | LOCKED => "another process keeps it locked; wait for that process to end, or stop it and try again",
        READ_ONLY | PERMISSION => {
            "it is read-only, or the disk was full when it was opened; what is there can still be read; make the file and its \
             folder writable, or free some space, to go on"
        }
        FULL => "the disk is full; nothing of this write was kept; free some space and run the command again",
        IO => "the disk failed or is full; nothing of this write was kept; free some space or check the disk",
        CANNOT_OPEN => "the file cannot be opened; check that its folder exists and can be read and written",
        CORRUPT | NOT_A_DATABASE => "the file is damaged or no ledger; restore it from a backup",
        _ => return None,
    })
}

fn advice_of_postgres(code: &str) -> Option<&'static str> {
    Some(match code {
        "28P01" | "28000" => {
            "the server does not let this user in; check user and password in the address of the ledger"
        }
        "3D000" => "there is no such database; make it with `createdb`, or check the address of the ledger",
        "42501" => "the user may not do this; grant it, or make the schema and give it to the user",
        "25006" => "the server takes no writes now, as a standby does; check the address of the ledger",
        "53100" => {
            "the server's disk is full; nothing of this write was kept; free some space and run the command again"
        }
        "53300" => "the server has no connection left; end others or raise `max_connections`",
        "57P01" | "57P02" | "57P03" | "57P05" => {
            "the server ended the connection or is about to start; nothing of this was kept; run the command again"
        }
        _ => return None,
    })
}
