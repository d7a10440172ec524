//! TPC-H: the 22 queries as tables over landed Parquet files. `benches/tpch` holds the queries, which serve a Baton
//! project and a dbt project alike; `benches/peers/tpch_dbt.py` builds the same 22 tables with dbt and DuckDB.

mod data;
mod project;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Outcome, Places};

/// The logical clock of the runs.
const AS_OF: &str = "2030-01-01";

/// Makes the files and both projects of a scale factor, and lands the files: what every turn starts from.
pub(crate) fn prepare(places: &Places, scale: u32) -> Outcome<f64> {
    let began = Instant::now();
    let folder = folder(places, scale)?;
    data::write(&folder.join("landing"), scale)?;
    project::write(&folder)?;
    if !folder.join(LANDED).is_dir() {
        let _nothing_there_is_fine = fs::remove_dir_all(folder.join(STATE));
        apply(places, &folder)?;
        fs::rename(folder.join(STATE), folder.join(LANDED))?;
    }
    project::write_tables(&folder)?;
    Ok(began.elapsed().as_secs_f64())
}

/// Builds the 22 tables from landed files with `baton apply`.
pub(crate) fn run(places: &Places, scale: u32) -> Outcome<f64> {
    let folder = folder(places, scale)?;
    let _nothing_there_is_fine = fs::remove_dir_all(folder.join(STATE));
    link(&folder.join(LANDED), &folder.join(STATE))?;
    apply(places, &folder)
}

/// What `baton` keeps of a project.
const STATE: &str = ".baton";
/// The same after the files were landed and before a table was built.
const LANDED: &str = ".baton-landed";

fn folder(places: &Places, scale: u32) -> Outcome<PathBuf> {
    Ok(places.get("data")?.join(format!("tpch-{scale}")))
}

/// Seconds of `baton apply`, from start to exit.
fn apply(places: &Places, folder: &Path) -> Outcome<f64> {
    let mut command = Command::new(places.get("baton")?);
    command.args(["apply", "--yes", "--quiet", "--as-of", AS_OF, "--directory"]).arg(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status()?;
    if status.success() { Ok(began.elapsed().as_secs_f64()) } else { Err("`baton apply` failed".into()) }
}

/// A copy of a folder whose table files are hard links (they are never changed) and whose ledger is its own.
fn link(from: &Path, to: &Path) -> Outcome<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            link(&entry.path(), &target)?;
        } else if entry.path().extension().is_some_and(|extension| extension == "parquet") {
            fs::hard_link(entry.path(), target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
