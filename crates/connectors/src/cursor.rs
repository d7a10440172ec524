//! Going on by a cursor column: which of the rows that the origin answers with are new, and where to go on next time.
//!
//! A database is asked for `cursor >= newest`, because rows with the newest value may still come. Those that were pulled
//! already are known by their hashes. Rows of one value are never parted by a limit, so that a position is between values.
//! It knows values as text and nothing of SQL.

use std::collections::HashMap;

use arrow::datatypes::Schema;
use serde::{Deserialize, Serialize};

use crate::report::no_cursor_row;
use crate::{ConnectorError, Limits, Position, PullRequest, PullSink, Pulled};

/// Hashes that a position holds at most; where there would be more, rows come again and meet those landed by their key.
const MAX_SEEN: usize = 20_000;

/// Where an incremental pull goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CursorPosition {
    /// The newest value that was pulled, as the origin writes it.
    pub(crate) cursor: String,
    /// Hashes of pulled rows that will be answered again.
    #[serde(default)]
    pub(crate) seen: Vec<String>,
}

/// What to do with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It is new.
    Take,
    /// It was pulled before.
    Skip,
    /// It has no cursor value and would never be asked for again: it is set aside.
    NoCursor,
    /// It belongs to the next pull.
    Stop,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on.
    Take,
    /// It is passed over.
    Skip,
    /// It and all that follow are for the next time.
    Stop,
}

/// Rows of one pull, in the order of their cursor.
pub(crate) struct CursorReader {
    column: usize,
    limits: Limits,
    has_lag: bool,
    newest: Option<String>,
    /// Hashes of rows that will be answered again, with this pull's.
    again: Vec<String>,
    known: HashMap<String, usize>,
    taken: u64,
    bytes: u64,
}

impl CursorReader {
    /// Goes on after `position`; `column` is the cursor's place among the values of a row.
    pub(crate) fn new(column: usize, position: Option<&CursorPosition>, has_lag: bool, limits: Limits) -> Self {
        let mut known: HashMap<String, usize> = HashMap::new();
        for hash in position.iter().flat_map(|position| &position.seen) {
            *known.entry(hash.clone()).or_default() += 1;
        }
        Self {
            column,
            limits,
            has_lag,
            newest: position.map(|position| position.cursor.clone()),
            again: Vec::new(),
            known,
            taken: 0,
            bytes: 0,
        }
    }

    /// Says what to do with the next row, by its values as text.
    fn look(&mut self, row: &[Option<String>]) -> Step {
        let Some(cursor) = row.get(self.column).and_then(Option::as_ref) else { return Step::NoCursor };
        let moves = self.newest.as_ref() != Some(cursor);
        let is_full = self.taken >= self.limits.rows || self.bytes >= self.limits.bytes;
        if moves && is_full {
            return Step::Stop;
        }
        if moves {
            self.newest = Some(cursor.clone());
            if !self.has_lag {
                self.again.clear();
            }
        }
        let hash = hash_of(row);
        self.again.push(hash.clone());
        if let Some(count) = self.known.get_mut(&hash).filter(|count| **count > 0) {
            *count -= 1;
            return Step::Skip;
        }
        self.taken += 1;
        self.bytes += row.iter().map(|value| value.as_ref().map_or(1, String::len) as u64).sum::<u64>();
        Step::Take
    }

    /// As [`Self::look`]; a row without cursor value is set aside. `cursor` is the column's name, `natural` the columns at
    /// the origin.
    pub(crate) fn judge(
        &mut self,
        (cursor, natural): (&str, &Schema),
        row: &[Option<String>],
        sink: &mut PullSink,
    ) -> Verdict {
        match self.look(row) {
            Step::Take => Verdict::Take,
            Step::Skip => Verdict::Skip,
            Step::Stop => Verdict::Stop,
            Step::NoCursor => {
                sink.reject(|| no_cursor_row(cursor, natural, row));
                Verdict::Skip
            }
        }
    }

