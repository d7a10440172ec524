//! One delivery: read, conformed, stamped with when its rows became known, written aside.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use baton_connectors::{Connector, ConnectorError, Contract, ContractColumn, OnSchemaChange, ReadReport, Unit};
use baton_core::asset::{AvailableAt, ColumnType, OnSchemaChange as Policy, Source};
use baton_core::check::Check;
use baton_core::{AssetName, Timestamp};
use baton_engine::{AVAILABLE_AT, Engine, EngineOptions, SessionInput, TableInput, is_system_column};
use baton_lake::{TableLocation, delta_schema};

use crate::error::RunError;
use crate::services::Services;
use crate::write::{Pass, Place, Written};

/// The system column that names the delivery a row came with.
pub(crate) const FILE: &str = "_file";

/// Batches on their way from the connector to the writer; bounds memory.
const BATCHES_ON_THE_WAY: usize = 4;
/// Rows that are stamped together: enough that the query costs nothing, few enough that they stay near.
pub(crate) const CHUNK_ROWS: usize = 1 << 16;

/// Where a delivery goes.
pub(crate) struct Destination<'a> {
    pub(crate) asset: &'a AssetName,
    pub(crate) location: &'a TableLocation,
    pub(crate) base: Option<u64>,
    /// How many files the deliveries before it came to, where they go into one commit.
    pub(crate) files_before: usize,
    pub(crate) checks: &'a [Check],
    pub(crate) now: Timestamp,
    /// The columns of what is landed, with the types that undeclared columns keep.
    pub(crate) usual: Option<&'a Schema>,
}

/// A delivery aside.
pub(crate) struct StagedUnit {
    pub(crate) written: Written,
    pub(crate) schema: SchemaRef,
    pub(crate) report: ReadReport,
    /// Undeclared columns that would be of another type by this delivery alone.
    pub(crate) held: Vec<String>,
}

/// Reads `unit` into staged files. Nothing of it is visible yet; dropped, it leaves no trace that a reader sees.
///
/// Types of undeclared columns are those of the delivery, unless they are landed with others: then it is read again and
/// held to these, so that a file of whole numbers, of nothing, or with one text among numbers does not stop a source.
pub(crate) async fn stage_unit(
    services: &Services,
    connector: &'static dyn Connector,
    unit: &Unit,
    source: &Source,
    destination: &Destination<'_>,
) -> Result<StagedUnit, RunError> {
    let mut contract = contract_of(source);
    // What must not change is compared with all that is landed.
    let is_fixed = contract.on_schema_change != OnSchemaChange::Evolve;
    let usual = destination.usual.iter().flat_map(|usual| usual.fields());
    let usual = usual.filter(|field| contract.column(field.name()).is_none() && !is_system_column(field.name()));
    let usual: Vec<ContractColumn> = usual.map(kept_as).collect();
    if is_fixed {
        contract.columns.extend(usual.iter().cloned());
    }
    let (written, schema, report) =
        write_unit(services, connector, unit, (source, contract.clone()), destination).await?;
    let held = match destination.usual {
        Some(usual) if !is_fixed => other_types(usual, &schema)?,
        _ => Vec::new(),
    };
    if held.is_empty() {
        return Ok(StagedUnit { written, schema, report, held });
    }
    contract.columns.extend(usual.into_iter().filter(|column| held.contains(&column.name)));
    let (written, schema, report) = write_unit(services, connector, unit, (source, contract), destination).await?;
    Ok(StagedUnit { written, schema, report, held })
}

fn kept_as(field: &Arc<Field>) -> ContractColumn {
    ContractColumn { name: field.name().clone(), data_type: field.data_type().clone(), nullable: true }
}

/// The columns that are stored with another type than `usual`, by name.
fn other_types(usual: &Schema, found: &Schema) -> Result<Vec<String>, RunError> {
    let found = delta_schema(found)?;
    let differs = |field: &&Arc<Field>| {
        usual.field_with_name(field.name()).is_ok_and(|known| known.data_type() != field.data_type())
    };
    Ok(found.fields().iter().filter(differs).map(|field| field.name().clone()).collect())
}

