//! Rules of checks that a row, or a count of rows, answers: all of a table's in one pass over its batches.
//!
//! [`RowChecker`] compiles the rules against the schema, once; a batch is then judged by one or two kernels a rule.
//! Rules that compare rows with each other or with other tables (`unique`, `relationships`, `sql`) and checks with a
//! filter are queries, which this crate does not know.

mod checker;
mod literal;
mod message;
mod rule;

#[cfg(test)]
mod tests;

pub use checker::{FailingRows, RowChecker, is_row_rule};
