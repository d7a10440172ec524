//! The pass: every rule over every batch, failing rows counted, a few of them kept.

use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow::compute::{prep_null_mask_filter, take_record_batch};
use arrow::datatypes::Schema;
use arrow::json::WriterBuilder;
use arrow::json::writer::JsonArray;
use arrow::record_batch::RecordBatch;
use arrow::util::display::array_value_to_string;
use baton_core::check::{Check, CheckResult, Rule};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::message::{self, Tally};
use super::rule::{Judgement, RowRule};
use crate::error::StatsError;

/// Failing rows kept for each check.
const MAX_SAMPLES: usize = 5;

/// Whether [`RowChecker`] answers this check: its rule is about single rows or their number, and it has no filter.
pub fn is_row_rule(check: &Check) -> bool {
    let by_row = match check.rule {
        Rule::NotNull
        | Rule::AcceptedValues { .. }
        | Rule::Between { .. }
        | Rule::Matches { .. }
        | Rule::RowCount { .. }
        | Rule::Freshness { .. } => true,
        Rule::Unique { .. } | Rule::Relationships { .. } | Rule::Sql { .. } => false,
    };
    by_row && check.filter.is_none()
}

/// The rows of one batch that fail one check.
#[derive(Debug, Clone)]
pub struct FailingRows {
    /// The check's name.
    pub check: String,
    /// True where a row fails; as long as the batch, without nulls.
    pub mask: BooleanArray,
}

/// Judges the rows of a table, batch by batch.
#[derive(Debug)]
pub struct RowChecker {
    rows: u64,
    columns: usize,
    checks: Vec<RunningCheck>,
}

/// A check and what it has found so far.
#[derive(Debug)]
struct RunningCheck {
    check: Check,
    /// Position of the column, for rules about one.
    column: Option<usize>,
    rule: RowRule,
    failed_rows: u64,
    samples: Vec<Value>,
    /// The first failing value, for the message.
    example: Option<String>,
}

impl RowChecker {
    /// Fits checks to a schema.
    ///
    /// # Errors
    /// An unknown or missing column, a rule that does not fit the column's type, an invalid pattern, or a check that
    /// [`is_row_rule`] refuses.
    pub fn new(checks: &[Check], schema: &Schema) -> Result<Self, StatsError> {
        let running: Result<_, _> = checks.iter().map(|check| RunningCheck::new(check, schema)).collect();
        Ok(Self { rows: 0, columns: schema.fields().len(), checks: running? })
    }

    /// Judges the rows of a batch; the failing ones of each check with any are appended to `failing`, when given.
    ///
    /// # Errors
    /// [`StatsError::BatchShape`] when the batch has another number of columns than the schema, or a failing kernel.
    pub fn update(
        &mut self,
        batch: &RecordBatch,
        mut failing: Option<&mut Vec<FailingRows>>,
    ) -> Result<(), StatsError> {
        if batch.num_columns() != self.columns {
            return Err(StatsError::BatchShape { expected: self.columns, found: batch.num_columns() });
        }
        for running in &mut self.checks {
            let Some(mask) = running.update(batch)? else { continue };
            if let Some(failing) = failing.as_deref_mut() {
                failing.push(FailingRows { check: running.check.name.clone(), mask });
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Ends the pass; `now` is the logical clock that freshness is measured by. Results come in the order of the
    /// checks.
    pub fn finish(self, now: DateTime<Utc>) -> Vec<CheckResult> {
        let rows = self.rows;
        self.checks.into_iter().map(|running| running.finish(rows, now)).collect()
    }
}

impl RunningCheck {
    fn new(check: &Check, schema: &Schema) -> Result<Self, StatsError> {
        if !is_row_rule(check) {
            return Err(StatsError::CheckNotByRow { check: check.name.clone() });
        }
        let column = match check.rule {
            Rule::RowCount { .. } => None,
            _ => Some(column_position(check, schema)?),
        };
        Ok(Self {
            check: check.clone(),
            column,
            rule: RowRule::compile(check, column.map(|position| schema.field(position)))?,
            failed_rows: 0,
            samples: Vec::new(),
            example: None,
        })
    }

    /// The mask of failing rows, when there are any.
    fn update(&mut self, batch: &RecordBatch) -> Result<Option<BooleanArray>, StatsError> {
        let Some(column) = self.column.map(|position| batch.column(position)) else {
            return Ok(None);
        };
        let Some(mask) = self.rule.failing(column)? else {
            return Ok(None);
        };
        let failed = mask.true_count();
        if failed == 0 {
            return Ok(None);
        }
        self.failed_rows += failed as u64;
        let mask = if mask.null_count() > 0 { prep_null_mask_filter(&mask) } else { mask };
        self.keep_samples(batch, column, &mask)?;
        Ok(Some(mask))
    }

    fn keep_samples(&mut self, batch: &RecordBatch, column: &ArrayRef, mask: &BooleanArray) -> Result<(), StatsError> {
        let wanted = MAX_SAMPLES - self.samples.len();
        if wanted == 0 {
            return Ok(());
        }
        let rows: Vec<u32> = mask.values().set_indices().take(wanted).map(|row| row as u32).collect();
        if self.example.is_none()
            && let Some(row) = rows.first()
        {
            self.example = Some(array_value_to_string(column, *row as usize)?);
        }
        self.samples.extend(json_rows(&take_record_batch(batch, &UInt32Array::from(rows))?)?);
        Ok(())
    }

    fn finish(self, rows: u64, now: DateTime<Utc>) -> CheckResult {
        let tally =
            Tally { rows, failed_rows: self.failed_rows, tolerance: self.check.tolerance, example: self.example };
        let Judgement { passed, severity, message } = message::judge(&self.check, &self.rule, &tally, now);
        CheckResult {
            check: self.check.name,
            column: self.check.column,
            severity,
            passed,
            rows,
            failed_rows: self.failed_rows,
            message,
            samples: self.samples,
        }
    }
}

fn column_position(check: &Check, schema: &Schema) -> Result<usize, StatsError> {
    let Some(name) = &check.column else {
        return Err(StatsError::CheckWithoutColumn { check: check.name.clone() });
    };
    schema.index_of(name).map_err(|_| {
        let names: Vec<String> = schema.fields().iter().map(|field| format!("`{}`", field.name())).collect();
        StatsError::CheckColumn { check: check.name.clone(), column: name.clone(), available: names.join(", ") }
    })
}

fn json_rows(batch: &RecordBatch) -> Result<Vec<Value>, StatsError> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
    writer.write(batch)?;
    writer.finish()?;
    Ok(serde_json::from_slice(&writer.into_inner())?)
}
