//! The programs of PostgreSQL that the tests of its connector start servers with.

use std::path::Path;
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::process;

/// Where packages put them, a folder a version.
const FOLDERS: &[&str] = &["/usr/lib/postgresql", "/usr/pgsql-17", "/opt/homebrew/opt"];

/// Installs the package where the programs are missing and the package manager is Debian's.
pub(crate) fn set_up() -> Outcome {
    if std::env::var_os("BATON_TEST_POSTGRES").is_some() || FOLDERS.iter().any(|folder| has_programs(Path::new(folder)))
    {
        return Ok(());
    }
    eprintln!("installing PostgreSQL");
    let mut install = Command::new("apt-get");
    install
        .args(["install", "--yes", "--no-install-recommends", "postgresql"])
        .env("DEBIAN_FRONTEND", "noninteractive");
    process::capture(&mut install).map(drop).map_err(|failure| {
        let Failure::Message(reason) = failure else { return failure };
        Failure::Message(format!(
            "PostgreSQL is missing and could not be installed: {reason}\ninstall it, or set BATON_TEST_POSTGRES to the folder of `initdb`"
        ))
    })
}

fn has_programs(folder: &Path) -> bool {
    let versions = std::fs::read_dir(folder).into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin/initdb")).any(|program| program.is_file())
}
