//! Time that is computed in pieces, several at once. Which pieces there are follows from the time alone, so the files
//! are the same however many are computed at once.

use arrow::datatypes::SchemaRef;
use baton_core::asset::Table;
use baton_core::check::Check;
use baton_core::interval::MICROS_PER_SECOND;
use baton_core::{AssetName, Interval, failpoint};
use baton_engine::{BuildOptions, Session};
use baton_lake::TableLocation;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::checks::{checks_of_pass, merged};
use crate::error::RunError;
use crate::execution::Execution;
use crate::write::{Pass, Written};

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
}

impl Execution<'_> {
    /// Computes `interval`, `parallel` pieces at once, and writes them aside in the order of time.
    pub(super) async fn write_pieces(
        &self,
        writing: &Pieces<'_>,
        interval: Interval,
        parallel: usize,
    ) -> Result<(Written, SchemaRef), RunError> {
        let pieces = pieces_of(interval, writing.table.batch.max(1) * MICROS_PER_SECOND);
        let total = pieces.len() as u64;
        let work = pieces.into_iter().map(|piece| self.write_piece(writing, piece));
        let mut done = futures::stream::iter(work).buffered(parallel);
        let (mut all, mut schema) = (Written { files: Vec::new(), rows: 0, checks: Vec::new() }, None);
        let (mut checks, mut count) = (Vec::new(), 0);
        while let Some((written, found)) = done.try_next().await? {
            all.files.extend(written.files);
            all.rows += written.rows;
            checks.push(written.checks);
            schema = Some(found);
            count += 1;
            self.services.progress.advanced(writing.asset, count, total);
            failpoint::reach("build.piece_staged");
        }
        all.checks = merged(checks);
        let schema = schema.ok_or_else(|| RunError::Project(format!("`{}` has no time to compute", writing.asset)))?;
        Ok((all, schema))
    }

    async fn write_piece(&self, writing: &Pieces<'_>, piece: Interval) -> Result<(Written, SchemaRef), RunError> {
        let options =
            BuildOptions { time_column: writing.table.time.clone(), interval: Some(piece), track_availability: true };
        let mut stream = writing.session.execute(&writing.table.sql, &options).await?;
        let schema = stream.schema();
        let checks = checks_of_pass(writing.checks, false);
        let mut pass = Pass::new(self.services, writing.location, Some(writing.base), &schema, &checks)?;
        while let Some(batch) = stream.try_next().await? {
            pass.write(&batch).await?;
        }
        Ok((pass.finish(self.as_of).await?, schema))
    }
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
