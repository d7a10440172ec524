//! Taking rows out of files that must not change: files without such rows stay, the others are written anew.

use std::collections::HashSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch, kernels::cmp};
use arrow::datatypes::{DataType, Int64Type, SchemaRef, TimeUnit};
use arrow::row::{OwnedRow, RowConverter, SortField};
use object_store::ObjectStore;

use crate::error::LakeError;
use crate::read::{project, read_file};
use crate::schema::conform;
use crate::snapshot::{FileEntry, StagedFile};
use crate::stats::ColumnStats;
use crate::writer::{FileNames, WriteOptions, Writer};

/// Where and how rewritten files are written.
pub(crate) struct Rewriter {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) folder: PathBuf,
    /// The schema of the version to be made.
    pub(crate) schema: SchemaRef,
    /// The names of rewritten files.
    pub(crate) names: FileNames,
}

/// `files` without their rows whose `column` lies in `range` (microseconds).
pub(crate) async fn without_range(
    mut rewriter: Rewriter,
    files: &[Arc<FileEntry>],
    column: &str,
    range: Range<i64>,
) -> Result<Vec<Arc<FileEntry>>, LakeError> {
    check_time_column(&rewriter.schema, column)?;
    let mut kept = Vec::new();
    for file in files {
        match overlap(file, column, &range)? {
            Overlap::None => kept.push(file.clone()),
            Overlap::Whole => {}
            Overlap::Part => kept.extend(rewriter.keep(file, |batch| outside(batch, column, &range)).await?),
        }
    }
    Ok(kept)
}

/// `files` without their rows whose key is that of a row of `new`.
pub(crate) async fn without_keys(
    mut rewriter: Rewriter,
    files: &[Arc<FileEntry>],
    keys: &[String],
    new: &[StagedFile],
) -> Result<Vec<Arc<FileEntry>>, LakeError> {
    let key_schema = project(&rewriter.schema, keys)?;
    let keys = KeySet::read(&*rewriter.store, new, &key_schema).await?;
    let mut kept = Vec::new();
    for file in files {
        if new.iter().all(|new| disjoint(file, new, &key_schema))
            || !keys.meets(&*rewriter.store, file, &key_schema).await?
        {
            kept.push(file.clone());
        } else {
            kept.extend(rewriter.keep(file, |batch| keys.absent(batch)).await?);
        }
    }
    Ok(kept)
}

/// `files` without their rows whose key is among `gone`.
pub(crate) async fn without_these(
    mut rewriter: Rewriter,
    files: &[Arc<FileEntry>],
    keys: &[String],
    gone: &RecordBatch,
) -> Result<Vec<Arc<FileEntry>>, LakeError> {
    if gone.num_rows() == 0 {
        return Ok(files.to_vec());
    }
    let key_schema = project(&rewriter.schema, keys)?;
    let mut keys = KeySet::empty(&key_schema)?;
    keys.add(&conform(gone, &key_schema)?)?;
    let mut kept = Vec::new();
    for file in files {
        match keys.meets(&*rewriter.store, file, &key_schema).await? {
            true => kept.extend(rewriter.keep(file, |batch| keys.absent(batch)).await?),
            false => kept.push(file.clone()),
        }
    }
    Ok(kept)
}

impl Rewriter {
    /// `file` itself when all its rows are kept, nothing when none is, else new files with those that are.
    async fn keep(
        &mut self,
        file: &Arc<FileEntry>,
        keep: impl Fn(&RecordBatch) -> Result<BooleanArray, LakeError>,
    ) -> Result<Vec<Arc<FileEntry>>, LakeError> {
        let mut kept = Vec::new();
        for batch in read_file(&*self.store, file, &self.schema).await? {
            let mask = keep(&batch)?;
            kept.push(filter_record_batch(&batch, &mask).map_err(LakeError::compute("the rows that stay"))?);
        }
        let n_kept: usize = kept.iter().map(RecordBatch::num_rows).sum();
        if n_kept as u64 == file.rows {
            return Ok(vec![file.clone()]);
        }
        let options = WriteOptions { target_file_rows: usize::MAX, ..WriteOptions::default() };
        let mut writer = Writer::new(self.store.clone(), self.folder.clone(), self.schema.clone(), options, self.names);
        for batch in &kept {
            writer.write(batch).await?;
        }
        let written = writer.finish().await?;
        self.names.sequence += written.len();
        Ok(written)
    }
}

enum Overlap {
    None,
    Part,
    Whole,
}

