//! What runs logged, for many runs at once.

use std::collections::HashMap;

use baton_ledger::database::{Statement, Transaction};

use super::{Run, RunRow};
use crate::Tag;
use crate::error::Result;
use crate::input;
use crate::metric::Metric;

/// Runs that one statement reads.
const AT_ONCE: usize = 512;

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

async fn load_metrics(
    transaction: &mut Transaction,
    ids: &[i64],
    mut add: impl FnMut(i64, Metric) + Send,
) -> Result<()> {
    let columns = "SELECT run, key, value, is_nan, timestamp, step FROM latest_metrics WHERE run";
    let rows: Vec<(i64, String, f64, i64, i64, i64)> = transaction.all(within(columns, ids)).await?;
    for (run, key, value, is_nan, timestamp, step) in rows {
        add(run, Metric::stored(key, value, is_nan, timestamp, step));
    }
    Ok(())
}

async fn load_texts(
    transaction: &mut Transaction,
    table: &str,
    ids: &[i64],
    mut add: impl FnMut(i64, Tag) + Send,
) -> Result<()> {
    let columns = format!("SELECT run, key, value FROM {table} WHERE run");
    let rows: Vec<(i64, String, String)> = transaction.all(within(&columns, ids)).await?;
    for (run, key, value) in rows {
        add(run, Tag { key, value });
    }
    Ok(())
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
