//! A project of 10,000 assets in four layers of ten, for Baton, dbt and SQLMesh alike: what reading, resolving and planning cost
//! when the project is large.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Outcome, Places};

const SOURCES: usize = 200;
const TABLES: usize = 9_800;
/// Tables of one layer read those of the layer before.
const LAYER: usize = 980;

/// The logical clock of the runs.
const AS_OF: &str = "2030-01-01";

/// Writes the three projects, and applies Baton's: what every turn starts from.
pub(crate) fn prepare(places: &Places) -> Outcome<f64> {
    let began = Instant::now();
    let folder = folder(places)?;
    if !folder.join("baton/.baton/ledger.db").is_file() {
        let _nothing_there_is_fine = fs::remove_dir_all(&folder);
        write_projects(&folder)?;
        baton(places, &["apply", "--yes"])?;
    }
    Ok(began.elapsed().as_secs_f64())
}

/// `baton check` with nothing remembered.
pub(crate) fn cold_check(places: &Places) -> Outcome<f64> {
    let _nothing_there_is_fine = fs::remove_dir_all(folder(places)?.join("baton/.baton/cache"));
    baton(places, &["check"])
}

/// `baton plan` after one table was changed, when the rest is remembered.
pub(crate) fn warm_plan(places: &Places) -> Outcome<f64> {
    baton(places, &["plan"])?;
    let path = folder(places)?.join(format!("baton/tables/{}.sql", name(SOURCES + TABLES / 2)));
    let before = fs::read_to_string(&path)?;
    fs::write(
        &path,
        before.replacen("value", "value + 1 as value", 1).replace("value + 1 as value as", "value + 1 as"),
    )?;
    let seconds = baton(places, &["plan"]);
    fs::write(&path, before)?;
    seconds
}

fn folder(places: &Places) -> Outcome<PathBuf> {
    Ok(places.get("data")?.join("scale"))
}

/// Seconds of a command, from start to exit.
fn baton(places: &Places, arguments: &[&str]) -> Outcome<f64> {
    let mut command = Command::new(places.get("baton")?);
    command.args(arguments).args(["--quiet", "--as-of", AS_OF, "--directory"]).arg(folder(places)?.join("baton"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let began = Instant::now();
    let status = command.status()?;
    if status.success() {
        Ok(began.elapsed().as_secs_f64())
    } else {
        Err(format!("`baton {arguments:?}` failed").into())
    }
}

fn name(index: usize) -> String {
    if index < SOURCES { format!("source_{index:05}") } else { format!("table_{index:05}") }
}

/// Two assets of the layer before.
fn parents(index: usize) -> [usize; 2] {
    let place = index - SOURCES;
    let (first, count) = if place < LAYER { (0, SOURCES) } else { (SOURCES + (place / LAYER - 1) * LAYER, LAYER) };
    [first + (place * 7) % count, first + (place * 13 + 5) % count]
}

/// The query of a table; `read` writes the name of what it reads.
fn query(index: usize, read: &dyn Fn(usize) -> String) -> String {
    let [one, other] = parents(index).map(read);
    let limit = index % 100;
    match index % 4 {
        0 => format!(
            "select id, key, value * 2 as value, at, case when value > {limit} then 'high' else 'low' end as level\n\
             from {one}\n"
        ),
        1 => format!(
            "select a.id, a.key, a.value + b.value as value, a.at, b.level\nfrom {one} as a\njoin {other} as b on a.id = b.id\n"
        ),
        2 => format!(
            "select min(id) as id, key, sum(value) as value, max(at) as at, max(level) as level\nfrom {one}\ngroup by key\n"
        ),
        _ => format!(
            "with recent as (\n    select id, key, value, at, level from {one} where value > {limit}\n)\n\
             select id, key, value, at, level from recent\nunion all\nselect id, key, value, at, level from {other}\n"
        ),
    }
}

fn write_projects(folder: &Path) -> Outcome<()> {
    write_baton(&folder.join("baton"))?;
    write_dbt(&folder.join("dbt"))?;
    write_sqlmesh(&folder.join("sqlmesh"))
}

fn as_dbt(index: usize) -> String {
    if index < SOURCES {
        format!("{{{{ source('raw', '{}') }}}}", name(index))
    } else {
        format!("{{{{ ref('{}') }}}}", name(index))
    }
}

fn write_tables(folder: &Path) -> Outcome<()> {
    fs::create_dir_all(folder)?;
    for index in SOURCES..SOURCES + TABLES {
        fs::write(folder.join(format!("{}.sql", name(index))), query(index, &as_dbt))?;
    }
    Ok(())
}

fn write_baton(folder: &Path) -> Outcome<()> {
    write_tables(&folder.join("tables"))?;
    fs::write(folder.join("baton.yml"), "project: scale\n")?;
    fs::create_dir_all(folder.join("landing"))?;
    let mut sources = "sources:\n".to_owned();
    for index in 0..SOURCES {
        let name = name(index);
        fs::write(
            folder.join(format!("landing/{name}.csv")),
            "id,key,value,at,level\n1,a,5,2024-01-01T00:00:00Z,low\n",
        )?;
        let columns = [("id", "int"), ("key", "string"), ("value", "int"), ("at", "timestamp"), ("level", "string")];
        let columns = columns.map(|(column, kind)| format!("{{name: {column}, type: {kind}}}")).join(", ");
        writeln!(sources, "  - {{name: {name}, path: landing/{name}.csv, columns: [{columns}]}}")?;
    }
    Ok(fs::write(folder.join("sources.yml"), sources)?)
}

fn write_dbt(folder: &Path) -> Outcome<()> {
    write_tables(&folder.join("models"))?;
    let mut sources = "version: 2\nsources:\n  - name: raw\n    tables:\n".to_owned();
    for index in 0..SOURCES {
        writeln!(sources, "      - name: {}", name(index))?;
    }
    fs::write(folder.join("models/sources.yml"), sources)?;
    fs::write(folder.join("dbt_project.yml"), "name: scale\nversion: '1.0'\nprofile: scale\n")?;
    let profile = "scale: {target: dev, outputs: {dev: {type: duckdb, path: scale.duckdb, threads: 2}}}\n";
    Ok(fs::write(folder.join("profiles.yml"), profile)?)
}

fn write_sqlmesh(folder: &Path) -> Outcome<()> {
    fs::create_dir_all(folder.join("models"))?;
    let plain = |index: usize| format!("scale.{}", name(index));
    for index in SOURCES..SOURCES + TABLES {
        let text = format!("MODEL (name scale.{}, kind FULL);\n\n{}", name(index), query(index, &plain));
        fs::write(folder.join(format!("models/{}.sql", name(index))), text)?;
    }
    let mut external = String::new();
    for index in 0..SOURCES {
        let columns = "{id: bigint, key: varchar, value: bigint, at: timestamp, level: varchar}";
        writeln!(external, "- name: scale.{}\n  columns: {columns}", name(index))?;
    }
    fs::write(folder.join("external_models.yaml"), external)?;
    let config = "gateways:\n  local:\n    connection: {type: duckdb, database: scale.duckdb}\n\
                  default_gateway: local\nmodel_defaults: {dialect: duckdb, start: 2024-01-01}\n";
    Ok(fs::write(folder.join("config.yaml"), config)?)
}