/// How a file lies to a range, by its statistics.
fn overlap(file: &FileEntry, column: &str, range: &Range<i64>) -> Result<Overlap, LakeError> {
    if file.schema.column_with_name(column).is_none() {
        return Ok(Overlap::None);
    }
    let unknown = ColumnStats::default();
    let stats = file.stats().columns.get(column).unwrap_or(&unknown);
    if stats.nulls == Some(file.rows) {
        return Ok(Overlap::None);
    }
    let (Some(min), Some(max)) = (&stats.min, &stats.max) else { return Ok(Overlap::Part) };
    let (min, max) = (micros(min)?.value(0), micros(max)?.value(0));
    Ok(match () {
        () if max < range.start || min >= range.end => Overlap::None,
        () if min >= range.start && max < range.end && stats.nulls == Some(0) => Overlap::Whole,
        () => Overlap::Part,
    })
}

/// Which rows of `batch` are outside of the range; null is outside.
fn outside(batch: &RecordBatch, column: &str, range: &Range<i64>) -> Result<BooleanArray, LakeError> {
    let Some(array) = batch.column_by_name(column) else { return Ok(BooleanArray::from(vec![true; batch.num_rows()])) };
    let values = micros(array)?;
    Ok(values.iter().map(|value| Some(value.is_none_or(|value| !range.contains(&value)))).collect())
}

fn check_time_column(schema: &SchemaRef, column: &str) -> Result<(), LakeError> {
    let reason = match schema.field_with_name(column) {
        Ok(field) if matches!(field.data_type(), DataType::Timestamp(..) | DataType::Date32) => return Ok(()),
        Ok(field) => format!("a time range needs an instant or a date, and it is of type {}", field.data_type()),
        Err(_) => "the table has no such column".to_owned(),
    };
    Err(LakeError::Column { column: column.to_owned(), reason })
}

/// Instants or dates as microseconds since the epoch.
fn micros(array: &ArrayRef) -> Result<arrow::array::PrimitiveArray<Int64Type>, LakeError> {
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let instants = cast(array, &utc).and_then(|instants| cast(&instants, &DataType::Int64));
    Ok(instants.map_err(LakeError::compute("the instants of a time column"))?.as_primitive::<Int64Type>().clone())
}

/// The keys of the new rows.
struct KeySet {
    converter: RowConverter,
    names: Vec<String>,
    keys: HashSet<OwnedRow>,
}

impl KeySet {
    fn empty(schema: &SchemaRef) -> Result<Self, LakeError> {
        let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let converter = RowConverter::new(fields).map_err(LakeError::compute("merge keys"))?;
        let names = schema.fields().iter().map(|field| field.name().clone()).collect();
        Ok(Self { converter, names, keys: HashSet::new() })
    }

    async fn read(store: &dyn ObjectStore, files: &[StagedFile], schema: &SchemaRef) -> Result<Self, LakeError> {
        let mut set = Self::empty(schema)?;
        for file in files {
            for batch in read_file(store, file, schema).await? {
                set.add(&batch)?;
            }
        }
        Ok(set)
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<(), LakeError> {
        let rows = self.rows(batch)?;
        self.keys.extend(rows.iter().map(|row| row.owned()));
        Ok(())
    }

    /// Whether a row of `file` has one of the keys; reads the key columns only.
    async fn meets(&self, store: &dyn ObjectStore, file: &FileEntry, schema: &SchemaRef) -> Result<bool, LakeError> {
        for batch in read_file(store, file, schema).await? {
            if self.absent(&batch)?.false_count() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Which rows of `batch` have none of the keys.
    fn absent(&self, batch: &RecordBatch) -> Result<BooleanArray, LakeError> {
        let rows = self.rows(batch)?;
        Ok(rows.iter().map(|row| Some(!self.keys.contains(&row.owned()))).collect())
    }

    fn rows(&self, batch: &RecordBatch) -> Result<arrow::row::Rows, LakeError> {
        let columns: Vec<ArrayRef> = self.names.iter().filter_map(|name| batch.column_by_name(name)).cloned().collect();
        self.converter.convert_columns(&columns).map_err(LakeError::compute("merge keys"))
    }
}

/// Whether statistics alone prove that no key of one file is in the other.
fn disjoint(left: &FileEntry, right: &FileEntry, keys: &SchemaRef) -> bool {
    keys.fields().iter().any(|key| {
        let (Some(left), Some(right)) = (left.stats().columns.get(key.name()), right.stats().columns.get(key.name()))
        else {
            return false;
        };
        let without_nulls = left.nulls == Some(0) || right.nulls == Some(0);
        without_nulls && (before(&left.max, &right.min) || before(&right.max, &left.min))
    })
}

fn before(left: &Option<ArrayRef>, right: &Option<ArrayRef>) -> bool {
    let (Some(left), Some(right)) = (left, right) else { return false };
    cmp::lt(left, right).is_ok_and(|answer| answer.len() == 1 && answer.value(0))
}
