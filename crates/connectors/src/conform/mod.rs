//! From batches as a unit stores them to batches that keep to the contract; shared by all connectors.
//!
//! It knows types and rows, not files or formats. The good path is kernels only: rows are looked at one by one only
//! in a batch that holds a value at fault.

mod convert;
mod names;
mod plan;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use rayon::prelude::*;
use serde_json::Value;

use crate::report::shorten;
use crate::{ConnectorError, Contract, ReadReport, RejectedRow};
pub(crate) use convert::can_convert;
pub use names::type_name;
pub(crate) use plan::Found;
use plan::{Plan, Target};

type Sink<'a> = &'a mut dyn FnMut(RecordBatch) -> Result<(), ConnectorError>;

/// Where the rows of a stored batch stand in their unit.
pub(crate) enum RowNumbers<'a> {
    /// One after the other, from this one.
    From(u64),
    /// Each by itself, as many as the batch has rows.
    Each(&'a [u64]),
}

impl RowNumbers<'_> {
    fn of(&self, index: usize) -> u64 {
        match self {
            Self::From(first) => first + index as u64,
            Self::Each(numbers) => numbers[index],
        }
    }
}

/// The landing of one unit: stored batches in, batches of the contract out to the sink, faults into the report.
pub(crate) struct Landing<'a> {
    conformer: Conformer,
    sink: Sink<'a>,
}

impl<'a> Landing<'a> {
    /// Compares what was found in the unit at `path` with the contract.
    pub(crate) fn start(
        path: &str,
        found: &[Found],
        contract: &Contract,
        sink: Sink<'a>,
    ) -> Result<Self, ConnectorError> {
        Ok(Self { conformer: Conformer::start(path, found, contract)?, sink })
    }

    /// Sets a row aside that never became part of a batch.
    pub(crate) fn reject(&mut self, row: impl FnOnce() -> RejectedRow) {
        self.conformer.reject(row);
    }

    /// Lands a stored batch whose columns are those found, in that order.
    pub(crate) fn land(&mut self, stored: &RecordBatch, rows: &RowNumbers<'_>) -> Result<(), ConnectorError> {
        match self.conformer.conform(stored, rows)? {
            Some(batch) => (self.sink)(batch),
            None => Ok(()),
        }
    }

    /// Ends the landing and returns its report.
    pub(crate) fn finish(self) -> ReadReport {
        self.conformer.finish()
    }
}

/// Stored batches in, batches of the contract out, faults into the report.
pub(crate) struct Conformer {
    path: String,
    plan: Plan,
    report: ReadReport,
    /// The rows of the last batch that were set aside, and why.
    refused: Vec<(usize, String)>,
}

impl Conformer {
    /// Compares what was found at `path` with the contract.
    pub(crate) fn start(path: &str, found: &[Found], contract: &Contract) -> Result<Self, ConnectorError> {
        let (plan, changes) = plan::plan(path, found, contract)?;
        let report = ReadReport::new(plan.schema.clone(), changes);
        Ok(Self { path: path.to_owned(), plan, report, refused: Vec::new() })
    }

