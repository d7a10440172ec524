//! When rows became known, carried through a query.
//!
//! Every row of a table may say when it became known (`_available_at`). A row of a query's result is known once every
//! row that it was computed from is known. [`track`] rewrites a plan so that each of its rows carries that instant;
//! [`bind`] only hides what a logical clock does not know yet. The law that both keep, and that the tests check: the
//! rows of a result that say they are known at an instant are rows of the same query run over what was known then.
//!
//! | node | a row is known when |
//! |---|---|
//! | scan | its `_available_at`; always, if the table has none |
//! | projection, filter, sort, alias, unnest | its input row is |
//! | join | the later of both sides is; of an outer row, its own side |
//! | semi join | the left row and the first match are (with further conditions: all rows with that key) |
//! | anti join | the left row is: no match is no row to wait for |
//! | mark join (`in` below `or`) | the left row and all rows with that key are |
//! | aggregate | the last row of the group is; of a plain `distinct`, the first |
//! | window | its row and the last row of the frame (of the partition, for functions that look at all of it) are |
//! | limit | its row is; with `offset`, the last row of the input is |
//! | union | its own row is |
//!
//! Rows of one delivery all became known at one instant, which the statistics of the files say. It is then carried as a
//! constant, beside the plan and not in it, and costs nothing.

mod join;
mod prepare;
mod scan;
mod walk;
mod window;

#[cfg(test)]
mod at_once_tests;
#[cfg(test)]
mod tests;

use baton_core::Timestamp;
use datafusion::common::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;

use crate::error::EngineError;
use walk::Walk;

pub(crate) use prepare::prepare;
pub(crate) use scan::bind;

/// `plan` with the additional last column `_available_at`, over the full tables.
///
/// # Errors
/// [`EngineError::AvailabilityUnknown`] names a construct that cannot be tracked.
pub(crate) fn track(
    plan: LogicalPlan,
    state: &SessionState,
    as_of: Option<Timestamp>,
) -> Result<LogicalPlan, EngineError> {
    let failed = |error| EngineError::Sql(crate::sql::problems_of("", &error));
    let prepared = prepare::for_tracking(plan, state)?;
    Walk::new(as_of).finish(prepared).map_err(|stop| match stop {
        walk::Stop::Unknown { construct, advice } => EngineError::AvailabilityUnknown { construct, advice },
        walk::Stop::Planning(error) => failed(error),
    })
}
