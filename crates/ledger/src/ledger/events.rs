//! Events: which are asked for, and how they are appended and sealed.

use baton_core::event::{EventFilter, NewEvent};
use baton_core::ports::LedgerError;

use crate::database::{Database, Statement, Transaction, Value};
use crate::error::{damaged, storage};
use crate::merkle::Frontier;
use crate::record::EventRow;

/// Size and subtree roots of the log.
const FRONTIER: &str = "SELECT size, frontier FROM log_head";

/// The events that match; the newest first where only the last are asked for.
pub(super) fn select_events(filter: &EventFilter) -> Statement {
    let mut select = Statement::new(
        "SELECT sequence, at, as_of, environment, run, asset, kind, key, body, leaf FROM event WHERE true",
    );
    let texts = [
        (" AND environment = ", filter.environment.clone()),
        (" AND run = ", filter.run.clone()),
        (" AND asset = ", filter.asset.clone().map(String::from)),
        (" AND key = ", filter.key.clone()),
    ];
    for (condition, value) in texts {
        if let Some(value) = value {
            select.push(condition).push_bind(value);
        }
    }
    for (condition, instant) in [(" AND as_of >= ", filter.from), (" AND as_of < ", filter.until)] {
        if let Some(instant) = instant {
            select.push(condition).push_bind(instant.timestamp_micros());
        }
    }
    for (place, kind) in filter.kinds.iter().enumerate() {
        select.push(if place == 0 { " AND kind IN (" } else { ", " }).push_bind(kind.as_str());
    }
    if !filter.kinds.is_empty() {
        select.push(")");
    }
    match filter.last {
        Some(last) => select.push(" ORDER BY sequence DESC LIMIT ").push_bind(last),
        None => select.push(" ORDER BY sequence"),
    };
    select
}

/// Appends within a transaction that holds the write lock, and answers the new size of the log.
pub(super) async fn append(transaction: &mut Transaction, events: Vec<NewEvent>) -> Result<u64, LedgerError> {
    const ACTION: &str = "append events";
    if events.is_empty() {
        return Ok(read_frontier(transaction).await?.size());
    }
    let mut frontier = read_frontier(transaction).await?;
    let number = |event| {
        let row = EventRow::new((frontier.size() + 1).cast_signed(), event);
        frontier.push(row.computed_leaf());
        row
    };
    let rows: Vec<EventRow> = events.into_iter().map(number).collect();
    for insert in Statement::inserts(INSERT, rows.into_iter().map(values).collect(), "") {
        transaction.execute(insert).await.map_err(|error| storage(ACTION, &error))?;
    }
    write_frontier(transaction, &frontier).await.map_err(|error| storage(ACTION, &error))?;
    Ok(frontier.size())
}

const INSERT: &str = "INSERT INTO event (sequence, at, as_of, environment, run, asset, kind, key, body, leaf) VALUES ";

fn values(row: EventRow) -> Vec<Value> {
    vec![
        row.sequence.into(),
        row.at.into(),
        row.as_of.into(),
        row.environment.into(),
        row.run.into(),
        row.asset.into(),
        row.kind.into(),
        row.key.into(),
        row.body.into(),
        row.leaf.into(),
    ]
}

/// Size and subtree roots of the log, outside of any transaction.
pub(super) async fn frontier_of(database: &Database) -> Result<Frontier, LedgerError> {
    let row = database.one(Statement::new(FRONTIER)).await;
    frontier(row.map_err(|error| storage("read the log's root", &error))?)
}

/// Size and subtree roots of the log, within a transaction.
pub(crate) async fn read_frontier(transaction: &mut Transaction) -> Result<Frontier, LedgerError> {
    let row = transaction.one(Statement::new(FRONTIER)).await;
    frontier(row.map_err(|error| storage("read the log's root", &error))?)
}

fn frontier(row: Option<(i64, Vec<u8>)>) -> Result<Frontier, LedgerError> {
    const HEAD: &str = "the log's head";
    let (size, bytes) = row.ok_or_else(|| damaged(HEAD, "it is missing"))?;
    Frontier::from_bytes(size.cast_unsigned(), &bytes)
        .ok_or_else(|| damaged(HEAD, format!("{} bytes do not fit {size} events", bytes.len())))
}

/// Writes size and subtree roots.
pub(crate) async fn write_frontier(transaction: &mut Transaction, frontier: &Frontier) -> sqlx::Result<()> {
    let update = Statement::new("UPDATE log_head SET size = $1, frontier = $2");
    let update = update.bind(frontier.size().cast_signed()).bind(frontier.to_bytes());
    transaction.execute(update).await.map(drop)
}
