//! Taking rows in: files, a PostgreSQL table and its changes, into a table of a project.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::record_batch::RecordBatch;
use baton_testkit::own_postgres::OwnPostgres;
use parquet::arrow::ArrowWriter;

use crate::measured::Measured;
use crate::{Outcome, Places};

/// Rows of the files and of the table.
const ROWS: u64 = 4_000_000;
/// Rows that changes insert, and rows that they update.
const INSERTED: u64 = 400_000;
const UPDATED: u64 = 100_000;
/// Rows of a batch.
const BATCH: u64 = 100_000;
/// 2024-01-01T00:00:00Z in microseconds.
const BEGIN: i64 = 1_704_067_200_000_000;

/// The columns as a project declares them.
const COLUMNS: &str = "    columns:
      - {name: id, type: int}
      - {name: customer, type: string}
      - {name: country, type: string}
      - {name: quantity, type: int}
      - {name: amount, type: float}
      - {name: is_gift, type: bool}
      - {name: ordered_at, type: timestamp}
";

/// Runs `ingest-<what>`, or makes what it works on with `ingest-<what>-data`.
pub(crate) fn run(places: &Places, name: &str) -> Outcome<Measured> {
    match name {
        "csv-data" => prepare(places, "csv"),
        "jsonl-data" => prepare(places, "jsonl"),
        "parquet-data" => prepare(places, "parquet"),
        // Each contender has a server of its own.
        "postgres-data" | "cdc-data" => Ok(Measured::default()),
        "csv" | "jsonl" | "parquet" => of_file(places, name),
        "postgres" => of_table(places),
        "cdc" => of_changes(places),
        _ => Err(format!("there is no benchmark `ingest-{name}`").into()),
    }
}

/// A server for a peer: `ingest-server full` has the table, `ingest-server cdc` changes it when a line is read. It says
/// its address, and goes when its input ends.
pub(crate) fn serve(places: &Places) -> Outcome<()> {
    let server = OwnPostgres::start();
    fill(&server, if places.text("what") == Some("cdc") { INSERTED } else { ROWS })?;
    println!("{}", server.url());
    let mut line = String::new();
    while std::io::stdin().read_line(&mut line)? > 0 {
        change(&server)?;
        println!("changed");
    }
    Ok(())
}

fn row(id: u64) -> (String, &'static str, u64, f64, bool, i64) {
    let scattered = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let country = ["CH", "DE", "FR", "IT", "US"][(scattered % 5) as usize];
    let at = BEGIN + id.cast_signed() * 1_000_000;
    (
        format!("customer-{}", scattered % 50_000),
        country,
        1 + scattered % 9,
        (scattered % 100_000) as f64 / 100.0,
        id.is_multiple_of(7),
        at,
    )
}

fn file(places: &Places, form: &str) -> Outcome<PathBuf> {
    Ok(places.get("data")?.join(format!("ingest/rows.{form}")))
}

fn prepare(places: &Places, form: &str) -> Outcome<Measured> {
    let path = file(places, form)?;
    if !path.is_file() {
        fs::create_dir_all(places.get("data")?.join("ingest"))?;
        let aside = path.with_extension("part");
        match form {
            "parquet" => write_parquet(&aside)?,
            _ => write_text(&aside, form == "csv")?,
        }
        fs::rename(aside, path)?;
    }
    Ok(Measured::default())
}

fn write_text(path: &Path, is_csv: bool) -> Outcome<()> {
    let mut out = BufWriter::new(File::create(path)?);
    if is_csv {
        writeln!(out, "id,customer,country,quantity,amount,is_gift,ordered_at")?;
    }
    for id in 0..ROWS {
        let (customer, country, quantity, amount, is_gift, at) = row(id);
        let at = baton_core::time::timestamp_from_micros(at).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        if is_csv {
            writeln!(out, "{id},{customer},{country},{quantity},{amount:.2},{is_gift},{at}")?;
        } else {
            writeln!(
                out,
                r#"{{"id":{id},"customer":"{customer}","country":"{country}","quantity":{quantity},"amount":{amount:.2},"is_gift":{is_gift},"ordered_at":"{at}"}}"#
            )?;
        }
    }
    Ok(out.flush()?)
}

