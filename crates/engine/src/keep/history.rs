//! A history: for each key all states that were ever seen (slowly changing dimension, type 2).
//!
//! States of a key are put in order anew whenever one comes, so that a late one finds its place: each holds from its
//! `valid_from` until the next one's, or until its key was deleted in between. With `updated_at` a state holds since
//! that instant; without, since the clock that saw it first. Keys whose states stay as they are are not touched.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;
use arrow::datatypes::Schema;
use baton_core::asset::{Deletes, VALID_FROM, VALID_TO};

use super::merge::{keys_at, newest};
use super::rows::{Compared, failed, flags, key_text, known, micros, visible, with_columns};
use super::{Effect, Keeping, VALID_TO_AVAILABLE_AT, instants};
use crate::AVAILABLE_AT;
use crate::error::EngineError;

/// Where a state's columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Stored(usize),
    New(usize),
}

/// A state of a key; instants in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    origin: Origin,
    known: Option<i64>,
}

/// All that is known of one key: states by when they begin, and deletions with when they became known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Line {
    states: BTreeMap<i64, State>,
    deletions: BTreeMap<i64, Option<i64>>,
}

/// What a row of the table will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    origin: Origin,
    from: i64,
    until: Option<i64>,
    known: Option<i64>,
    until_known: Option<i64>,
}

/// The columns of both sides that decide.
struct Scene<'a> {
    keeping: &'a Keeping<'a>,
    rows: &'a RecordBatch,
    /// The compared columns.
    contents: Compared,
    deleted: Vec<bool>,
    known: Vec<Option<i64>>,
}

/// States of `stored` after `rows`; `own` are the columns that the query yields: what only the table still has makes no
/// state another one.
pub(super) fn history(
    stored: &RecordBatch,
    rows: &RecordBatch,
    keeping: &Keeping<'_>,
    own: &Schema,
) -> Result<Effect, EngineError> {
    let table = keeping.table;
    let keys = Compared::of(stored, rows, &table.grain)?;
    let compared = compared_columns(own, keeping);
    let scene = Scene {
        keeping,
        rows,
        contents: Compared::of(stored, rows, &compared)?,
        deleted: flags(rows, table.keep.delete_when.as_deref())?,
        known: known(rows)?,
    };
    let mut lines: BTreeMap<_, Line> = BTreeMap::new();
    let mut representative = BTreeMap::new();
    read_stored(stored, &keys, &mut lines)?;
    for row in 0..stored.num_rows() {
        representative.entry(keys.stored.row(row)).or_insert(Origin::Stored(row));
    }
    let before = lines.clone();
    let mut met = BTreeSet::new();
    match &table.keep.updated_at {
        Some(column) => {
            let changed = micros(rows, column)?;
            for (row, at) in changed.iter().enumerate() {
                let Some(at) = *at else { return Err(no_instant(rows, keeping, column, row)) };
                scene.take_in(lines.entry(keys.new.row(row)).or_default(), row, at)?;
                met.insert(keys.new.row(row));
            }
            if keeping.whole && table.keep.deletes == Deletes::Close && table.keep.delete_when.is_none() {
                scene.reopen(&mut lines, &keys, &changed);
            }
        }
        None => {
            for (key, row) in newest(rows, keeping, &keys, &scene.contents)? {
                scene.compare(lines.entry(key).or_default(), row);
                met.insert(key);
            }
        }
    }
    if keeping.whole && table.keep.deletes == Deletes::Close {
        for (_, line) in lines.iter_mut().filter(|(key, _)| !met.contains(*key)) {
            line.end(keeping.clock, Some(keeping.clock));
        }
    }
    for row in 0..rows.num_rows() {
        representative.entry(keys.new.row(row)).or_insert(Origin::New(row));
    }
    let was = |key: &arrow::row::Row<'_>| before.get(key).map(Line::rows).unwrap_or_default();
    let mut touched: Vec<(_, Vec<Written>)> = lines.iter().map(|(key, line)| (*key, line.rows())).collect();
    touched.retain(|(key, rows)| was(key) != *rows);
    let written: Vec<Written> = touched.iter().flat_map(|(_, rows)| rows.iter().copied()).collect();
    let (mut gone_stored, mut gone_new) = (Vec::new(), Vec::new());
    for (key, _) in &touched {
        match representative.get(key) {
            Some(Origin::Stored(row)) => gone_stored.push(*row as u64),
            Some(Origin::New(row)) => gone_new.push(*row as u64),
            None => {}
        }
    }
    let gone = [keys_at(stored, &table.grain, gone_stored)?, keys_at(rows, &table.grain, gone_new)?];
    let gone = super::concatenated(&gone[0].schema(), &gone)?;
    Ok(Effect { gone, rows: put_together(stored, rows, &written)? })
}

