//! Which rows of a table differ between two versions: one streamed pass over what the versions do not share.
//!
//! Files that both versions name are left out where both readers see all of them, so the cost follows the change.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use arrow::array::{AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::kernels::boolean::{and_not, or};
use arrow::compute::kernels::cmp::{gt, lt};

use arrow::datatypes::{Int64Type, SchemaRef};
use baton_core::{TableVersion, Timestamp};
use baton_engine::{AVAILABLE_AT, Session, SessionInput, TableFiles, TableInput};
use baton_lake::{RowDigest, Snapshot, StagedFile};
use futures::TryStreamExt as _;
use indexmap::IndexMap;

use super::query::{Shared, as_multiset, by_grain, seen, shared_columns};
use super::report::{ColumnChange, RowChange, RowDiff, RowMethod, SampleRow};
use super::sample::{LeastRows, cell};
use crate::checks::count;
use crate::error::RunError;
use crate::services::Services;

/// How rows are compared.
#[derive(Debug, Clone)]
pub struct RowOptions {
    /// Rows of each sample.
    pub limit: usize,
    /// Only these columns, and the grain; empty means all.
    pub columns: Vec<String>,
}

/// One side of a comparison: files, and the clock that decides which of their rows are seen.
pub(crate) struct RowSide {
    pub(crate) schema: SchemaRef,
    pub(crate) files: Vec<StagedFile>,
    /// `None` when every row is known.
    pub(crate) clock: Option<Timestamp>,
}

impl RowSide {
    /// A table version as it is seen at `as_of`.
    pub(crate) async fn of(services: &Services, table: &TableVersion, as_of: Timestamp) -> Result<Self, RunError> {
        let snapshot = services.lake.snapshot(table).await?;
        Ok(Self {
            schema: snapshot.schema().clone(),
            files: snapshot.files().to_vec(),
            clock: clock_of(&snapshot, as_of),
        })
    }
}

/// The clock, where it decides what is seen of a version.
fn clock_of(snapshot: &Snapshot, as_of: Timestamp) -> Option<Timestamp> {
    let decides =
        snapshot.files().iter().any(|file| known_through(file).is_none_or(|known| known > as_of.timestamp_micros()));
    (snapshot.schema().field_with_name(AVAILABLE_AT).is_ok() && decides).then_some(as_of)
}

/// The newest instant at which a row of the file became known, from its statistics; `None` when they do not say.
fn known_through(file: &StagedFile) -> Option<i64> {
    let stats = file.stats().columns.get(AVAILABLE_AT)?;
    if stats.nulls == Some(file.rows) {
        return Some(i64::MIN);
    }
    crate::values::micros_at(stats.max.as_ref()?, 0)
}

/// What is left to compare.
struct Compared {
    session: Session,
    /// Rows of files that both sides share and see alike.
    shared_rows: u64,
    files_shared: usize,
    files_compared: usize,
    before: Side,
    after: Side,
}

struct Side {
    clock: Option<Timestamp>,
    /// Rows of the files that are compared, as far as they are seen.
    rows: u64,
    has_null: HashMap<String, bool>,
}

/// Compares two sides, by `grain` where both have its columns and it identifies their rows. Answers with what a reader
/// should know beside the figures.
pub(crate) async fn diff_rows(
    services: &Services,
    before: RowSide,
    after: RowSide,
    grain: &[String],
    options: &RowOptions,
) -> Result<(RowDiff, Vec<String>), RunError> {
    let mut notes = Vec::new();
    let columns = shared_columns(&before.schema, &after.schema, &[]);
    let is_key = |column: &Shared| grain.contains(&column.name);
    let wanted = |column: &Shared| options.columns.is_empty() || options.columns.contains(&column.name);
    let keys: Vec<Shared> = columns.iter().filter(|column| is_key(column)).cloned().collect();
    let values: Vec<Shared> = columns.iter().filter(|column| !is_key(column) && wanted(column)).cloned().collect();
    let same_content = have_same_content(&before, &after);
    let compared = prepare(services, before, after).await?;
    let empty = compared.empty_diff();
    if same_content {
        return Ok((empty, notes));
    }
    if !grain.is_empty() && keys.len() == grain.len() {
        match diff_by_grain(&compared, &keys, &values, options.limit).await? {
            Some(found) => return Ok((found, notes)),
            None => notes.push(format!("{} does not identify a row: rows were compared as a whole", grain.join(", "))),
        }
    } else if !grain.is_empty() {
        notes.push(format!("the grain {} is not on both sides: rows were compared as a whole", grain.join(", ")));
    }
    let all: Vec<Shared> = columns.into_iter().filter(|column| is_key(column) || wanted(column)).collect();
    Ok((diff_as_multiset(&compared, &all, options.limit).await?, notes))
}

