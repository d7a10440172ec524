//! How rows differ from those that were expected, cell by cell. Pure.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array as _, ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::{Deserialize, Serialize};

use super::rows::TypedRows;
use crate::values::numbers;

/// Numbers with fractions are equal when they differ by less than this share of their size.
const RELATIVE: f64 = 1e-9;

/// How rows differ from those that were expected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowDifference {
    /// The columns that were compared.
    pub columns: Vec<String>,
    /// How many rows were expected.
    pub expected_rows: usize,
    /// How many there are.
    pub actual_rows: usize,
    /// Expected rows that are not there; values as text, null as null, by column.
    pub missing: Vec<Vec<Option<String>>>,
    /// Rows that were not expected.
    pub unexpected: Vec<Vec<Option<String>>>,
    /// Rows that are there with other values.
    pub changed: Vec<DifferentRow>,
    /// Whether the rows are the expected ones in another order.
    pub out_of_order: bool,
}

/// A row that is there with other values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferentRow {
    /// The row as it is.
    pub actual: Vec<Option<String>>,
    /// The cells that differ.
    pub cells: Vec<DifferentCell>,
}

/// A cell that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferentCell {
    /// Its column.
    pub column: String,
    /// What was expected.
    pub expected: Option<String>,
    /// What is there.
    pub actual: Option<String>,
}

impl RowDifference {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.changed.is_empty() && !self.out_of_order
    }
}

/// How to compare.
#[derive(Debug, Clone, Default)]
pub(super) struct Comparison {
    /// The columns that identify a row; rows are compared pair by pair when all of them were written.
    pub(super) keys: Vec<String>,
    /// Whether order counts.
    pub(super) ordered: bool,
    /// How far numbers with fractions may be apart.
    pub(super) tolerance: Option<f64>,
}

/// Compares expected rows with actual ones, which have at least their columns, with their types.
pub(super) fn difference(
    expected: &TypedRows,
    actual: &RecordBatch,
    comparison: &Comparison,
) -> Result<RowDifference, ArrowError> {
    let columns: Vec<String> = expected.batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    let indices = columns.iter().map(|name| actual.schema().index_of(name)).collect::<Result<Vec<_>, _>>()?;
    let actual = actual.project(&indices)?;
    let grid = Grid {
        expected: Side::new(&expected.batch)?,
        actual: Side::new(&actual)?,
        expected_rows: expected,
        columns: &columns,
        tolerance: comparison.tolerance,
    };
    let pairs = if comparison.ordered { grid.pairs_in_order() } else { grid.pairs(&comparison.keys) };
    let mut found = grid.told(&pairs);
    if comparison.ordered && !found.is_empty() {
        let in_any_order = grid.told(&grid.pairs(&comparison.keys));
        if in_any_order.is_empty() {
            found = RowDifference { out_of_order: true, ..in_any_order };
        }
    }
    Ok(found)
}

/// Values of one side, row by row.
struct Side {
    texts: Vec<Vec<Option<String>>>,
    /// By column, where it holds fractions.
    numbers: Vec<Option<Vec<f64>>>,
}

impl Side {
    fn new(batch: &RecordBatch) -> Result<Self, ArrowError> {
        let columns = batch.columns().iter().map(texts).collect::<Result<Vec<_>, _>>()?;
        let rows = (0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect());
        let is_fraction = |column: &ArrayRef| column.data_type().is_floating();
        let numbers = batch.columns().iter().map(|column| is_fraction(column).then(|| numbers(column)));
        Ok(Self { texts: rows.collect(), numbers: numbers.collect() })
    }
}

fn texts(column: &ArrayRef) -> Result<Vec<Option<String>>, ArrowError> {
    let is_instant = matches!(column.data_type(), DataType::Timestamp(..));
    let options = FormatOptions::default().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));
    let formatter = ArrayFormatter::try_new(column, &options)?;
    let text = |row: usize| {
        let text = formatter.value(row).try_to_string()?;
        let short = text.strip_suffix(":00Z").filter(|_| is_instant).map(|minutes| format!("{minutes}Z"));
        Ok(Some(short.unwrap_or(text)))
    };
    (0..column.len()).map(|row| if column.is_null(row) { Ok(None) } else { text(row) }).collect()
}

type Pairs = Vec<(Option<usize>, Option<usize>)>;

struct Grid<'a> {
    expected: Side,
    actual: Side,
    expected_rows: &'a TypedRows,
    columns: &'a [String],
    tolerance: Option<f64>,
}

