//! DuckDB's library for tests, and files made by the Python package.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

use std::path::{Path, PathBuf};

use crate::python::printed;

/// Runs statements in a file, in a form that DuckDB has read since 1.0.
const EXECUTE: &str = "\
import sys, duckdb
connection = duckdb.connect()
connection.execute(f\"attach '{sys.argv[1]}' as file (storage_version 'v1.0.0')\")
connection.execute('use file')
for statement in sys.argv[2:]:
    connection.execute(statement)
connection.close()";

/// The library: the file that `BATON_TEST_DUCKDB` names, else where `cargo xtask test` puts it.
///
/// # Panics
/// It is not there.
pub fn library() -> PathBuf {
    let named = std::env::var_os("BATON_TEST_DUCKDB").map(PathBuf::from);
    let usual = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/baton-duckdb/libduckdb.so"));
    match named.or_else(usual).filter(|library| library.is_file()) {
        Some(library) => library,
        None => panic!("set BATON_TEST_DUCKDB to DuckDB's library (`cargo xtask test` sets it up)"),
    }
}

/// Runs statements in the database file, which is made where it is missing.
///
/// # Panics
/// One of them fails.
pub fn execute(file: &Path, statements: &[&str]) {
    let file = file.to_str().unwrap();
    let arguments: Vec<&str> = std::iter::once(file).chain(statements.iter().copied()).collect();
    printed(EXECUTE, &arguments);
}