async fn write_unit(
    services: &Services,
    connector: &'static dyn Connector,
    unit: &Unit,
    (source, contract): (&Source, Contract),
    destination: &Destination<'_>,
) -> Result<(Written, SchemaRef, ReadReport), RunError> {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<RecordBatch>(BATCHES_ON_THE_WAY);
    let reading = unit.clone();
    let reader = tokio::task::spawn_blocking(move || {
        connector.read(&reading, &contract, &mut |batch| {
            sender.blocking_send(batch).map_err(|_| ConnectorError::sink("the writer has stopped".to_owned()))
        })
    });
    let stamp = Stamp::new(services, unit, source)?;
    let mut pass: Option<(Pass<'_>, SchemaRef)> = None;
    let mut chunk = Vec::new();
    let mut failed = None;
    while let Some(batch) = receiver.recv().await {
        chunk.push(batch);
        if chunk.iter().map(RecordBatch::num_rows).sum::<usize>() >= CHUNK_ROWS
            && let Err(error) = write_chunk(services, &stamp, &mut chunk, &mut pass, destination).await
        {
            failed = Some(error);
            break;
        }
    }
    drop(receiver);
    let report = reader.await.map_err(|error| RunError::Worker(error.to_string()))?;
    if let Some(error) = failed {
        return Err(error);
    }
    let report = report?;
    if chunk.is_empty() && pass.is_none() {
        chunk.push(RecordBatch::new_empty(report.schema.clone()));
    }
    write_chunk(services, &stamp, &mut chunk, &mut pass, destination).await?;
    match pass {
        Some((pass, schema)) => Ok((pass.finish(destination.now).await?, schema, report)),
        None => {
            Err(RunError::Project(format!("`{}` has no columns; declare them, or deliver a header", destination.asset)))
        }
    }
}

async fn write_chunk<'a>(
    services: &'a Services,
    stamp: &Stamp,
    chunk: &mut Vec<RecordBatch>,
    pass: &mut Option<(Pass<'a>, SchemaRef)>,
    destination: &Destination<'_>,
) -> Result<(), RunError> {
    let Some(first) = chunk.first() else { return Ok(()) };
    let (schema, stamped) = stamp.apply(first.schema(), std::mem::take(chunk)).await?;
    if pass.is_none() {
        let Destination { location, base, files_before, checks, .. } = *destination;
        let started = Pass::new(services, Place { location, base, checks }, &schema)?.after(files_before);
        *pass = Some((started, schema));
    }
    if let Some((pass, _)) = pass {
        for batch in &stamped {
            pass.write(batch).await?;
        }
    }
    Ok(())
}

/// All rows of `unit` with their system columns, in memory; those that do not keep to the contract are left out.
pub(crate) async fn read_unit(
    services: &Services,
    connector: &'static dyn Connector,
    unit: &Unit,
    source: &Source,
) -> Result<(SchemaRef, Vec<RecordBatch>), RunError> {
    let (contract, reading) = (contract_of(source), unit.clone());
    let read = tokio::task::spawn_blocking(move || {
        let mut batches = Vec::new();
        let report = connector.read(&reading, &contract, &mut |batch| {
            batches.push(batch);
            Ok(())
        })?;
        Ok::<_, ConnectorError>((report.schema, batches))
    });
    let (schema, batches) = read.await.map_err(|error| RunError::Worker(error.to_string()))??;
    Stamp::new(services, unit, source)?.apply(schema, batches).await
}

/// Adds the system columns: when a row became known, and the delivery it came with.
pub(crate) struct Stamp {
    /// One thread, so that rows keep their order.
    engine: Engine,
    query: String,
}

impl Stamp {
    fn new(services: &Services, unit: &Unit, source: &Source) -> Result<Self, RunError> {
        Self::at(services, source, unit.modified_at, &unit.path)
    }

    /// For rows that came with `path` at `arrival` (microseconds).
    pub(crate) fn at(services: &Services, source: &Source, arrival: i64, path: &str) -> Result<Self, RunError> {
        let engine = Engine::new(EngineOptions { threads: 1, ..services.engine.options().clone() })?;
        let known = known_at(source, Some(arrival));
        let path = path.replace('\'', "''");
        let query = format!("select *, {known} as {AVAILABLE_AT}, '{path}' as {FILE} from delivery");
        Ok(Self { engine, query })
    }

    /// Stamps rows of one schema.
    pub(crate) async fn apply(
        &self,
        schema: SchemaRef,
        batches: Vec<RecordBatch>,
    ) -> Result<(SchemaRef, Vec<RecordBatch>), RunError> {
        let tables = [("delivery".to_owned(), TableInput::Batches { schema, batches })].into();
        let session = self.engine.session(SessionInput { tables, as_of: None })?;
        Ok(session.query(&self.query).await?)
    }
}

/// A SQL expression over the landed columns: since when a row is known that arrived at `arrival` (microseconds; `None`
/// when that does not matter).
pub(crate) fn known_at(source: &Source, arrival: Option<i64>) -> String {
    let arrival = arrival.map_or_else(|| "null".to_owned(), |micros| format!("to_timestamp_micros({micros})"));
    let known = match &source.available_at {
        AvailableAt::Arrival => arrival,
        AvailableAt::Expression(expression) => format!("coalesce({expression}, {arrival})"),
        AvailableAt::Always => "null".to_owned(),
    };
    format!("arrow_cast({known}, 'Timestamp(Microsecond, Some(\"UTC\"))')")
}

/// What the connector holds a delivery to.
pub(crate) fn contract_of(source: &Source) -> Contract {
    let declared = source.columns.iter().filter(|column| column.data_type.is_some());
    Contract {
        columns: declared
            .map(|column| ContractColumn {
                name: column.name.clone(),
                data_type: column.data_type.map_or(DataType::Utf8, arrow_type),
                nullable: true,
            })
            .collect(),
        select: (!source.select.is_empty()).then(|| source.select.clone()),
        on_schema_change: match source.on_schema_change {
            Policy::Evolve => OnSchemaChange::Evolve,
            Policy::Freeze => OnSchemaChange::Freeze,
            Policy::Quarantine => OnSchemaChange::Quarantine,
        },
        null_values: source.null_values.clone(),
        options: std::collections::BTreeMap::new(),
    }
}

pub(crate) fn arrow_type(column_type: ColumnType) -> DataType {
    match column_type {
        ColumnType::String => DataType::Utf8,
        ColumnType::Int => DataType::Int64,
        ColumnType::Float => DataType::Float64,
        ColumnType::Bool => DataType::Boolean,
        ColumnType::Date => DataType::Date32,
        ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// Keeps rows that were set aside where people can look at them: JSON lines below the warehouse.
pub(crate) fn keep_rejected(folder: &Path, name: &str, report: &ReadReport) -> Result<(), RunError> {
    let path = folder.join(format!("{name}.jsonl"));
    let lines: Vec<String> = report.rejected.iter().filter_map(|row| serde_json::to_string(row).ok()).collect();
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, lines.join("\n") + "\n"));
    written.map_err(|error| RunError::File { path: path.display().to_string(), reason: error.to_string() })
}