/// The columns whose change is a new state.
fn compared_columns(own: &Schema, keeping: &Keeping<'_>) -> Vec<String> {
    match (&keeping.table.keep.updated_at, keeping.table.keep.check.as_slice()) {
        (None, named) if !named.is_empty() => named.to_vec(),
        _ => visible(own, &[VALID_FROM, VALID_TO]),
    }
}

/// A stored state's end is the next one's beginning, or else a deletion.
fn read_stored<'k>(
    stored: &RecordBatch,
    keys: &'k Compared,
    lines: &mut BTreeMap<arrow::row::Row<'k>, Line>,
) -> Result<(), EngineError> {
    let (from, until) = (micros(stored, VALID_FROM)?, micros(stored, VALID_TO)?);
    let (known, until_known) = (known(stored)?, micros(stored, VALID_TO_AVAILABLE_AT)?);
    for row in 0..stored.num_rows() {
        let line = lines.entry(keys.stored.row(row)).or_default();
        let at = from[row].unwrap_or(i64::MIN);
        line.states.insert(at, State { origin: Origin::Stored(row), known: known[row] });
        if let Some(until) = until[row] {
            line.deletions.insert(until, until_known[row]);
        }
    }
    for line in lines.values_mut() {
        let Line { states, deletions } = line;
        deletions.retain(|at, _| !states.contains_key(at));
    }
    Ok(())
}

impl Scene<'_> {
    /// Puts a row where its instant belongs; of two at one instant, the one that became known later counts.
    fn take_in(&self, line: &mut Line, row: usize, at: i64) -> Result<(), EngineError> {
        let state = State { origin: Origin::New(row), known: self.known[row] };
        if self.deleted[row] {
            // A state of the same instant is older than its deletion.
            line.deletions.entry(at).or_insert(state.known);
            return Ok(());
        }
        let Some(there) = line.states.get(&at).copied() else {
            line.states.insert(at, state);
            return Ok(());
        };
        if self.same(there.origin, row) || there.known > state.known {
            return Ok(());
        }
        if matches!(there.origin, Origin::New(_)) && there.known == state.known {
            let key = key_text(self.rows, &self.keeping.table.grain, row);
            let reason = format!("different rows share the key {key} and its `updated_at`: make `grain` unique");
            return Err(EngineError::Kept { reason });
        }
        line.states.insert(at, state);
        Ok(())
    }

    /// A key that was closed because it was gone, and is back as it was, has a state again from the clock on.
    fn reopen<'k>(&self, lines: &mut BTreeMap<arrow::row::Row<'k>, Line>, keys: &'k Compared, changed: &[Option<i64>]) {
        let mut last: BTreeMap<_, (i64, usize)> = BTreeMap::new();
        for (row, at) in changed.iter().enumerate() {
            let entry = last.entry(keys.new.row(row)).or_insert((i64::MIN, row));
            *entry = (*entry).max((at.unwrap_or(i64::MIN), row));
        }
        for (key, (at, row)) in last {
            let Some(line) = lines.get_mut(&key) else { continue };
            let newest = line.states.keys().next_back().copied().unwrap_or(i64::MIN);
            if line.is_ended() && at <= newest && self.keeping.clock > newest {
                let clock = self.keeping.clock;
                line.states.insert(clock, State { origin: Origin::New(row), known: Some(clock) });
            }
        }
    }

    /// A row that differs from the state that holds is a new state from the clock on.
    fn compare(&self, line: &mut Line, row: usize) {
        let clock = self.keeping.clock;
        if self.deleted[row] {
            line.end(clock, Some(clock));
            return;
        }
        let current = line.states.iter().next_back().filter(|_| !line.is_ended()).map(|(_, state)| state.origin);
        if current.is_none_or(|origin| !self.same(origin, row)) {
            line.deletions.remove(&clock);
            line.states.insert(clock, State { origin: Origin::New(row), known: Some(clock) });
        }
    }

    fn same(&self, origin: Origin, row: usize) -> bool {
        let new = self.contents.new.row(row);
        match origin {
            Origin::Stored(old) => self.contents.stored.row(old) == new,
            Origin::New(other) => self.contents.new.row(other) == new,
        }
    }
}

