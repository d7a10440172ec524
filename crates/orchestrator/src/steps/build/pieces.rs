//! Time that is computed in pieces, on several threads. Which pieces there are follows from the time alone, so the files
//! are the same however many are computed at once. Each is written down when its files are on the disk: a backfill that
//! was killed goes on with the pieces that it had not finished.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use arrow::datatypes::SchemaRef;
use baton_core::asset::Table;
use baton_core::check::{Check, CheckResult};
use baton_core::event::EventFilter;
use baton_core::interval::MICROS_PER_SECOND;
use baton_core::{AssetName, EventKind, Interval, NewEvent, failpoint};
use baton_engine::{BuildOptions, Session};
use baton_lake::TableLocation;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::checks::{checks_of_pass, merged};
use crate::error::RunError;
use crate::execution::Execution;
use crate::steps::StepKey;
use crate::write::{Place, Written, write_stream};

/// Most pieces of one restatement: each is a pass over what the query reads of its time.
const MOST_PIECES: i64 = 64;

/// What is written in pieces.
pub(super) struct Pieces<'p> {
    pub(super) asset: &'p AssetName,
    pub(super) table: &'p Table,
    pub(super) location: &'p TableLocation,
    pub(super) base: u64,
    pub(super) session: &'p Session,
    pub(super) checks: &'p [Check],
    /// What the whole depends on; a piece depends on the same, and on its own time.
    pub(super) key: &'p StepKey,
}

/// The body of a piece's `step.finished` event. It names no asset, so that an asset's steps are whole ones.
#[derive(Serialize, Deserialize)]
struct RecordedPiece {
    /// Its time; `None` for one of several values.
    piece: Option<Interval>,
    rows: u64,
    files: Vec<Value>,
    checks: Vec<CheckResult>,
}