impl Grid<'_> {
    fn is_mentioned(&self, row: usize, column: usize) -> bool {
        let mentioned = self.expected_rows.mentioned.as_ref();
        mentioned.is_none_or(|rows| rows[row].contains(&self.columns[column]))
    }

    fn agrees(&self, expected: usize, actual: usize, column: usize) -> bool {
        if !self.is_mentioned(expected, column) {
            return true;
        }
        let (wanted, found) = (&self.expected.texts[expected][column], &self.actual.texts[actual][column]);
        if wanted == found {
            return true;
        }
        let (Some(wanted), Some(found)) = (&self.expected.numbers[column], &self.actual.numbers[column]) else {
            return false;
        };
        let (wanted, found) = (wanted[expected], found[actual]);
        let allowed = self.tolerance.unwrap_or_else(|| RELATIVE * wanted.abs().max(found.abs()));
        (wanted - found).abs() <= allowed
    }

    fn n_agreeing(&self, expected: usize, actual: usize) -> usize {
        (0..self.columns.len())
            .filter(|column| self.is_mentioned(expected, *column) && self.agrees(expected, actual, *column))
            .count()
    }

    fn is_equal(&self, expected: usize, actual: usize) -> bool {
        (0..self.columns.len()).all(|column| self.agrees(expected, actual, column))
    }

    fn pairs_in_order(&self) -> Pairs {
        let (expected, actual) = (self.expected.texts.len(), self.actual.texts.len());
        let at = |row: usize, count: usize| (row < count).then_some(row);
        (0..expected.max(actual)).map(|row| (at(row, expected), at(row, actual))).collect()
    }

    /// Which expected row is which actual one: by key, else equal rows first and then the most alike.
    fn pairs(&self, keys: &[String]) -> Pairs {
        let positions: Option<Vec<usize>> =
            keys.iter().map(|key| self.columns.iter().position(|column| column == key)).collect();
        let is_written = |positions: &Vec<usize>| {
            let rows = 0..self.expected.texts.len();
            rows.clone().all(|row| positions.iter().all(|column| self.is_mentioned(row, *column)))
        };
        match positions.filter(|positions| !positions.is_empty()).filter(is_written) {
            Some(positions) => self.pairs_by_key(&positions),
            None => self.pairs_by_likeness(),
        }
    }

    fn pairs_by_key(&self, positions: &[usize]) -> Pairs {
        let key = |row: &Vec<Option<String>>| -> Vec<Option<String>> {
            positions.iter().map(|column| row[*column].clone()).collect()
        };
        let mut waiting: BTreeMap<Vec<Option<String>>, Vec<usize>> = BTreeMap::new();
        for (row, texts) in self.actual.texts.iter().enumerate().rev() {
            waiting.entry(key(texts)).or_default().push(row);
        }
        let mut pairs: Pairs = Vec::new();
        for (row, texts) in self.expected.texts.iter().enumerate() {
            // Where a key is there twice, the row that is as expected comes first.
            let alike = waiting.get_mut(&key(texts)).filter(|rows| !rows.is_empty());
            let found = alike.map(|rows| {
                let equal = rows.iter().rposition(|actual| self.is_equal(row, *actual));
                rows.remove(equal.unwrap_or(rows.len() - 1))
            });
            pairs.push((Some(row), found));
        }
        let mut left: Vec<usize> = waiting.into_values().flatten().collect();
        left.sort_unstable();
        pairs.extend(left.into_iter().map(|row| (None, Some(row))));
        pairs
    }

    fn pairs_by_likeness(&self) -> Pairs {
        let mut free: BTreeSet<usize> = (0..self.actual.texts.len()).collect();
        let mut pairs: Pairs = (0..self.expected.texts.len()).map(|row| (Some(row), None)).collect();
        for (row, pair) in pairs.iter_mut().enumerate() {
            let equal = free.iter().copied().find(|actual| self.is_equal(row, *actual));
            pair.1 = equal.inspect(|actual| {
                free.remove(actual);
            });
        }
        for (row, pair) in pairs.iter_mut().enumerate().filter(|(_, pair)| pair.1.is_none()) {
            let least = self.columns.len().div_ceil(2).max(1);
            let alike = free.iter().copied().max_by_key(|actual| (self.n_agreeing(row, *actual), usize::MAX - actual));
            pair.1 = alike.filter(|actual| self.n_agreeing(row, *actual) >= least).inspect(|actual| {
                free.remove(actual);
            });
        }
        pairs.extend(free.into_iter().map(|row| (None, Some(row))));
        pairs
    }

    fn told(&self, pairs: &Pairs) -> RowDifference {
        let mut told = RowDifference {
            columns: self.columns.to_vec(),
            expected_rows: self.expected.texts.len(),
            actual_rows: self.actual.texts.len(),
            ..RowDifference::default()
        };
        for pair in pairs {
            match *pair {
                (Some(expected), Some(actual)) if self.is_equal(expected, actual) => {}
                (Some(expected), Some(actual)) => told.changed.push(self.changed(expected, actual)),
                (Some(expected), None) => told.missing.push(self.expected.texts[expected].clone()),
                (None, Some(actual)) => told.unexpected.push(self.actual.texts[actual].clone()),
                (None, None) => {}
            }
        }
        told
    }

    fn changed(&self, expected: usize, actual: usize) -> DifferentRow {
        let differing = (0..self.columns.len()).filter(|column| !self.agrees(expected, actual, *column));
        let cells = differing.map(|column| DifferentCell {
            column: self.columns[column].clone(),
            expected: self.expected.texts[expected][column].clone(),
            actual: self.actual.texts[actual][column].clone(),
        });
        DifferentRow { cells: cells.collect(), actual: self.actual.texts[actual].clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringArray};

    use super::*;

    fn batch(rows: &[(i64, Option<&str>, f64)]) -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
        let names: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1)));
        let shares: ArrayRef = Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.2)));
        RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("name", names, true), ("share", shares, true)])
            .unwrap()
    }

    fn compare(
        expected: &[(i64, Option<&str>, f64)],
        actual: &[(i64, Option<&str>, f64)],
        keys: &[&str],
        ordered: bool,
    ) -> RowDifference {
        let expected = TypedRows { batch: batch(expected), mentioned: None };
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        difference(&expected, &batch(actual), &Comparison { keys, ordered, tolerance: None }).unwrap()
    }

    #[test]
    fn order_counts_only_when_asked_and_nulls_equal_nulls() {
        let rows = [(1, Some("a"), 0.1 + 0.2), (2, None, 1.0)];
        let turned = [(2, None, 1.0), (1, Some("a"), 0.3)];
        assert!(compare(&rows, &turned, &[], false).is_empty());
        let found = compare(&rows, &turned, &[], true);
        assert!(found.out_of_order && found.changed.is_empty());
    }

    #[test]
    fn rows_of_a_grain_are_compared_cell_by_cell() {
        let expected = [(1, Some("a"), 0.5), (2, Some("b"), 1.0), (3, Some("c"), 1.0)];
        let actual = [(1, Some("x"), 0.5), (2, Some("b"), 2.0), (4, Some("c"), 1.0)];
        let found = compare(&expected, &actual, &["id"], false);
        let cells: Vec<(&str, Option<&str>, Option<&str>)> = found
            .changed
            .iter()
            .flat_map(|row| &row.cells)
            .map(|cell| (cell.column.as_str(), cell.expected.as_deref(), cell.actual.as_deref()))
            .collect();
        assert_eq!(cells, [("name", Some("a"), Some("x")), ("share", Some("1.0"), Some("2.0"))]);
        assert_eq!((found.missing.len(), found.unexpected.len()), (1, 1));
    }

    #[test]
    fn without_a_grain_the_most_alike_rows_are_compared() {
        let found = compare(&[(1, Some("a"), 0.5)], &[(9, Some("z"), 9.0), (2, Some("a"), 0.5)], &[], false);
        assert_eq!(found.changed[0].cells[0].column, "id");
        assert_eq!(found.unexpected.len(), 1);
    }

    #[test]
    fn a_row_that_is_there_twice_is_expected_twice() {
        let found = compare(&[(1, Some("a"), 0.5)], &[(1, Some("a"), 0.5), (1, Some("a"), 0.5)], &["id"], false);
        assert_eq!((found.unexpected.len(), found.expected_rows, found.actual_rows), (1, 1, 2));
    }

    #[test]
    fn cells_that_a_row_leaves_out_are_not_compared() {
        let mentioned = Some(vec![["id".to_owned()].into(), ["id".to_owned(), "name".to_owned()].into()]);
        let expected = TypedRows { batch: batch(&[(1, None, 0.0), (2, Some("b"), 0.0)]), mentioned };
        let actual = batch(&[(1, Some("a"), 7.0), (2, Some("b"), 8.0)]);
        assert!(difference(&expected, &actual, &Comparison::default()).unwrap().is_empty());
    }
}
