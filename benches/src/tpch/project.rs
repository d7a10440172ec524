//! The two projects: one for Baton, one for dbt, over the same files and with the same queries.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use include_dir::{Dir, include_dir};

use crate::Outcome;

static QUERIES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/tpch");

const TABLES: [&str; 8] = ["region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem"];

/// Most memory that queries of Baton may take.
const MEMORY: &str = "3GiB";

/// Writes both projects, side by side; Baton's without tables.
pub(super) fn write(folder: &Path) -> Outcome<()> {
    fs::write(folder.join("baton.yml"), format!("project: tpch\nmemory_limit: {MEMORY}\n"))?;
    let mut sources = "sources:\n".to_owned();
    for table in TABLES {
        writeln!(sources, "  - {{name: {table}, path: landing/{table}.parquet, load: replace}}")?;
    }
    fs::write(folder.join("sources.yml"), sources)?;
    let _nothing_there_is_fine = fs::remove_dir_all(folder.join("tables"));
    write_dbt(folder)
}

/// Adds the queries to Baton's project.
pub(super) fn write_tables(folder: &Path) -> Outcome<()> {
    write_queries(&folder.join("tables"))
}

fn write_queries(folder: &Path) -> Outcome<()> {
    fs::create_dir_all(folder)?;
    for file in QUERIES.files() {
        fs::write(folder.join(file.path()), file.contents())?;
    }
    Ok(())
}

fn write_dbt(folder: &Path) -> Outcome<()> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let dbt = folder.with_file_name(format!("{name}-dbt"));
    write_queries(&dbt.join("models"))?;
    let landing = fs::canonicalize(folder.join("landing"))?;
    let mut sources = format!(
        "version: 2\nsources:\n  - name: tpch\n    config:\n      external_location: \"{}/{{name}}.parquet\"\n    tables:\n",
        landing.display()
    );
    for table in TABLES {
        writeln!(sources, "      - name: {table}")?;
    }
    fs::write(dbt.join("models/sources.yml"), sources)?;
    let project = "name: tpch\nversion: '1.0'\nprofile: tpch\nmodels: {tpch: {+materialized: table}}\n";
    fs::write(dbt.join("dbt_project.yml"), project)?;
    let profile = "tpch: {target: dev, outputs: {dev: {type: duckdb, path: tpch.duckdb, threads: 2}}}\n";
    fs::write(dbt.join("profiles.yml"), profile)?;
    Ok(())
}