/// Whether the digests say that both sides hold the same rows, which both readers see whole.
fn have_same_content(before: &RowSide, after: &RowSide) -> bool {
    let digest = |side: &RowSide| side.files.iter().map(|file| file.digest).sum::<RowDigest>();
    let rows = |side: &RowSide| side.files.iter().map(|file| file.rows).sum::<u64>();
    before.clock.is_none() && after.clock.is_none() && rows(before) == rows(after) && digest(before) == digest(after)
}

async fn prepare(services: &Services, before: RowSide, after: RowSide) -> Result<Compared, RunError> {
    let is_shared = seen_alike(&before, &after);
    let (shared, new): (Vec<StagedFile>, Vec<StagedFile>) = after.files.iter().cloned().partition(&is_shared);
    let paths: BTreeSet<&PathBuf> = shared.iter().map(|file| &file.path).collect();
    let old: Vec<StagedFile> = before.files.iter().filter(|file| !paths.contains(&file.path)).cloned().collect();
    let table = |name: &str, schema: &SchemaRef, files: &[StagedFile]| {
        (name.to_owned(), TableInput::Files(TableFiles::of(schema, files)))
    };
    let tables = [
        table("before", &before.schema, &old),
        table("after", &after.schema, &new),
        table("shared", &after.schema, &shared),
    ];
    let session = services.engine.session(SessionInput { tables: tables.into(), as_of: None })?;
    let shared_rows = rows_seen(&session, "shared", &shared, after.clock).await?;
    let (files_shared, files_compared) = (shared.len(), old.len() + new.len());
    let before = side(&session, "before", &before, &old).await?;
    let after = side(&session, "after", &after, &new).await?;
    Ok(Compared { session, shared_rows, files_shared, files_compared, before, after })
}

/// Tells files that both sides name and see alike: their clocks are one, or all rows are known at both.
fn seen_alike(before: &RowSide, after: &RowSide) -> impl Fn(&StagedFile) -> bool + use<> {
    let earliest = [before.clock, after.clock].into_iter().flatten().min().map(|clock| clock.timestamp_micros());
    let one_clock = before.clock == after.clock;
    let old: BTreeSet<PathBuf> = before.files.iter().map(|file| file.path.clone()).collect();
    move |file| {
        let known = || earliest.is_none_or(|clock| known_through(file).is_some_and(|known| known <= clock));
        old.contains(&file.path) && (one_clock || known())
    }
}

/// The rows of `files`, which stand in the session as `table`, that are known at `clock`.
async fn rows_seen(
    session: &Session,
    table: &str,
    files: &[StagedFile],
    clock: Option<Timestamp>,
) -> Result<u64, RunError> {
    match clock {
        Some(_) if !files.is_empty() => Ok(count(session, &seen(table, &[], clock)).await?),
        _ => Ok(files.iter().map(|file| file.rows).sum()),
    }
}

async fn side(session: &Session, name: &str, side: &RowSide, files: &[StagedFile]) -> Result<Side, RunError> {
    let rows = rows_seen(session, name, files, side.clock).await?;
    let mut has_null = HashMap::new();
    for field in side.schema.fields() {
        let none = |file: &StagedFile| {
            let stats = file.stats().columns.get(field.name());
            stats.and_then(|stats| stats.nulls) == Some(0)
        };
        has_null.insert(field.name().clone(), !files.iter().all(none));
    }
    Ok(Side { clock: side.clock, rows, has_null })
}

