//! The contract suite of connector `file`: text in, text out. Files are made in a folder of their own per test.

mod broken;
mod discovery;
mod flights;
mod formats;
mod properties;
mod schema;

use std::fs;
use std::io::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::pretty::pretty_format_batches;
use tempfile::TempDir;

use crate::{
    Connector as _, ConnectorError, Contract, ContractColumn, DiscoverRequest, FileConnector, ReadReport, Unit,
};

/// A project folder that goes away at the end of the test.
struct Project {
    folder: TempDir,
}

impl Project {
    fn with(path: &str, content: impl AsRef<[u8]>) -> Self {
        Self { folder: tempfile::tempdir().unwrap() }.file(path, content)
    }

    fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn request(&self, location: &str) -> DiscoverRequest {
        DiscoverRequest {
            root: self.folder.path().to_owned(),
            location: location.to_owned(),
            options: Default::default(),
        }
    }

    fn units(&self, location: &str) -> Result<Vec<Unit>, ConnectorError> {
        FileConnector.discover(&self.request(location))
    }
}

/// Reads the only file of a project made of it.
fn read(path: &str, content: impl AsRef<[u8]>, contract: &Contract) -> Result<Outcome, ConnectorError> {
    let project = Project::with(path, content);
    let mut request = project.request(path);
    request.options = contract.options.clone();
    let units = FileConnector.discover(&request)?;
    read_unit(&units[0], contract)
}

fn read_unit(unit: &Unit, contract: &Contract) -> Result<Outcome, ConnectorError> {
    let mut batches = Vec::new();
    let report = FileConnector.read(unit, contract, &mut |batch| {
        batches.push(batch);
        Ok(())
    })?;
    Ok(Outcome { batches, report })
}

#[derive(Debug)]
struct Outcome {
    batches: Vec<RecordBatch>,
    report: ReadReport,
}

impl Outcome {
    /// Types, rows, changes and rejected rows, one below the other.
    fn text(&self) -> String {
        let types = self.report.schema.fields().iter();
        let types = types.map(|field| {
            let null = if field.is_nullable() { "" } else { " not null" };
            format!("{} {}{null}", field.name(), crate::type_name(field.data_type()))
        });
        let mut text = types.collect::<Vec<_>>().join(", ") + "\n";
        if !self.batches.is_empty() {
            let rows = pretty_format_batches(&self.batches).unwrap().to_string();
            text += &format!("{}\n", rows.replace('\r', "^"));
        }
        for change in &self.report.schema_changes {
            text += &format!("change: {change}\n");
        }
        for row in &self.report.rejected {
            text += &format!("{row} <- {}\n", row.raw);
        }
        assert_eq!(self.report.rows, self.batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
        text + &format!("{} rows, {} rejected\n", self.report.rows, self.report.rejected_total)
    }
}

/// The outcome as text, or the error's message with the machine's folder taken out.
fn shown(outcome: Result<Outcome, ConnectorError>) -> String {
    outcome.map_or_else(|error| format!("error: {error}\n"), |outcome| outcome.text())
}

fn contract(columns: &[(&str, DataType)]) -> Contract {
    let column = |(name, data_type): &(&str, DataType)| ContractColumn {
        name: (*name).to_owned(),
        data_type: data_type.clone(),
        nullable: true,
    };
    Contract { columns: columns.iter().map(column).collect(), ..Contract::default() }
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn parquet_bytes(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .unwrap();
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(content: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(content.as_ref(), 3).unwrap()
}

fn array<A: arrow::array::Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}
