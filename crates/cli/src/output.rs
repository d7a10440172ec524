//! The two streams: standard output for data, standard error for everything else.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::error::CliError;

/// Writes `text` to standard output; colours are left out where nobody sees them.
///
/// # Errors
/// [`CliError::Output`] when the reader is gone or the disk is full.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut stream = anstream::stdout().lock();
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).map_err(CliError::Output)
}

/// Writes a JSON document to standard output.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let mut stream = io::stdout().lock();
    let written = serde_json::to_writer_pretty(&mut stream, value).map_err(io::Error::from);
    written.and_then(|()| stream.write_all(b"\n")).and_then(|()| stream.flush()).map_err(CliError::Output)
}

/// Writes bytes to standard output as they are.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut stream = io::stdout().lock();
    stream.write_all(bytes).and_then(|()| stream.flush()).map_err(CliError::Output)
}

/// Writes `text` and a line end to standard error. That nobody reads it is no reason to stop.
pub(crate) fn say(text: &str) {
    let mut stream = anstream::stderr().lock();
    let _nobody_reads = stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(b"\n"));
}

/// Whether standard error shows colours.
pub(crate) fn stderr_has_color() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}