impl Compared {
    fn empty_diff(&self) -> RowDiff {
        RowDiff {
            method: RowMethod::Multiset,
            grain: Vec::new(),
            before: self.shared_rows + self.before.rows,
            after: self.shared_rows + self.after.rows,
            added: 0,
            removed: 0,
            changed: 0,
            columns: Vec::new(),
            added_sample: Vec::new(),
            removed_sample: Vec::new(),
            changed_sample: Vec::new(),
            files_compared: self.files_compared,
            files_shared: self.files_shared,
        }
    }
}

/// `None` when a key is on one side more than once, so that rows cannot be matched.
async fn diff_by_grain(
    compared: &Compared,
    keys: &[Shared],
    values: &[Shared],
    limit: usize,
) -> Result<Option<RowDiff>, RunError> {
    let columns: Vec<Shared> = keys.iter().chain(values).cloned().collect();
    let null_keys = keys.iter().any(|key| {
        [&compared.before, &compared.after].iter().any(|side| side.has_null.get(&key.name).copied().unwrap_or(true))
    });
    let before = seen("before", &columns, compared.before.clock);
    let after = seen("after", &columns, compared.after.clock);
    let query = by_grain(&before, &after, keys, values, null_keys);
    let mut stream = compared.session.query_stream(&query).await?;
    let mut matched = Matched::new(keys.len(), values.len(), limit);
    while let Some(batch) = stream.try_next().await? {
        matched.update(&batch).map_err(RunError::rows("rows"))?;
    }
    if (matched.before, matched.after) != (compared.before.rows, compared.after.rows) {
        return Ok(None);
    }
    Ok(Some(matched.finish(compared, keys, values)))
}

/// Counts over the stream of [`by_grain`].
struct Matched {
    keys: usize,
    before: u64,
    after: u64,
    added: u64,
    removed: u64,
    changed: u64,
    by_column: Vec<u64>,
    added_rows: LeastRows,
    removed_rows: LeastRows,
    changed_rows: LeastRows,
}

impl Matched {
    fn new(keys: usize, values: usize, limit: usize) -> Self {
        let least = || LeastRows::new(limit, 2..2 + keys);
        Self {
            keys,
            before: 0,
            after: 0,
            added: 0,
            removed: 0,
            changed: 0,
            by_column: vec![0; values],
            added_rows: least(),
            removed_rows: least(),
            changed_rows: least(),
        }
    }

    fn update(&mut self, batch: &RecordBatch) -> Result<(), arrow::error::ArrowError> {
        let (before, after) = (batch.column(0).as_boolean(), batch.column(1).as_boolean());
        let (added, removed) = (and_not(after, before)?, and_not(before, after)?);
        let mut changed = BooleanArray::from(vec![false; batch.num_rows()]);
        for (place, total) in self.by_column.iter_mut().enumerate() {
            let differs = batch.column(2 + self.keys + 3 * place).as_boolean();
            *total += differs.true_count() as u64;
            changed = or(&changed, differs)?;
        }
        self.before += before.true_count() as u64;
        self.after += after.true_count() as u64;
        self.added += added.true_count() as u64;
        self.removed += removed.true_count() as u64;
        self.changed += changed.true_count() as u64;
        self.added_rows.update(batch, &added)?;
        self.removed_rows.update(batch, &removed)?;
        self.changed_rows.update(batch, &changed)
    }

    fn finish(self, compared: &Compared, keys: &[Shared], values: &[Shared]) -> RowDiff {
        let on_both = compared.shared_rows + self.before - self.removed;
        let rate = |changed: u64| changed as f64 / on_both.max(1) as f64;
        let counted = values.iter().zip(&self.by_column).filter(|(_, changed)| **changed > 0);
        let mut columns: Vec<ColumnChange> = counted
            .map(|(value, changed)| ColumnChange {
                column: value.name.clone(),
                changed: *changed,
                rate: rate(*changed),
            })
            .collect();
        columns.sort_by(|left, right| right.changed.cmp(&left.changed).then_with(|| left.column.cmp(&right.column)));
        let from = 2 + self.keys;
        let whole = |rows: Option<RecordBatch>, offset: usize| whole_rows(rows.as_ref(), keys, values, from, offset);
        RowDiff {
            method: RowMethod::Grain,
            grain: keys.iter().map(|key| key.name.clone()).collect(),
            added: self.added,
            removed: self.removed,
            changed: self.changed,
            columns,
            added_sample: whole(self.added_rows.finish(), 2),
            removed_sample: whole(self.removed_rows.finish(), 1),
            changed_sample: changed_rows(self.changed_rows.finish().as_ref(), keys, values, from),
            ..compared.empty_diff()
        }
    }
}

