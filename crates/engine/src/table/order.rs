//! In which orders the rows of a table come when its files are read one after the other.
//!
//! A column gives an order when it goes up in each of the files, and when no file begins before the one before it
//! ends. Both are known of the log: nothing is read. Operators above a scan that ask for such an order need no sort, and a
//! group is complete as soon as the next one begins.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{ColumnStatistics, ScalarValue};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};

use super::files::KnownFile;

/// More orders than these cost more to keep track of while a query is planned than they are likely to save.
const MOST_ORDERS: usize = 8;

/// The orders, each by one column of `schema`, in which the rows of `files` come; of the columns in `projection` only.
pub(super) fn orders_of(files: &[&KnownFile], schema: &SchemaRef, projection: Option<&Vec<usize>>) -> Vec<LexOrdering> {
    let all: Vec<usize> = (0..schema.fields().len()).collect();
    let ordered = projection
        .unwrap_or(&all)
        .iter()
        .copied()
        .filter(|column| has_an_order(schema.field(*column).data_type()) && goes_up(files, *column));
    ordered.take(MOST_ORDERS).filter_map(|column| order_by(column, schema)).collect()
}

/// As the lake looks for it: not texts, whose bounds may be cut, nor floating-point numbers, among which may be a NaN.
fn has_an_order(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal128(..) | DataType::Date32 | DataType::Timestamp(..) => true,
        _ => data_type.is_signed_integer(),
    }
}

/// A column of one value everywhere is no order that anybody asks for.
fn goes_up(files: &[&KnownFile], column: usize) -> bool {
    let ends: Option<Vec<_>> = files.iter().map(|file| ends_of(file, column)).collect();
    let Some(ends) = ends else { return false };
    let follow_each_other = ends.windows(2).all(|pair| match (pair[0].1, pair[1].0) {
        (Some(end), Some(begin)) => end <= begin,
        _ => false,
    });
    let same = ends.first().is_some_and(|(first, _)| first.is_some() && ends.iter().all(|(_, end)| end == first));
    follow_each_other && !same
}

/// The bounds of a column that goes up in `file`, as far as they are known; `None` for one that does not.
fn ends_of(file: &KnownFile, column: usize) -> Option<(Option<&ScalarValue>, Option<&ScalarValue>)> {
    let ColumnStatistics { min_value, max_value, .. } = file.bounds.column_statistics.get(column)?;
    file.ascending.contains(&column).then(|| (min_value.get_value(), max_value.get_value()))
}

/// Where nulls would stand does not matter, as there are none: at the end, where SQL puts them.
fn order_by(column: usize, schema: &SchemaRef) -> Option<LexOrdering> {
    let expression = Arc::new(Column::new(schema.field(column).name(), column));
    let options = SortOptions { descending: false, nulls_first: false };
    LexOrdering::new([PhysicalSortExpr::new(expression, options)])
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