    /// The schema of every batch that comes out.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.plan.schema
    }

    /// Sets a row aside that never became part of a batch.
    pub(crate) fn reject(&mut self, row: impl FnOnce() -> RejectedRow) {
        self.report.reject(row);
    }

    /// Brings a stored batch to the contract; `None` when no row of it can land.
    pub(crate) fn conform(
        &mut self,
        stored: &RecordBatch,
        rows: &RowNumbers<'_>,
    ) -> Result<Option<RecordBatch>, ConnectorError> {
        self.refused.clear();
        let columns = self.plan.targets.par_iter().map(|target| self.column(stored, target, rows));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let mut faults = Faults::none(stored.num_rows());
        for (index, (target, column)) in self.plan.targets.iter().zip(&columns).enumerate() {
            faults.note(index, target, stored, column);
        }
        let schema = self.plan.schema.clone();
        let batch = match faults.kept() {
            None => batch(schema, columns, stored.num_rows()),
            Some(kept) => {
                self.report_faults(&faults, stored, rows);
                // Nulls stand where nothing could be read, so the promised schema fits only once those rows are gone.
                batch(self.plan.nullable_schema(), columns, stored.num_rows())
                    .and_then(|batch| filter_record_batch(&batch, &kept))
                    .and_then(|kept| batch(schema, kept.columns().to_vec(), kept.num_rows()))
            }
        };
        let batch = batch.map_err(|error| self.broken(rows.of(0), None, &error.to_string()))?;
        if batch.num_rows() == 0 {
            return Ok(None);
        }
        self.report.rows += batch.num_rows() as u64;
        Ok(Some(batch))
    }

    /// The rows of the last batch that were set aside, by their place in it, and why.
    pub(crate) fn refused(&self) -> &[(usize, String)] {
        &self.refused
    }

    /// Ends the landing and returns its report.
    pub(crate) fn finish(mut self) -> ReadReport {
        self.report.rejected.sort_by_key(|row| row.row);
        self.report
    }

    fn column(&self, stored: &RecordBatch, target: &Target, rows: &RowNumbers<'_>) -> Result<ArrayRef, ConnectorError> {
        match target.source {
            None => Ok(arrow::array::new_null_array(&target.data_type, stored.num_rows())),
            Some(source) => convert::convert(stored.column(source), &target.data_type)
                .map_err(|error| self.broken(rows.of(0), Some(&target.name), &error.to_string())),
        }
    }

    fn broken(&self, row: u64, column: Option<&str>, reason: &str) -> ConnectorError {
        ConnectorError::broken(&self.path, reason, "check what wrote it").at(Some(row), column)
    }

    fn report_faults(&mut self, faults: &Faults, stored: &RecordBatch, rows: &RowNumbers<'_>) {
        for (row, fault) in faults.by_row.iter().enumerate() {
            let Some(index) = fault else { continue };
            let target = &self.plan.targets[*index];
            let (value, reason) = fault_of(target, stored, row);
            self.refused.push((row, format!("column `{}`: {reason}", target.name)));
            self.report.reject(|| RejectedRow {
                row: rows.of(row),
                column: Some(target.name.clone()),
                value: shorten(&value),
                reason,
                raw: raw_row(stored, row),
            });
        }
    }
}

fn batch(schema: SchemaRef, columns: Vec<ArrayRef>, n_rows: usize) -> Result<RecordBatch, ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    RecordBatch::try_new_with_options(schema, columns, &options)
}

/// Which rows of a batch are at fault, and in which target first.
struct Faults {
    n_rows: usize,
    by_row: Vec<Option<usize>>,
}

impl Faults {
    fn none(n_rows: usize) -> Self {
        Self { n_rows, by_row: Vec::new() }
    }

    fn note(&mut self, index: usize, target: &Target, stored: &RecordBatch, landed: &ArrayRef) {
        let nulls_before = target.source.map_or(0, |source| stored.column(source).logical_null_count());
        if landed.null_count() == 0 || (target.nullable && landed.null_count() == nulls_before) {
            return;
        }
        let before = target.source.and_then(|source| stored.column(source).logical_nulls());
        for row in 0..self.n_rows {
            let was_null = before.as_ref().is_some_and(|nulls| nulls.is_null(row)) || target.source.is_none();
            if landed.is_null(row) && !(was_null && target.nullable) {
                self.add(row, index);
            }
        }
    }

    fn add(&mut self, row: usize, index: usize) {
        if self.by_row.is_empty() {
            self.by_row = vec![None; self.n_rows];
        }
        self.by_row[row].get_or_insert(index);
    }

    fn kept(&self) -> Option<BooleanArray> {
        let is_kept = |fault: &Option<usize>| Some(fault.is_none());
        (!self.by_row.is_empty()).then(|| self.by_row.iter().map(is_kept).collect())
    }
}

/// The value of a row that cannot land in `target`, and why.
fn fault_of(target: &Target, stored: &RecordBatch, row: usize) -> (String, String) {
    let column = target.source.map(|source| stored.column(source));
    let is_null = column.is_none_or(|column| column.logical_nulls().is_some_and(|nulls| nulls.is_null(row)));
    let value = match column {
        Some(column) if !is_null => convert::text(column, row),
        _ => "null".to_owned(),
    };
    let reason = if is_null {
        "null where the contract allows none".to_owned()
    } else {
        convert::reason(&value, &target.data_type)
    };
    (value, reason)
}

/// Returns one stored row as a JSON object, nulls included.
fn raw_row(stored: &RecordBatch, row: usize) -> Value {
    let mut text = Vec::new();
    let mut writer = arrow::json::WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, arrow::json::writer::LineDelimited>(&mut text);
    let written = writer.write(&stored.slice(row, 1)).and_then(|()| writer.finish());
    drop(writer);
    // Some nested types have no JSON form; the value at fault is in the report all the same.
    written.ok().and_then(|()| serde_json::from_slice(&text).ok()).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests;