fn key_of(rows: &RecordBatch, row: usize, keys: &[Shared]) -> SampleRow {
    keys.iter().enumerate().map(|(place, key)| (key.name.clone(), cell(rows.column(2 + place), row))).collect()
}

/// Rows with the values of one side: `offset` 1 is before, 2 is after.
fn whole_rows(
    rows: Option<&RecordBatch>,
    keys: &[Shared],
    values: &[Shared],
    from: usize,
    offset: usize,
) -> Vec<SampleRow> {
    let Some(rows) = rows else { return Vec::new() };
    let row_of = |row: usize| {
        let mut found = key_of(rows, row, keys);
        found.extend(
            values
                .iter()
                .enumerate()
                .map(|(place, value)| (value.name.clone(), cell(rows.column(from + 3 * place + offset), row))),
        );
        found
    };
    (0..rows.num_rows()).map(row_of).collect()
}

fn changed_rows(rows: Option<&RecordBatch>, keys: &[Shared], values: &[Shared], from: usize) -> Vec<RowChange> {
    let Some(rows) = rows else { return Vec::new() };
    let changed = |row: usize| {
        let places = (0..values.len()).filter(|place| rows.column(from + 3 * place).as_boolean().value(row));
        let value = |place: usize| {
            let (before, after) = (rows.column(from + 3 * place + 1), rows.column(from + 3 * place + 2));
            (values[place].name.clone(), (cell(before, row), cell(after, row)))
        };
        RowChange { key: key_of(rows, row, keys), values: places.map(value).collect::<IndexMap<_, _>>() }
    };
    (0..rows.num_rows()).map(changed).collect()
}

async fn diff_as_multiset(compared: &Compared, columns: &[Shared], limit: usize) -> Result<RowDiff, RunError> {
    let mut found = compared.empty_diff();
    if columns.is_empty() {
        return Ok(found);
    }
    let before = seen("before", columns, compared.before.clock);
    let after = seen("after", columns, compared.after.clock);
    let mut stream = compared.session.query_stream(&as_multiset(&before, &after, columns)).await?;
    let (mut added, mut removed) = (LeastRows::new(limit, 0..columns.len()), LeastRows::new(limit, 0..columns.len()));
    while let Some(batch) = stream.try_next().await? {
        let (more, fewer) = signs(&batch).map_err(RunError::rows("rows"))?;
        let counts = batch.column(columns.len()).as_primitive::<Int64Type>();
        found.added += counts.iter().flatten().filter(|more| *more > 0).sum::<i64>().unsigned_abs();
        found.removed += counts.iter().flatten().filter(|more| *more < 0).sum::<i64>().unsigned_abs();
        added.update(&batch, &more).map_err(RunError::rows("rows"))?;
        removed.update(&batch, &fewer).map_err(RunError::rows("rows"))?;
    }
    let rows = |kept: LeastRows| -> Vec<SampleRow> {
        let Some(rows) = kept.finish() else { return Vec::new() };
        let row_of = |row: usize| {
            let cells = columns.iter().enumerate();
            cells.map(|(place, column)| (column.name.clone(), cell(rows.column(place), row))).collect()
        };
        (0..rows.num_rows()).map(row_of).collect()
    };
    found.added_sample = rows(added);
    found.removed_sample = rows(removed);
    Ok(found)
}

/// Where the last column is more, and less, than zero.
fn signs(batch: &RecordBatch) -> Result<(BooleanArray, BooleanArray), arrow::error::ArrowError> {
    let counts = batch.column(batch.num_columns() - 1);
    let zero = Int64Array::new_scalar(0);
    Ok((gt(counts, &zero)?, lt(counts, &zero)?))
}
