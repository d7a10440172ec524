//! How runs are reached: by the order that is asked for, or by the part of the filter that few runs meet.

use baton_ledger::database::{Statement, Transaction};

use super::attribute::Attribute;
use super::order::INDEXED;
use super::predicate::{self, Predicate};
use super::{Understood, write_experiments};
use crate::error::Result;
use crate::filter::{Literal, Operator};
use crate::page::Part;

/// Runs that count as few: to begin with them is right whatever else is asked.
const FEW: i64 = 1024;
/// Runs that are tried, the first in the order that is asked for, to see how many meet the whole filter.
const SAMPLE: i64 = 512;
/// Runs to check for a page up to which no other way is looked for.
const FINE: i64 = 8192;
/// The most that are counted to find the best other way.
const MOST: i64 = 1 << 17;
/// How many listed runs are checked in the time of one that an index of something else leads to.
const LISTED: i64 = 4;

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
    /// A table, its key and how its value begins; at most as much of it as the index knows.
    Begins(&'static str, String, String),
    /// A run's name.
    Name(String),
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
            Predicate::Text { table, key, operator: Operator::Like, value: Literal::Text(pattern) } => {
                let beginning: String =
                    pattern.chars().take_while(|letter| !"%_".contains(*letter)).take(INDEXED).collect();
                (!beginning.is_empty()).then(|| Self::Begins(table, key.clone(), beginning))
            }
            Predicate::Attribute {
                attribute: Attribute::RunName,
                operator: Operator::Equal,
                value: Literal::Text(text),
            } => Some(Self::Name(text.clone())),
            _ => None,
        }
    }

    pub(super) fn table(&self) -> &'static str {
        match self {
            Self::Number(..) => "latest_metrics",
            Self::Text(table, ..) | Self::Begins(table, ..) => table,
            Self::Name(_) => "runs",
        }
    }

    /// Adds the condition on `d`.
    pub(super) fn write(&self, statement: &mut Statement, experiments: &[i64]) {
        write_experiments(statement, "d.experiment", experiments);
        match self {
            Self::Number(key, operator, value) => {
                statement.push(" AND d.key = ").push_bind(key);
                predicate::write_number(statement, "d", *operator, *value);
            }
            Self::Text(_, key, text) => {
                statement.push(" AND d.key = ").push_bind(key);
                statement.push(" AND substr(d.value, 1, 40) = substr(").push_bind(text).push(", 1, 40)");
                statement.push(" AND d.value = ").push_bind(text);
            }
            Self::Begins(_, key, beginning) => {
                statement.push(" AND d.key = ").push_bind(key);
                statement.push(" AND substr(d.value, 1, 40) >= ").push_bind(beginning);
                if let Some(end) = behind(beginning) {
                    statement.push(" AND substr(d.value, 1, 40) < ").push_bind(end);
                }
            }
            Self::Name(name) => {
                statement.push(" AND d.name = ").push_bind(name);
            }
        }
    }

    /// The column of `d` that is the run.
    pub(super) fn run(&self) -> &'static str {
        if matches!(self, Self::Name(_)) { "d.id" } else { "d.run" }
    }

    /// How many rows it finds, up to `most`.
    async fn count(&self, transaction: &mut Transaction, experiments: &[i64], most: i64) -> Result<i64> {
        let table = self.table();
        let mut statement = Statement::new(format!("SELECT count(*) FROM (SELECT 1 FROM {table} d WHERE "));
        self.write(&mut statement, experiments);
        statement.push(" LIMIT ").push_bind(most).push(") AS counted");
        Ok(transaction.one::<(i64,)>(statement).await?.map_or(most, |(count,)| count))
    }
}

/// The first text behind all that begin so, as the database orders them; none behind those that begin with the last letter.
fn behind(beginning: &str) -> Option<String> {
    let mut letters: Vec<char> = beginning.chars().collect();
    while let Some(last) = letters.pop() {
        // Between these two there are no letters.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

/// Chooses how to reach the runs of a search.
pub(super) async fn choose(transaction: &mut Transaction, search: &Understood) -> Result<Access> {
    let by_order = if search.sorting.has_index() { Access::Ordered } else { Access::Listed };
    let parts = search.predicate.parts();
    let drivers: Vec<Driver> = parts.iter().filter_map(Driver::of).collect();
    let few = best(transaction, search, &drivers, FEW).await?;
    // Of one part alone there are enough to fill the page soon.
    let is_plenty = parts.len() < 2 && matches!(&few, Some((_, driver)) if !matches!(driver, Driver::Begins(..)));
    if let Some((_, driver)) = few.filter(|(count, _)| *count < FEW) {
        return Ok(Access::Few(driver));
    }
    if is_plenty || parts.is_empty() || (drivers.is_empty() && by_order == Access::Listed) {
        return Ok(by_order);
    }
    let met = sample(transaction, search).await?;
    let limit = i64::try_from(search.limit).unwrap_or(MOST).min(MOST);
    // None of the sample counts as half of one.
    let to_check = limit * SAMPLE * 2 / (met * 2).max(1);
    if to_check <= FINE {
        return Ok(by_order);
    }
    let best = best(transaction, search, &drivers, MOST).await?;
    // A run that is found by a part is read from anywhere, and sorted: it costs about twice.
    if let Some((_, driver)) = best.filter(|(count, _)| count * 2 < to_check) {
        return Ok(Access::Few(driver));
    }
    let is_listed = count_runs(transaction, search, to_check * LISTED).await? < to_check * LISTED;
    Ok(if is_listed { Access::Listed } else { by_order })
}

/// How many runs there are, up to `most`.
async fn count_runs(transaction: &mut Transaction, search: &Understood, most: i64) -> Result<i64> {
    let mut statement = Statement::new("SELECT count(*) FROM (SELECT 1 FROM runs c WHERE ");
    write_experiments(&mut statement, "c.experiment", &search.experiments);
    statement.push(" LIMIT ").push_bind(most).push(") AS counted");
    Ok(transaction.one::<(i64,)>(statement).await?.map_or(most, |(count,)| count))
}

/// The part that the fewest runs meet, and how many they are, up to `most`.
async fn best(
    transaction: &mut Transaction,
    search: &Understood,
    drivers: &[Driver],
    most: i64,
) -> Result<Option<(i64, Driver)>> {
    let mut best: Option<(i64, Driver)> = None;
    for driver in drivers {
        // What is more than the best needs no count.
        let most = best.as_ref().map_or(most, |(least, _)| *least);
        let count = driver.count(transaction, &search.experiments, most).await?;
        if best.is_none() || count < most {
            best = Some((count, driver.clone()));
        }
    }
    Ok(best)
}

/// How many of the first runs, in the order that is asked for, meet the whole filter.
async fn sample(transaction: &mut Transaction, search: &Understood) -> Result<i64> {
    let mut statement = Statement::new("SELECT count(*) FROM (");
    search.sorting.write_first(&mut statement, &search.experiments);
    statement.push(" LIMIT ").push_bind(SAMPLE).push(") AS first CROSS JOIN runs r WHERE r.id = first.id");
    search.write_conditions(&mut statement)?;
    Ok(transaction.one::<(i64,)>(statement).await?.map_or(0, |(count,)| count))
}

#[cfg(test)]
mod tests {
    use super::behind;

    #[test]
    fn texts_that_begin_so_end_before_the_next_letter() {
        let next = |beginning: &str| behind(beginning);
        assert_eq!(next("777").as_deref(), Some("778"));
        assert_eq!(next("a\u{d7ff}").as_deref(), Some("a\u{e000}"));
        assert_eq!(next("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(next("\u{10ffff}"), None);
    }
}
