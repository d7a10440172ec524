//! Parquet files, batch by batch, only the selected columns.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::datatypes::Schema;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

use super::{BATCH_ROWS, open};
use crate::conform::{Found, Landing, RowNumbers};
use crate::{ConnectorError, Contract, ReadReport, Unit};

const COPY_AGAIN: &str = "copy or write it again";

/// Reads the file into `sink`; the row of an error is the first one that could not be read.
pub(super) fn read(
    unit: &Unit,
    contract: &Contract,
    sink: &mut dyn FnMut(RecordBatch) -> Result<(), ConnectorError>,
) -> Result<ReadReport, ConnectorError> {
    let mut file = open::open_seekable(unit)?;
    check_marks(unit, &mut file)?;
    let builder = guarded(|| ParquetRecordBatchReaderBuilder::try_new(file)).map_err(|error| {
        ConnectorError::broken(&unit.path, format!("the Parquet footer is damaged ({error})"), COPY_AGAIN)
    })?;
    let schema = builder.schema().clone();
    check_names(unit, &schema)?;
    let selected: Vec<usize> =
        (0..schema.fields().len()).filter(|index| contract.selects(schema.field(*index).name())).collect();
    let found: Vec<Found> = selected
        .iter()
        .map(|index| schema.field(*index))
        .map(|field| Found::typed(field.name(), field.data_type()))
        .collect();
    let mut landing = Landing::start(&unit.path, &found, contract, sink)?;
    let columns = ProjectionMask::roots(builder.parquet_schema(), selected);
    let damaged = |row: u64, error: ParquetError| {
        ConnectorError::broken(&unit.path, format!("the Parquet data is damaged ({error})"), COPY_AGAIN)
            .at(Some(row), None)
    };
    let builder = builder.with_projection(columns).with_batch_size(BATCH_ROWS);
    let mut reader = guarded(|| builder.build()).map_err(|error| damaged(1, error))?;
    let mut row = 1;
    while let Some(batch) =
        guarded(|| reader.next().transpose().map_err(ParquetError::from)).map_err(|error| damaged(row, error))?
    {
        landing.land(&batch, &RowNumbers::From(row))?;
        row += batch.num_rows() as u64;
    }
    Ok(landing.finish())
}

/// Calls into the Parquet reader, which panics on some damaged files instead of returning an error; one bad file must
/// not end the process. What `call` holds is not used again after an error.
fn guarded<T>(call: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err(ParquetError::General("the reader gave up".to_owned())))
}

/// A Parquet file begins and ends with `PAR1`; which of the two is missing tells what happened to it.
fn check_marks(unit: &Unit, file: &mut File) -> Result<(), ConnectorError> {
    let mut mark = [0; 4];
    let mut has_mark = |position: SeekFrom| {
        let found = file.seek(position).and_then(|_| file.read_exact(&mut mark));
        found.is_ok() && &mark == b"PAR1"
    };
    if !has_mark(SeekFrom::Start(0)) {
        let hint = "mend its name, or set option `format`";
        return Err(ConnectorError::broken(&unit.path, "the file is not Parquet, it does not begin with `PAR1`", hint));
    }
    if !has_mark(SeekFrom::End(-4)) {
        let reason = "the Parquet footer is missing, so the file was cut off or is still being written";
        return Err(ConnectorError::broken(&unit.path, reason, COPY_AGAIN));
    }
    Ok(())
}

fn check_names(unit: &Unit, schema: &Schema) -> Result<(), ConnectorError> {
    let mut seen = BTreeSet::new();
    match schema.fields().iter().find(|field| !seen.insert(field.name())) {
        None => Ok(()),
        Some(field) => {
            let reason = format!("column `{}` appears twice", field.name());
            Err(ConnectorError::broken(&unit.path, reason, "rename one of the two"))
        }
    }
}
