//! How runs are reached: by the order that is asked for, or by the part of the filter that few runs meet.

use baton_ledger::database::{Statement, Transaction};

use super::predicate::{self, Predicate};
use super::{Understood, write_experiments};
use crate::error::Result;
use crate::filter::{Literal, Operator};
use crate::page::Part;

/// Runs that count as few. Sorting as many costs about what checking as many in order does.
const FEW: i64 = 4096;

/// How runs are reached.
#[derive(Debug, PartialEq)]
pub(super) enum Access {
    /// From the list of runs.
    Listed,
    /// By the index of the first key to order by.
    Ordered,
    /// From the runs that meet one part of the filter.
    Few(Driver),
}

/// One pass over the runs.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub(super) pass: Pass,
    /// Where it begins.
    pub(super) begin: Option<Vec<Part>>,
}

/// Which runs a pass sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// All.
    Whole,
    /// Those with the first key.
    Present,
    /// Those whose first key is NaN.
    Nan,
    /// Those without the first key.
    Missing,
}

/// A part of a filter that an index finds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Driver {
    /// A metric's key, and how it is compared with what.
    Number(String, Operator, f64),
    /// A table, its key and its value.
    Text(&'static str, String, String),
}

impl Driver {
    fn of(part: &Predicate) -> Option<Self> {
        match part {
            Predicate::Metric { key, operator, value } if *operator != Operator::NotEqual => {
                Some(Self::Number(key.clone(), *operator, *value))
            }
            Predicate::Text { table, key, operator: Operator::Equal, value: Literal::Text(text) } => {
                Some(Self::Text(table, key.clone(), text.clone()))
            }
            _ => None,
        }
    }

    pub(super) fn table(&self) -> &'static str {
        match self {
            Self::Number(..) => "latest_metrics",
            Self::Text(table, ..) => table,
        }
    }

    /// Adds the condition on `d`.
    pub(super) fn write(&self, statement: &mut Statement, experiments: &[i64]) {
        write_experiments(statement, "d.experiment", experiments);
        statement.push(" AND d.key = ");
        match self {
            Self::Number(key, operator, value) => {
                statement.push_bind(key);
                predicate::write_number(statement, "d", *operator, *value);
            }
            Self::Text(_, key, text) => {
                statement.push_bind(key).push(" AND substr(d.value, 1, 40) = substr(").push_bind(text).push(", 1, 40)");
                statement.push(" AND d.value = ").push_bind(text);
            }
        }
    }

    /// How many rows it finds, up to [`FEW`].
    async fn count(&self, transaction: &mut Transaction, experiments: &[i64]) -> Result<i64> {
        let table = self.table();
        let mut statement = Statement::new(format!("SELECT count(*) FROM (SELECT 1 FROM {table} d WHERE "));
        self.write(&mut statement, experiments);
        statement.push(" LIMIT ").push_bind(FEW).push(") AS counted");
        Ok(transaction.one::<(i64,)>(statement).await?.map_or(FEW, |(count,)| count))
    }
}

/// Chooses how to reach the runs of a search.
pub(super) async fn choose(transaction: &mut Transaction, search: &Understood) -> Result<Access> {
    let mut best: Option<(i64, Driver)> = None;
    for driver in search.predicate.parts().iter().filter_map(Driver::of) {
        let count = driver.count(transaction, &search.experiments).await?;
        if count < best.as_ref().map_or(FEW, |(least, _)| *least) {
            best = Some((count, driver));
        }
    }
    Ok(match best {
        Some((_, driver)) => Access::Few(driver),
        None if search.sorting.has_index() => Access::Ordered,
        None => Access::Listed,
    })
}