    /// How a pull ended whose rows were all looked at, or all up to a stop.
    ///
    /// # Errors
    /// The position has no JSON form.
    pub(crate) fn pulled(self, request: &PullRequest, complete: bool) -> Result<Pulled, ConnectorError> {
        let position = match self.position() {
            Some(position) => Position::of(&position)?,
            None => request.position.clone().unwrap_or(Position(serde_json::Value::Null)),
        };
        Ok(Pulled { position, complete, replaces: false })
    }

    /// Where the next pull goes on; `None` when nothing was ever pulled.
    fn position(self) -> Option<CursorPosition> {
        let seen = if self.again.len() > MAX_SEEN && self.has_lag { Vec::new() } else { self.again };
        Some(CursorPosition { cursor: self.newest?, seen })
    }
}

/// The first 128 bits of a hash over the values: equal rows are told apart by their number only.
fn hash_of(row: &[Option<String>]) -> String {
    let mut hasher = blake3::Hasher::new();
    for value in row {
        match value {
            Some(text) => {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
            None => {
                hasher.update(&u64::MAX.to_le_bytes());
            }
        }
    }
    hasher.finalize().to_hex().get(..32).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(cursor: &str, text: &str) -> Vec<Option<String>> {
        vec![Some(cursor.to_owned()), Some(text.to_owned())]
    }

    fn pull(
        table: &[Vec<Option<String>>],
        position: Option<CursorPosition>,
        rows: u64,
    ) -> (Vec<String>, Option<CursorPosition>, bool) {
        let from = position.as_ref().map(|position| position.cursor.clone()).unwrap_or_default();
        let limits = Limits { rows, ..Limits::default() };
        let mut reader = CursorReader::new(0, position.as_ref(), false, limits);
        let mut answered: Vec<_> =
            table.iter().filter(|row| row[0].as_deref() >= Some(from.as_str())).cloned().collect();
        answered.sort_by(|a, b| a[0].cmp(&b[0]));
        let mut taken = Vec::new();
        let mut complete = true;
        for row in &answered {
            match reader.look(row) {
                Step::Take => taken.push(row[1].clone().unwrap()),
                Step::Skip | Step::NoCursor => {}
                Step::Stop => {
                    complete = false;
                    break;
                }
            }
        }
        (taken, reader.position(), complete)
    }

    #[test]
    fn rows_that_come_later_with_the_newest_value_are_taken_once() {
        let mut table = vec![row("1", "a"), row("2", "b")];
        let (taken, position, _) = pull(&table, None, 10);
        assert_eq!(taken, ["a", "b"]);
        table.push(row("2", "c"));
        let (taken, position, _) = pull(&table, position, 10);
        assert_eq!(taken, ["c"]);
        assert_eq!(pull(&table, position, 10).0, [] as [String; 0]);
    }

    #[test]
    fn a_row_without_cursor_is_set_aside() {
        let mut reader = CursorReader::new(0, None, false, Limits::default());
        assert_eq!(reader.look(&[None, Some("x".to_owned())]), Step::NoCursor);
        assert_eq!(reader.position(), None);
    }

    proptest! {
        /// Rows only come with values that are not older than the newest: whatever the limit, whenever pulls happen, and
        /// whether a pull is recorded or forgotten, each row is taken exactly once.
        #[test]
        fn every_row_is_taken_once(
            steps in prop::collection::vec((0_u32..3, prop::collection::vec(0_u32..3, 0..6), 1_u64..4, any::<bool>()), 1..12)
        ) {
            let (mut table, mut clock, mut landed, mut position) = (Vec::new(), 0, Vec::new(), None);
            for (ahead, texts, limit, killed) in steps {
                clock += ahead;
                for text in texts {
                    table.push(row(&format!("{clock:05}"), &text.to_string()));
                }
                let (taken, next, _) = pull(&table, position.clone(), limit);
                if !killed {
                    landed.extend(taken);
                    position = next;
                }
            }
            loop {
                let (taken, next, complete) = pull(&table, position.clone(), 2);
                landed.extend(taken);
                position = next;
                if complete {
                    break;
                }
            }
            let mut expected: Vec<String> = table.iter().map(|row| row[1].clone().unwrap()).collect();
            expected.sort();
            landed.sort();
            prop_assert_eq!(landed, expected);
        }
    }
}
