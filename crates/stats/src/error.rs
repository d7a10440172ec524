//! What can go wrong while statistics are computed. Every variant names the object, the reason and the way out.

use arrow::error::ArrowError;

use crate::drift::{Convention, Method};

/// A failure of this crate.
#[derive(Debug, thiserror::Error)]
pub enum StatsError {
    /// A batch does not have the columns that the profiler or the checker was built for.
    #[error(
        "batch has {found} columns where the schema has {expected}; build a new profiler or checker for the new schema"
    )]
    BatchShape {
        /// Columns of the schema.
        expected: usize,
        /// Columns of the batch.
        found: usize,
    },
    /// Two profiles hold a column under one name with different types.
    #[error(
        "profiles of column `{column}` cannot be merged: `{left}` against `{right}`; profile both sides with one type"
    )]
    ProfileTypes {
        /// The column.
        column: String,
        /// Its type in the first profile.
        left: String,
        /// Its type in the second profile.
        right: String,
    },
    /// Stored profile bytes could not be read.
    #[error("stored profile is unreadable at byte {at}: {reason}; compute the profile again")]
    ProfileBytes {
        /// Offset of the byte where reading stopped.
        at: usize,
        /// What was wrong there.
        reason: &'static str,
    },
    /// A check names a column that the table does not have.
    #[error("check `{check}` reads unknown column `{column}`; the table has {available}")]
    CheckColumn {
        /// The check.
        check: String,
        /// The column it names.
        column: String,
        /// The columns there are.
        available: String,
    },
    /// A check that is about a column names none.
    #[error("check `{check}` names no column; write it under the column it is about")]
    CheckWithoutColumn {
        /// The check.
        check: String,
    },
    /// A check does not fit the type of its column.
    #[error("check `{check}` does not fit column `{column}` of type {data_type}: {reason}; {action}")]
    CheckType {
        /// The check.
        check: String,
        /// The column.
        column: String,
        /// The column's type.
        data_type: String,
        /// Why they do not fit.
        reason: String,
        /// What to do.
        action: &'static str,
    },
    /// The pattern of a `matches` check is not a regular expression.
    #[error("check `{check}` has an invalid pattern `{pattern}`; correct the regular expression")]
    CheckPattern {
        /// The check.
        check: String,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: Box<regex::Error>,
    },
    /// A rule that this evaluator does not answer was handed to it.
    #[error("check `{check}` cannot be answered row by row; run it as a query")]
    CheckNotByRow {
        /// The check.
        check: String,
    },
    /// A failing row could not be written as JSON.
    #[error("a sample of failing rows could not be written as JSON")]
    Sample(#[from] serde_json::Error),
    /// A kernel refused its input.
    #[error("a computation on column data failed")]
    Arrow(#[from] ArrowError),
    /// A sample has no value left after cleaning.
    #[error("the {sample} sample has no values; choose a window with rows")]
    EmptySample {
        /// Which sample.
        sample: &'static str,
    },
    /// One sample is numeric, the other categorical.
    #[error("the samples cannot be compared: one is numeric, the other categorical; read both as one type")]
    SampleKinds,
    /// A drift method does not fit the kind of the samples or the convention.
    #[error(
        "drift method `{method}` of convention `{convention}` does not score {kind} samples; choose another method or `auto`"
    )]
    DriftMethod {
        /// The method.
        method: Method,
        /// The convention.
        convention: Convention,
        /// The kind of the samples.
        kind: &'static str,
    },
    /// A drift method has no value for these samples.
    #[error("drift method `{method}` is undefined here: {reason}; choose another method or more rows")]
    DriftUndefined {
        /// The method.
        method: Method,
        /// Why.
        reason: &'static str,
    },
    /// A threshold cannot be learned from the reference.
    #[error("no threshold can be learned for drift method `{method}`: {reason}; give a threshold")]
    DriftThreshold {
        /// The method.
        method: Method,
        /// Why.
        reason: &'static str,
    },
    /// A name is none of those known.
    #[error("unknown {noun} `{name}`; known are {known}")]
    UnknownName {
        /// What the name should denote.
        noun: &'static str,
        /// The name.
        name: String,
        /// The known names.
        known: String,
    },
}
