//! A generated project in ten layers, for Baton, dbt and SQLMesh alike: what reading, resolving and planning cost when the
//! project is large.

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Outcome, Places};

/// The logical clock of the runs.
const AS_OF: &str = "2030-01-01";

/// A project of so many assets: one in fifty is a source, and a tenth of the tables read the tenth before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    assets: usize,
}

/// Writes the three projects, and applies Baton's: what every turn starts from.
pub(crate) fn prepare(places: &Places, scale: Scale) -> Outcome<f64> {
    let began = Instant::now();
    let folder = scale.folder(places)?;
    if !folder.join("baton/.baton/ledger.db").is_file() {
        let _nothing_there_is_fine = fs::remove_dir_all(&folder);
        scale.write_projects(&folder)?;
        scale.baton(places, &["apply", "--yes"])?;
    }
    Ok(began.elapsed().as_secs_f64())
}

/// `baton check` with nothing remembered.
pub(crate) fn cold_check(places: &Places, scale: Scale) -> Outcome<f64> {
    let _nothing_there_is_fine = fs::remove_dir_all(scale.folder(places)?.join("baton/.baton/cache"));
    scale.baton(places, &["check"])
}

/// `baton plan` after one table was changed, when the rest is remembered.
pub(crate) fn warm_plan(places: &Places, scale: Scale) -> Outcome<f64> {
    scale.baton(places, &["plan"])?;
    let path = scale.folder(places)?.join(format!("baton/tables/{}.sql", scale.name(scale.changed())));
    let before = fs::read_to_string(&path)?;
    // Another number every time, so that what was found about the change is not remembered from the time before.
    let after = before.replace("value * 2 as value", &format!("value * {} as value", std::process::id()));
    if after == before {
        return Err(format!("{} holds nothing to change", path.display()).into());
    }
    fs::write(&path, after)?;
    let seconds = scale.baton(places, &["plan"]);
    fs::write(&path, before)?;
    seconds
}

impl Scale {
    /// Of this many assets.
    pub(crate) fn of(assets: usize) -> Self {
        Self { assets }
    }

    fn folder(self, places: &Places) -> Outcome<PathBuf> {
        Ok(places.get("data")?.join(format!("scale-{}", self.assets)))
    }

    fn sources(self) -> usize {
        self.assets / 50
    }

    /// Tables of one layer, which read those of the layer before.
    fn layer(self) -> usize {
        (self.assets - self.sources()) / 10
    }

    /// The tables, by their place after the sources.
    fn tables(self) -> Range<usize> {
        self.sources()..self.assets
    }

    /// A table in the middle, of the first of the four forms of queries.
    fn changed(self) -> usize {
        (self.sources() + self.assets) / 2 / 4 * 4
    }

    /// Seconds of a command, from start to exit.
    fn baton(self, places: &Places, arguments: &[&str]) -> Outcome<f64> {
        let mut command = Command::new(places.get("baton")?);
        command
            .args(arguments)
            .args(["--quiet", "--as-of", AS_OF, "--directory"])
            .arg(self.folder(places)?.join("baton"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let began = Instant::now();
        let status = command.status()?;
        if status.success() {
            Ok(began.elapsed().as_secs_f64())
        } else {
            Err(format!("`baton {arguments:?}` failed").into())
        }
    }

    fn name(self, index: usize) -> String {
        if index < self.sources() { format!("source_{index:05}") } else { format!("table_{index:05}") }
    }

    /// Two assets of the layer before.
    fn parents(self, index: usize) -> [usize; 2] {
        let (sources, layer) = (self.sources(), self.layer());
        let place = index - sources;
        let (first, count) = if place < layer { (0, sources) } else { (sources + (place / layer - 1) * layer, layer) };
        [first + (place * 7) % count, first + (place * 13 + 5) % count]
    }

    /// The query of a table; `read` writes the name of what it reads.
    fn query(self, index: usize, read: &dyn Fn(usize) -> String) -> String {
        let [one, other] = self.parents(index).map(read);
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

    fn write_projects(self, folder: &Path) -> Outcome<()> {
        self.write_baton(&folder.join("baton"))?;
        self.write_dbt(&folder.join("dbt"))?;
        self.write_sqlmesh(&folder.join("sqlmesh"))
    }

    fn as_dbt(self, index: usize) -> String {
        if index < self.sources() {
            format!("{{{{ source('raw', '{}') }}}}", self.name(index))
        } else {
            format!("{{{{ ref('{}') }}}}", self.name(index))
        }
    }

    fn write_tables(self, folder: &Path) -> Outcome<()> {
        fs::create_dir_all(folder)?;
        for index in self.tables() {
            fs::write(folder.join(format!("{}.sql", self.name(index))), self.query(index, &|read| self.as_dbt(read)))?;
        }
        Ok(())
    }

    fn write_baton(self, folder: &Path) -> Outcome<()> {
        self.write_tables(&folder.join("tables"))?;
        fs::write(folder.join("baton.yml"), "project: scale\n")?;
        fs::create_dir_all(folder.join("landing"))?;
        let mut sources = "sources:\n".to_owned();
        for index in 0..self.sources() {
            let name = self.name(index);
            fs::write(
                folder.join(format!("landing/{name}.csv")),
                "id,key,value,at,level\n1,a,5,2024-01-01T00:00:00Z,low\n",
            )?;
            let columns =
                [("id", "int"), ("key", "string"), ("value", "int"), ("at", "timestamp"), ("level", "string")];
            let columns = columns.map(|(column, kind)| format!("{{name: {column}, type: {kind}}}")).join(", ");
            writeln!(sources, "  - {{name: {name}, path: landing/{name}.csv, columns: [{columns}]}}")?;
        }
        Ok(fs::write(folder.join("sources.yml"), sources)?)
    }

    fn write_dbt(self, folder: &Path) -> Outcome<()> {
        self.write_tables(&folder.join("models"))?;
        let mut sources = "version: 2\nsources:\n  - name: raw\n    tables:\n".to_owned();
        for index in 0..self.sources() {
            writeln!(sources, "      - name: {}", self.name(index))?;
        }
        fs::write(folder.join("models/sources.yml"), sources)?;
        fs::write(folder.join("dbt_project.yml"), "name: scale\nversion: '1.0'\nprofile: scale\n")?;
        let profile = "scale: {target: dev, outputs: {dev: {type: duckdb, path: scale.duckdb, threads: 2}}}\n";
        Ok(fs::write(folder.join("profiles.yml"), profile)?)
    }

    fn write_sqlmesh(self, folder: &Path) -> Outcome<()> {
        fs::create_dir_all(folder.join("models"))?;
        let plain = |index: usize| format!("scale.{}", self.name(index));
        for index in self.tables() {
            let text = format!("MODEL (name scale.{}, kind FULL);\n\n{}", self.name(index), self.query(index, &plain));
            fs::write(folder.join(format!("models/{}.sql", self.name(index))), text)?;
        }
        let mut external = String::new();
        for index in 0..self.sources() {
            let columns = "{id: bigint, key: varchar, value: bigint, at: timestamp, level: varchar}";
            writeln!(external, "- name: scale.{}\n  columns: {columns}", self.name(index))?;
        }
        fs::write(folder.join("external_models.yaml"), external)?;
        let config = "gateways:\n  local:\n    connection: {type: duckdb, database: scale.duckdb}\n\
                      default_gateway: local\nmodel_defaults: {dialect: duckdb, start: 2024-01-01}\n";
        Ok(fs::write(folder.join("config.yaml"), config)?)
    }
}