impl Line {
    /// Whether the key is deleted after its last state.
    fn is_ended(&self) -> bool {
        let newest = self.states.keys().next_back();
        let deleted = self.deletions.keys().next_back();
        matches!((newest, deleted), (Some(newest), Some(deleted)) if deleted >= newest)
    }

    /// Ends the last state, if there is one that holds.
    fn end(&mut self, at: i64, known: Option<i64>) {
        let newest = self.states.keys().next_back().copied();
        if let Some(newest) = newest.filter(|_| !self.is_ended()) {
            // A state never ends before it begins.
            self.deletions.insert(at.max(newest), known);
        }
    }

    /// Each state until the next state or deletion; one that ends as it begins never held.
    fn rows(&self) -> Vec<Written> {
        let instants: Vec<i64> = self.states.keys().copied().collect();
        let row = |(index, (from, state)): (usize, (&i64, &State))| {
            let next = instants.get(index + 1).map(|next| (*next, self.states[next].known));
            let deletion = self.deletions.range(*from..).next().map(|(at, known)| (*at, *known));
            let end = match (next, deletion) {
                (Some(next), Some(deletion)) if deletion.0 < next.0 => Some(deletion),
                (None, deletion) => deletion,
                (next, _) => next,
            };
            Written {
                origin: state.origin,
                from: *from,
                until: end.map(|(at, _)| at),
                known: state.known,
                until_known: end.and_then(|(_, known)| known),
            }
        };
        self.states.iter().enumerate().map(row).filter(|row| row.until != Some(row.from)).collect()
    }
}

fn put_together(stored: &RecordBatch, rows: &RecordBatch, written: &[Written]) -> Result<RecordBatch, EngineError> {
    let at: Vec<(usize, usize)> = written
        .iter()
        .map(|row| match row.origin {
            Origin::Stored(row) => (0, row),
            Origin::New(row) => (1, row),
        })
        .collect();
    let taken = interleave_record_batch(&[stored, rows], &at).map_err(failed)?;
    let column = |value: fn(&Written) -> Option<i64>| instants(written.iter().map(value).collect());
    with_columns(
        &taken,
        &[
            (VALID_FROM, column(|row| Some(row.from))),
            (VALID_TO, column(|row| row.until)),
            (AVAILABLE_AT, column(|row| row.known)),
            (VALID_TO_AVAILABLE_AT, column(|row| row.until_known)),
        ],
    )
}

fn no_instant(rows: &RecordBatch, keeping: &Keeping<'_>, column: &str, row: usize) -> EngineError {
    let key = key_text(rows, &keeping.table.grain, row);
    EngineError::Kept { reason: format!("the row with key {key} has no `{column}`: leave such rows out of the query") }
}
