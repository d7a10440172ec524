//! What runs logged, for many runs at once.

use std::collections::HashMap;

use baton_ledger::database::{Statement, Transaction};

use serde::Deserialize;

use super::{COLUMNS, Run, RunRow, RunTuple};
use crate::Tag;
use crate::error::{Result, TrackingError};
use crate::input;
use crate::metric::Metric;

/// Runs that one statement reads.
const AT_ONCE: usize = 512;

/// The runs of these row numbers, in their order.
pub(crate) async fn rows(transaction: &mut Transaction, ids: &[i64]) -> Result<Vec<RunRow>> {
    let mut found = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(AT_ONCE) {
        let text = format!("SELECT {COLUMNS} FROM runs r WHERE r.id");
        let rows: Vec<RunTuple> = transaction.all(within(&text, ids)).await?;
        found.extend(rows.into_iter().map(|row| (row.0, RunRow::from(row))));
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

/// The runs of `rows`, in their order, with all that they logged.
pub(crate) async fn load(transaction: &mut Transaction, rows: Vec<RunRow>) -> Result<Vec<Run>> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let places: HashMap<i64, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    let empty = |row: RunRow| Run {
        info: row.into_info(),
        metrics: Vec::new(),
        params: Vec::new(),
        tags: Vec::new(),
        datasets: Vec::new(),
        models: Vec::new(),
        outputs: Vec::new(),
    };
    let mut runs: Vec<Run> = rows.into_iter().map(empty).collect();
    let place = |run: i64| places.get(&run).copied().unwrap_or_default();
    for ids in ids.chunks(AT_ONCE) {
        load_metrics(transaction, ids, |run, metric| runs[place(run)].metrics.push(metric)).await?;
        load_texts(transaction, "params", ids, |run, param| runs[place(run)].params.push(param)).await?;
        load_texts(transaction, "tags", ids, |run, tag| runs[place(run)].tags.push(tag)).await?;
        input::load(transaction, ids, &mut runs, place).await?;
    }
    Ok(runs)
}

/// Lists of a run's keys, values, times and steps: one row a run, because rows cost more than what they hold.
async fn load_metrics(
    transaction: &mut Transaction,
    ids: &[i64],
    mut add: impl FnMut(i64, Metric) + Send,
) -> Result<()> {
    let text = "SELECT run, json_group_array(key), json_group_array(shown), json_group_array(timestamp), json_group_array(step) \
                FROM latest_metrics WHERE run";
    let rows: Vec<(i64, String, String, String, String)> = transaction.all(grouped(text, ids)).await?;
    for (run, keys, values, timestamps, steps) in rows {
        let (keys, values) = (list::<String>(&keys)?, list::<&str>(&values)?);
        let (timestamps, steps) = (list::<i64>(&timestamps)?, list::<i64>(&steps)?);
        for (((key, value), timestamp), step) in keys.into_iter().zip(values).zip(timestamps).zip(steps) {
            let value = value.parse().map_err(unreadable)?;
            add(run, Metric { key, value, timestamp, step, ..Metric::default() });
        }
    }
    Ok(())
}

async fn load_texts(
    transaction: &mut Transaction,
    table: &str,
    ids: &[i64],
    mut add: impl FnMut(i64, Tag) + Send,
) -> Result<()> {
    let text = format!("SELECT run, json_group_array(key), json_group_array(value) FROM {table} WHERE run");
    let rows: Vec<(i64, String, String)> = transaction.all(grouped(&text, ids)).await?;
    for (run, keys, values) in rows {
        for (key, value) in list::<String>(&keys)?.into_iter().zip(list::<String>(&values)?) {
            add(run, Tag { key, value });
        }
    }
    Ok(())
}

fn grouped(text: &str, ids: &[i64]) -> Statement {
    let mut statement = within(text, ids);
    statement.push(" GROUP BY run");
    statement
}

fn list<'t, T: Deserialize<'t>>(text: &'t str) -> Result<Vec<T>> {
    serde_json::from_str(text).map_err(unreadable)
}

fn unreadable(error: impl ToString) -> TrackingError {
    TrackingError::Storage(format!("a record of a run cannot be read: {}", error.to_string()))
}

/// `text IN (…)`. How many places there are is a power of two, so that there are few different texts and the database reads
/// each of them once; the last number stands for those that are missing.
pub(crate) fn within(text: &str, ids: &[i64]) -> Statement {
    let mut statement = Statement::new(format!("{text} IN ("));
    let last = ids.last().copied().unwrap_or_default();
    for place in 0..ids.len().max(1).next_power_of_two() {
        statement.push(if place == 0 { "" } else { ", " }).push_bind(ids.get(place).copied().unwrap_or(last));
    }
    statement.push(")");
    statement
}
