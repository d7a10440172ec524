//! The embedded project and when each of its deliveries arrived.

use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use baton_core::Timestamp;
use include_dir::{Dir, DirEntry, include_dir};

use crate::error::CliError;
use crate::init::write_file;
use crate::instant;

static PROJECT: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../examples/flights");

/// When everything that is no monthly delivery was there: before the year began.
const BEFORE_THE_YEAR: &str = "2012-12-30T12:00:00Z";

/// Writes the project into `folder`, every delivery with the modification time of its arrival, and answers with the
/// files by path.
///
/// # Errors
/// [`CliError::File`].
pub(crate) fn write_project(folder: &Path) -> Result<Vec<String>, CliError> {
    write_entries(&PROJECT, folder, "")
}

/// Writes the deliveries alone.
///
/// # Errors
/// [`CliError::File`].
pub(super) fn write_landing(folder: &Path) -> Result<Vec<String>, CliError> {
    write_entries(&PROJECT, folder, "landing/")
}

fn write_entries(from: &Dir<'_>, folder: &Path, below: &str) -> Result<Vec<String>, CliError> {
    let mut written = Vec::new();
    for entry in from.entries() {
        match entry {
            DirEntry::Dir(inner) if !is_hidden(inner.path()) => written.extend(write_entries(inner, folder, below)?),
            DirEntry::Dir(_) => {}
            DirEntry::File(file) => {
                let name = file.path().to_string_lossy().replace('\\', "/");
                if name.starts_with(below) && !is_hidden(file.path()) {
                    let path = folder.join(&name);
                    write_file(&path, file.contents())?;
                    set_arrival(&path, arrival(&name)?)?;
                    written.push(name);
                }
            }
        }
    }
    Ok(written)
}

/// State of somebody's own runs in the example's folder is no part of the project.
fn is_hidden(path: &Path) -> bool {
    path.iter().any(|part| part.to_string_lossy().starts_with(".baton"))
}

/// A month of flights arrives on the eve of the month, at noon.
fn arrival(name: &str) -> Result<Timestamp, CliError> {
    let month = name.strip_prefix("landing/flights/").and_then(|file| file.strip_suffix(".parquet"));
    match month {
        Some(month) => Ok(instant::parse(&format!("{month}-01"))? - chrono::TimeDelta::hours(12)),
        None => instant::parse(BEFORE_THE_YEAR),
    }
}

/// Sets a file's modification time.
///
/// # Errors
/// [`CliError::File`].
pub(super) fn set_arrival(path: &Path, at: Timestamp) -> Result<(), CliError> {
    let file = File::options().write(true).open(path).map_err(CliError::file("open", path))?;
    file.set_modified(SystemTime::from(at)).map_err(CliError::file("set the time of", path))
}