fn write_parquet(path: &Path) -> Outcome<()> {
    let mut writer: Option<ArrowWriter<File>> = None;
    for begin in (0..ROWS).step_by(BATCH as usize) {
        let rows: Vec<_> = (begin..begin + BATCH).map(|id| (id, row(id))).collect();
        let columns: [(&str, ArrayRef); 7] = [
            ("id", Arc::new(Int64Array::from_iter_values(rows.iter().map(|(id, _)| id.cast_signed())))),
            ("customer", Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, row)| &row.0)))),
            ("country", Arc::new(StringArray::from_iter_values(rows.iter().map(|(_, row)| row.1)))),
            ("quantity", Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, row)| row.2.cast_signed())))),
            ("amount", Arc::new(Float64Array::from_iter_values(rows.iter().map(|(_, row)| row.3)))),
            ("is_gift", Arc::new(rows.iter().map(|(_, row)| Some(row.4)).collect::<BooleanArray>())),
            (
                "ordered_at",
                Arc::new(
                    TimestampMicrosecondArray::from_iter_values(rows.iter().map(|(_, row)| row.5)).with_timezone("UTC"),
                ),
            ),
        ];
        let batch = RecordBatch::try_from_iter(columns)?;
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(ArrowWriter::try_new(File::create(path)?, batch.schema(), None)?),
        };
        writer.write(&batch)?;
    }
    if let Some(writer) = writer {
        writer.close()?;
    }
    Ok(())
}

/// A project that has nothing yet but the source that `source` declares.
fn project(places: &Places, name: &str, source: &str) -> Outcome<PathBuf> {
    let folder = places.get("data")?.join(format!("ingest/project-{name}"));
    let _nothing_there_is_fine = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("landing"))?;
    fs::write(folder.join("baton.yml"), "project: ingest\nenvironments:\n  dev: {}\n")?;
    fs::write(folder.join("sources.yml"), format!("sources:\n  - name: orders\n{source}{COLUMNS}"))?;
    Ok(folder)
}

fn baton(places: &Places, folder: &Path, arguments: &[&str]) -> Outcome<Command> {
    let mut command = Command::new(places.get("baton")?);
    command.arg("-C").arg(folder).args(["-e", "dev", "--no-progress"]).args(arguments);
    Ok(command)
}

/// The command that takes in what has come, and whether it took in all of it.
fn measure(places: &Places, folder: &Path, command: &[&str], rows: u64, there: u64) -> Outcome<Measured> {
    let measured = Measured::of(&mut baton(places, folder, command)?)?;
    let count = baton(places, folder, &["query", "--format", "csv", "select count(*) as n from orders"])?.output()?;
    let count = String::from_utf8_lossy(&count.stdout).lines().last().unwrap_or_default().to_owned();
    if count != there.to_string() {
        return Err(format!("the table has {count} rows and not {there}").into());
    }
    fs::remove_dir_all(folder)?;
    Ok(measured.of_items(rows))
}

fn of_file(places: &Places, form: &str) -> Outcome<Measured> {
    let source = format!("    connector: file\n    path: landing/*.{form}\n    load: append\n");
    let folder = project(places, form, &source)?;
    fs::hard_link(file(places, form)?, folder.join(format!("landing/rows.{form}")))?;
    measure(places, &folder, &["apply", "--yes"], ROWS, ROWS)
}

fn of_table(places: &Places) -> Outcome<Measured> {
    let server = OwnPostgres::start();
    fill(&server, ROWS)?;
    let source =
        format!("    connector: postgres\n    url: {}\n    table: public.orders\n    mode: full\n", server.url());
    let folder = project(places, "postgres", &source)?;
    measure(places, &folder, &["apply", "--yes"], ROWS, ROWS)
}

fn of_changes(places: &Places) -> Outcome<Measured> {
    let server = OwnPostgres::start();
    fill(&server, INSERTED)?;
    let source = format!(
        "    connector: postgres\n    url: {}\n    table: public.orders\n    mode: cdc\n    key: [id]\n",
        server.url()
    );
    let folder = project(places, "cdc", &source)?;
    Measured::of(&mut baton(places, &folder, &["apply", "--yes"])?)?;
    change(&server)?;
    measure(places, &folder, &["run"], INSERTED + UPDATED, 2 * INSERTED)
}

/// The table with its first rows.
fn fill(server: &OwnPostgres, rows: u64) -> Outcome<()> {
    let table = "create table orders (id bigint primary key, customer text not null, country text not null,
        quantity bigint not null, amount double precision not null, is_gift boolean not null, ordered_at timestamptz not null)";
    server.ask(table)?;
    insert(server, 0, rows)
}

fn insert(server: &OwnPostgres, begin: u64, end: u64) -> Outcome<()> {
    let rows = format!(
        "insert into orders select id, 'customer-' || (id::bigint * 7919 % 50000), (array['CH', 'DE', 'FR', 'IT', 'US'])[1 + id % 5],
                1 + id % 9, (id::bigint * 31 % 100000) / 100.0, id % 7 = 0, timestamptz '2024-01-01' + id * interval '1 second'
           from generate_series({begin}, {end} - 1) as id"
    );
    server.ask(&rows)?;
    server.ask("analyze orders").map(drop)?;
    Ok(())
}

/// As many rows again, and every fourth of the old ones with another amount: each in one transaction.
fn change(server: &OwnPostgres) -> Outcome<()> {
    insert(server, INSERTED, 2 * INSERTED)?;
    server.ask(&format!("update orders set amount = amount + 1 where id < {} and id % 4 = 0", INSERTED))?;
    Ok(())
}