impl Execution<'_> {
    /// Computes `interval` on `parallel` threads, and puts the pieces together in the order of time. Needs a runtime of
    /// several threads.
    pub(super) fn write_pieces(
        &self,
        writing: &Pieces<'_>,
        interval: Interval,
        parallel: usize,
    ) -> Result<(Written, SchemaRef), RunError> {
        let pieces = pieces_of(interval, writing.table.batch.max(1) * MICROS_PER_SECOND);
        let done = tokio::task::block_in_place(|| self.on_threads(writing, &pieces, parallel))?;
        let (mut all, mut schema) = (Written { files: Vec::new(), rows: 0, checks: Vec::new() }, None);
        let mut checks = Vec::new();
        for (written, found) in done.into_values() {
            all.files.extend(written.files);
            all.rows += written.rows;
            checks.push(written.checks);
            schema = Some(found);
        }
        all.checks = merged(checks);
        let schema = schema.ok_or_else(|| RunError::Project(format!("`{}` has no time to compute", writing.asset)))?;
        Ok((all, schema))
    }

    /// The pieces by their place. The first error ends the work: no thread takes another piece after it; nor when somebody
    /// ends or pauses the run.
    fn on_threads(
        &self,
        writing: &Pieces<'_>,
        pieces: &[Interval],
        parallel: usize,
    ) -> Result<BTreeMap<usize, (Written, SchemaRef)>, RunError> {
        let runtime = Handle::current();
        let next = AtomicUsize::new(0);
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..parallel.clamp(1, pieces.len().max(1)) {
                let (sender, runtime, next) = (sender.clone(), &runtime, &next);
                scope.spawn(move || {
                    while let Some((place, piece)) = take_next(next, pieces) {
                        let written = runtime.block_on(async {
                            self.stop_if_asked().await?;
                            self.write_piece(writing, piece).await
                        });
                        // Nobody listens once a piece has failed.
                        if sender.send(written.map(|written| (place, written))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let mut done = BTreeMap::new();
            for finished in receiver {
                let (place, written) = finished?;
                done.insert(place, written);
                self.services.progress.advanced(writing.asset, done.len() as u64, pieces.len() as u64);
                let (done, all) = (done.len(), pieces.len());
                self.record_progress(writing.asset, "build", format!("{done} of {all} pieces"));
                failpoint::reach("build.piece_staged");
            }
            Ok(done)
        })
    }

    /// Nothing else looks while pieces are computed.
    async fn stop_if_asked(&self) -> Result<(), RunError> {
        self.stop_if_paused().await?;
        match self.services.operations.is_cancelled(&self.run).await? {
            true => Err(RunError::Cancelled { run: self.run.clone() }),
            false => Ok(()),
        }
    }

    async fn write_piece(&self, writing: &Pieces<'_>, piece: Interval) -> Result<(Written, SchemaRef), RunError> {
        let options = BuildOptions {
            time_column: writing.table.time.clone(),
            interval: Some(piece),
            track_availability: true,
            spill_joins: self.spill_joins,
        };
        let stream = writing.session.execute(&writing.table.sql, &options).await?;
        let schema = stream.schema();
        let key = StepKey { interval: Some(piece), ..writing.key.clone() }.with("part", "piece of a backfill");
        if let Some(written) = self.recorded_part(writing.location, &key, &schema).await? {
            return Ok((written, schema));
        }
        let checks = checks_of_pass(writing.checks, false);
        let place = Place { location: writing.location, base: Some(writing.base), checks: &checks };
        let written = write_stream(self.services, place, stream, self.as_of).await?;
        self.record_part(&key, Some(piece), &written).await?;
        Ok((written, schema))
    }

    /// What an earlier run wrote for the same part of a table, as long as all of it is on the disk.
    pub(super) async fn recorded_part(
        &self,
        location: &TableLocation,
        key: &StepKey,
        schema: &SchemaRef,
    ) -> Result<Option<Written>, RunError> {
        let filter = EventFilter {
            kinds: vec![EventKind::StepFinished],
            key: Some(key.fingerprint().as_str().to_owned()),
            last: Some(1),
            ..EventFilter::default()
        };
        let found = self.services.ledger.events(&filter).await?.pop();
        let Some(recorded) = found.and_then(|found| serde_json::from_value::<RecordedPiece>(found.event.body).ok())
        else {
            return Ok(None);
        };
        let mut files = Vec::new();
        for file in recorded.files {
            match self.services.lake.staged(location, schema, file)? {
                Some(file) => files.push(file),
                None => return Ok(None),
            }
        }
        Ok(Some(Written { files, rows: recorded.rows, checks: recorded.checks }))
    }

    /// Records a part of a table whose files are on the disk.
    pub(super) async fn record_part(
        &self,
        key: &StepKey,
        piece: Option<Interval>,
        written: &Written,
    ) -> Result<(), RunError> {
        let files = written.files.iter().map(|file| file.to_record()).collect();
        let recorded = RecordedPiece { piece, rows: written.rows, files, checks: written.checks.clone() };
        let event = NewEvent {
            at: self.services.clock.now(),
            as_of: self.as_of,
            environment: self.environment.clone(),
            run: Some(self.run.clone()),
            asset: None,
            kind: EventKind::StepFinished,
            key: key.fingerprint().as_str().to_owned(),
            body: json!(recorded),
        };
        self.services.ledger.append(vec![event]).await?;
        Ok(())
    }
}

/// The next piece that no thread has taken.
fn take_next(next: &AtomicUsize, pieces: &[Interval]) -> Option<(usize, Interval)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    Some((place, *pieces.get(place)?))
}

/// `interval` in whole batches, as evenly as they go into [`MOST_PIECES`].
fn pieces_of(interval: Interval, batch: i64) -> Vec<Interval> {
    let batches = (interval.end - interval.start).div_euclid(batch).max(1);
    let length = (batches + MOST_PIECES - 1).div_euclid(MOST_PIECES) * batch;
    let mut pieces = Vec::new();
    let mut start = interval.start;
    while start < interval.end {
        let end = (start + length).min(interval.end);
        pieces.push(Interval { start, end });
        start = end;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_batches_without_a_gap_and_not_too_many() {
        let pieces = pieces_of(Interval { start: 0, end: 100 }, 1);
        assert_eq!(
            (pieces.len(), pieces[0], pieces[49]),
            (50, Interval { start: 0, end: 2 }, Interval { start: 98, end: 100 })
        );
        assert!(pieces.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(pieces_of(Interval { start: 5, end: 8 }, 1).len(), 3);
    }
}
