//! Libraries of other people that tests load: DuckDB's, which the Python package holds only in a form that needs Python
//! around it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::process;
use crate::python::cache_folder;

/// The package of npm that holds the library for this kind of machine, at a fixed version.
const DUCKDB: &str = "@duckdb/node-bindings-PLATFORM@1.5.6-r.1";

/// The file of DuckDB's library: what `BATON_TEST_DUCKDB` names, else a file of the cache.
pub(crate) fn duckdb() -> Outcome<PathBuf> {
    match std::env::var_os("BATON_TEST_DUCKDB") {
        Some(named) => Ok(PathBuf::from(named)),
        None => Ok(cache_folder()?.join("baton-duckdb").join("libduckdb.so")),
    }
}

/// Puts DuckDB's library there, where it is not yet.
pub(crate) fn set_up() -> Outcome {
    let library = duckdb()?;
    if library.is_file() {
        return Ok(());
    }
    eprintln!("setting up DuckDB's library in {}", library.display());
    let folder = library.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
    fetch(folder, &library).map_err(|failure| {
        let Failure::Message(reason) = failure else { return failure };
        Failure::Message(format!(
            "DuckDB's library is missing and could not be fetched: {reason}\nset BATON_TEST_DUCKDB to the file of `libduckdb`"
        ))
    })
}

fn fetch(folder: &Path, library: &Path) -> Outcome {
    let (system, machine) = match (std::env::consts::OS, std::env::consts::ARCH) {
        ("macos", machine) => ("darwin", machine),
        (system, machine) => (system, machine),
    };
    let machine = if machine == "aarch64" { "arm64" } else { "x64" };
    let package = DUCKDB.replace("PLATFORM", &format!("{system}-{machine}"));
    let mut pack = Command::new("npm");
    let archive = process::capture(pack.args(["pack", "--silent", &package]).current_dir(folder))?;
    let archive = archive.lines().last().unwrap_or_default().to_owned();
    process::capture(Command::new("tar").args(["xzf", &archive]).current_dir(folder))?;
    let name = if system == "darwin" { "libduckdb.dylib" } else { "libduckdb.so" };
    // By another name first: whoever finds the library finds it whole.
    let found = folder.join("package").join(name);
    std::fs::rename(&found, library).map_err(|error| format!("{} cannot be taken: {error}", found.display()))?;
    drop(std::fs::remove_file(folder.join(archive)));
    Ok(())
}
