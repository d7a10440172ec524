//! Changes of rows on their way to one row a key: what inserts, updates and deletes come to, in the order they happened.
//!
//! Shared by connectors that follow changes. It knows values as text and keeps what an update left out as such; the caller
//! takes that from the landed row.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field, Schema};

use crate::sink::{FORMER_KEY, OPERATION, UNCHANGED};

/// A value of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    /// It is as it was, and the change does not say how.
    Unchanged,
}

impl Cell {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Unchanged => None,
        }
    }
}

/// What a key's changes come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Insert,
    Update,
    Delete,
}

impl Operation {
    fn word(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

type Key = Vec<Option<String>>;

#[derive(Debug, Clone)]
struct Row {
    operation: Operation,
    /// By the columns of the log; shorter when columns came later.
    cells: Vec<Cell>,
    /// The key under which what is left out stands in the landed rows, where that is another.
    origin: Option<Key>,
}

/// The changes since the last landing.
pub(crate) struct ChangeLog<C> {
    key: Vec<String>,
    columns: Vec<(String, C)>,
    places: HashMap<Key, usize>,
    rows: Vec<Row>,
    n_bytes: u64,
    truncated: bool,
}

impl<C> ChangeLog<C> {
    /// No changes yet, of rows that `key` tells apart.
    pub(crate) fn new(key: &[String]) -> Self {
        Self {
            key: key.to_vec(),
            columns: Vec::new(),
            places: HashMap::new(),
            rows: Vec::new(),
            n_bytes: 0,
            truncated: false,
        }
    }

    /// Notes the columns that changes have from here on; answers where each stands in the log.
    pub(crate) fn set_columns(&mut self, columns: impl IntoIterator<Item = (String, C)>) -> Vec<usize> {
        let mut places = Vec::new();
        for (name, kind) in columns {
            match self.columns.iter().position(|(known, _)| *known == name) {
                Some(place) => {
                    self.columns[place].1 = kind;
                    places.push(place);
                }
                None => {
                    places.push(self.columns.len());
                    self.columns.push((name, kind));
                }
            }
        }
        places
    }

    /// Takes a row that is there now; `former` holds what is known of it before, where its key may have changed.
    pub(crate) fn upsert(&mut self, operation: Operation, cells: Vec<Cell>, former: Option<&[Cell]>) {
        self.count(&cells);
        let now = self.key_of(&cells);
        let was = former.map_or_else(|| now.clone(), |former| self.key_of(former));
        let before = self.places.get(&was).map(|place| self.rows[*place].clone());
        let mut row = Row { operation, cells, origin: None };
        if operation == Operation::Update {
            row.complete(former, before.as_ref());
        }
        if was != now {
            row.origin = Some(before.and_then(|before| before.origin).unwrap_or_else(|| was.clone()));
            self.delete_at(was.clone(), Vec::new());
        } else if let Some(before) = before {
            row.origin = before.origin;
            // A row that was not there at the last landing is still new to it.
            if before.operation == Operation::Insert && operation == Operation::Update {
                row.operation = Operation::Insert;
            }
        }
        self.put(now, row);
    }

    /// Takes a row that is gone; `cells` is what is known of it.
    pub(crate) fn delete(&mut self, cells: Vec<Cell>) {
        self.count(&cells);
        let key = self.key_of(&cells);
        self.delete_at(key, cells);
    }

    /// Everything that was there is gone, landed or not.
    pub(crate) fn truncate(&mut self) {
        self.places.clear();
        self.rows.clear();
        self.truncated = true;
    }

    /// Whether what was landed before is void.
    pub(crate) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// Bytes of values taken.
    pub(crate) fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// The columns, as last noted.
    pub(crate) fn columns(&self) -> &[(String, C)] {
        &self.columns
    }

    /// The schema of the rows with what happened to them, given the types of the columns.
    pub(crate) fn schema(&self, data_type: impl Fn(&C) -> DataType) -> Schema {
        let columns = self.columns.iter().map(|(name, kind)| Field::new(name, data_type(kind), true));
        let former = self.key.iter().map(|name| Field::new(format!("{FORMER_KEY}{name}"), DataType::Utf8, true));
        let about = [OPERATION, UNCHANGED].map(|name| Field::new(name, DataType::Utf8, true));
        Schema::new(columns.chain(about).chain(former).collect::<Vec<_>>())
    }

    /// Hands on each key's row, in the order in which keys first changed: its values by column, then what
    /// [`ChangeLog::schema`] has behind them.
    pub(crate) fn for_each(&self, mut take: impl FnMut(&[Option<&str>])) {
        // Each row has its key: one that is gone is a row that says so.
        for row in &self.rows {
            let cell = |place: usize| row.cells.get(place);
            let left_out: Vec<&str> = (0..self.columns.len())
                .filter(|place| cell(*place) == Some(&Cell::Unchanged))
                .map(|place| self.columns[place].0.as_str())
                .collect();
            let left_out = (!left_out.is_empty()).then(|| serde_json::json!(left_out).to_string());
            let mut values: Vec<Option<&str>> =
                (0..self.columns.len()).map(|place| cell(place).and_then(Cell::text)).collect();
            values.push(Some(row.operation.word()));
            values.push(left_out.as_deref());
            match &row.origin {
                Some(origin) => values.extend(origin.iter().map(Option::as_deref)),
                None => values.extend(self.key.iter().map(|_| None)),
            }
            take(&values);
        }
    }

    fn count(&mut self, cells: &[Cell]) {
        self.n_bytes += cells.iter().map(|cell| 24 + cell.text().map_or(0, str::len) as u64).sum::<u64>();
    }

    fn key_of(&self, cells: &[Cell]) -> Key {
        let place = |name: &String| self.columns.iter().position(|(known, _)| known == name);
        self.key.iter().map(|name| cells.get(place(name)?)?.text().map(str::to_owned)).collect()
    }

    fn delete_at(&mut self, key: Key, mut cells: Vec<Cell>) {
        let before = self.places.get(&key).map(|place| self.rows[*place].clone());
        cells.resize(self.columns.len(), Cell::Unchanged);
        for (name, value) in self.key.iter().zip(&key) {
            if let Some(place) = self.columns.iter().position(|(known, _)| known == name) {
                cells[place] = value.clone().map_or(Cell::Null, Cell::Text);
            }
        }
        let mut row = Row { operation: Operation::Delete, cells, origin: None };
        row.complete(None, before.as_ref());
        row.origin = before.and_then(|before| before.origin);
        self.put(key, row);
    }

    fn put(&mut self, key: Key, row: Row) {
        match self.places.get(&key) {
            Some(place) => self.rows[*place] = row,
            None => {
                self.places.insert(key, self.rows.len());
                self.rows.push(row);
            }
        }
    }
}

impl Row {
    /// Takes what was left out from what is known of the row before.
    fn complete(&mut self, former: Option<&[Cell]>, before: Option<&Self>) {
        for (place, cell) in self.cells.iter_mut().enumerate().filter(|(_, cell)| **cell == Cell::Unchanged) {
            let known = former.and_then(|former| former.get(place)).filter(|cell| matches!(cell, Cell::Text(_)));
            let known = known.or_else(|| before.and_then(|before| before.cells.get(place)));
            if let Some(known) = known {
                *cell = known.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(values: &[&str]) -> Vec<Cell> {
        let cell = |value: &&str| match *value {
            "-" => Cell::Null,
            "=" => Cell::Unchanged,
            text => Cell::Text(text.to_owned()),
        };
        values.iter().map(cell).collect()
    }

    fn log() -> ChangeLog<()> {
        let mut log = ChangeLog::new(&["id".to_owned()]);
        log.set_columns([("id".to_owned(), ()), ("name".to_owned(), ()), ("text".to_owned(), ())]);
        log
    }

    fn shown(log: &ChangeLog<()>) -> Vec<String> {
        let mut lines = Vec::new();
        log.for_each(|values| {
            lines.push(values.iter().map(|value| value.unwrap_or("-")).collect::<Vec<_>>().join(" "));
        });
        lines.sort();
        lines
    }

    #[test]
    fn changes_of_a_key_come_to_one_row() {
        let mut log = log();
        log.upsert(Operation::Insert, cells(&["1", "a", "long"]), None);
        log.upsert(Operation::Update, cells(&["1", "b", "="]), None);
        log.upsert(Operation::Update, cells(&["2", "c", "="]), None);
        log.upsert(Operation::Insert, cells(&["3", "x", "y"]), None);
        log.delete(cells(&["3", "=", "="]));
        assert_eq!(shown(&log), ["1 b long insert - -", "2 c - update [\"text\"] -", "3 x y delete - -"]);
    }

    #[test]
    fn a_row_that_moves_to_another_key_leaves_the_old_one() {
        let mut log = log();
        log.upsert(Operation::Update, cells(&["2", "b", "="]), Some(&cells(&["1", "-", "-"])));
        assert_eq!(shown(&log), ["1 - - delete [\"name\",\"text\"] -", "2 b - update [\"text\"] 1"]);
        log.upsert(Operation::Update, cells(&["3", "c", "="]), Some(&cells(&["2", "-", "-"])));
        assert_eq!(shown(&log)[2], "3 c - update [\"text\"] 1");
        log.upsert(Operation::Insert, cells(&["1", "n", "new"]), None);
        assert_eq!(shown(&log)[0], "1 n new insert - -");
    }

    #[test]
    fn keys_come_in_the_order_in_which_they_first_changed() {
        let mut log = log();
        for id in ["3", "1", "2", "1"] {
            log.upsert(Operation::Insert, cells(&[id, "a", "x"]), None);
        }
        let mut ids = Vec::new();
        log.for_each(|values| ids.push(values[0].unwrap_or_default().to_owned()));
        assert_eq!(ids, ["3", "1", "2"]);
    }

    #[test]
    fn truncation_voids_what_came_before() {
        let mut log = log();
        log.upsert(Operation::Insert, cells(&["1", "a", "x"]), None);
        log.truncate();
        log.upsert(Operation::Insert, cells(&["2", "a", "x"]), None);
        assert!(log.is_truncated());
        assert_eq!(shown(&log), ["2 a x insert - -"]);
    }

    #[test]
    fn columns_that_come_later_are_null_before() {
        let mut log = log();
        log.upsert(Operation::Insert, cells(&["1", "a", "x"]), None);
        let places = log.set_columns([("id".to_owned(), ()), ("new".to_owned(), ())]);
        assert_eq!(places, [0, 3]);
        assert_eq!(shown(&log), ["1 a x - insert - -"]);
    }
}
