//! Rows into staged files in one pass: written, profiled and checked together.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use baton_core::Timestamp;
use baton_core::check::{Check, CheckResult};
use baton_engine::{BatchStream, is_system_column};
use baton_lake::{StagedFile, TableLocation, WriteOptions, Writer};
use baton_stats::checks::RowChecker;
use baton_stats::profile::Profiler;
use futures::TryStreamExt as _;

use crate::error::RunError;
use crate::profiles;
use crate::services::Services;

/// Rows of one data file, so that a profile belongs to exactly one file.
const FILE_ROWS: u64 = 1 << 20;

/// Fewer rows than this are done before another thread wakes up.
const WORTH_TWO_THREADS: usize = 4096;

/// Where rows go.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) location: &'p TableLocation,
    /// The version that they come to; it only decides how files are called.
    pub(crate) base: Option<u64>,
    /// What each row is held to; see [`crate::checks::checks_of_pass`].
    pub(crate) checks: &'p [Check],
}

/// Writes all rows of a stream in one pass; checks on age look at `now`.
///
/// # Errors
/// Those of the stream and the lake.
pub(crate) async fn write_stream(
    services: &Services,
    place: Place<'_>,
    mut stream: BatchStream,
    now: Timestamp,
) -> Result<Written, RunError> {
    let mut pass = Pass::new(services, place, &stream.schema())?;
    while let Some(batch) = stream.try_next().await? {
        pass.write(&batch).await?;
    }
    pass.finish(now).await
}

/// A pass over rows that writes, profiles and checks.
pub(crate) struct Pass<'a> {
    services: &'a Services,
    location: TableLocation,
    base: Option<u64>,
    stored: SchemaRef,
    visible: SchemaRef,
    visible_columns: Vec<usize>,
    checker: RowChecker,
    writer: Option<(Writer, Profiler, u64)>,
    files: Vec<StagedFile>,
    files_before: usize,
    rows: u64,
}

/// What a pass came to.
pub(crate) struct Written {
    pub(crate) files: Vec<StagedFile>,
    pub(crate) rows: u64,
    pub(crate) checks: Vec<CheckResult>,
}

impl<'a> Pass<'a> {
    /// Starts a pass over rows of `schema` (system columns included).
    pub(crate) fn new(services: &'a Services, place: Place<'_>, schema: &SchemaRef) -> Result<Self, RunError> {
        let Place { location, base, checks } = place;
        let visible_columns: Vec<usize> =
            (0..schema.fields().len()).filter(|index| !is_system_column(schema.field(*index).name())).collect();
        let visible = schema.project(&visible_columns).map_err(RunError::rows(location.name()))?;
        Ok(Self {
            services,
            location: location.clone(),
            base,
            stored: schema.clone(),
            checker: RowChecker::new(checks, &visible)?,
            visible: visible.into(),
            visible_columns,
            writer: None,
            files: Vec::new(),
            files_before: 0,
            rows: 0,
        })
    }

    /// Rows that come after those of so many files of the same commit.
    pub(crate) fn after(self, files_before: usize) -> Self {
        Self { files_before, ..self }
    }

    /// Takes in a batch.
    pub(crate) async fn write(&mut self, batch: &RecordBatch) -> Result<(), RunError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if self.writer.is_none() {
            let options = WriteOptions {
                base: self.base,
                files_before: self.files_before + self.files.len(),
                ..WriteOptions::default()
            };
            let writer = self.services.lake.writer(&self.location, &self.stored, options).await?;
            self.writer = Some((writer, Profiler::new(&self.visible), 0));
        }
        let seen = batch.project(&self.visible_columns).map_err(RunError::rows(self.location.name()))?;
        let Some((writer, profiler, rows)) = &mut self.writer else { return Ok(()) };
        let checker = &mut self.checker;
        let mut look = || checker.update(&seen, None).and_then(|()| profiler.update(&seen));
        let mut write = || writer.append(batch);
        let (looked, written) = match batch.num_rows() < WORTH_TWO_THREADS {
            true => (look(), write()),
            false => rayon::join(look, write),
        };
        looked?;
        written?;
        *rows += batch.num_rows() as u64;
        self.rows += batch.num_rows() as u64;
        if *rows >= FILE_ROWS {
            self.close_file().await?;
        }
        Ok(())
    }

    async fn close_file(&mut self) -> Result<(), RunError> {
        let Some((writer, profiler, _)) = self.writer.take() else { return Ok(()) };
        let files = writer.finish().await?;
        let profile = profiler.finish();
        if let [file] = files.as_slice() {
            profiles::save(self.services, &self.location.to_string(), &file.name, &profile)?;
        }
        self.files.extend(files);
        Ok(())
    }

    /// Ends the pass; checks on age look at `now`.
    pub(crate) async fn finish(mut self, now: Timestamp) -> Result<Written, RunError> {
        self.close_file().await?;
        Ok(Written { files: self.files, rows: self.rows, checks: self.checker.finish(now) })
    }
}
