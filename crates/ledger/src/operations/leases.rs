//! Leases: who may do what only one may do, until when. Taking one waits for no other writer of a server's ledger, so that a
//! holder keeps it, and another gets it, however much is being written.
//!
//! Writes that need a lease look at it in their own transaction, as do those by which a new holder takes over. They take turns,
//! so whatever the old one has written by then is seen by the new one, and whatever comes later is refused.

use baton_core::Timestamp;
use baton_core::ports::{Lease, LedgerError};
use baton_core::time::timestamp_from_micros;

use crate::database::{Database, Statement, Transaction};
use crate::error::storage;

/// Holder, token and end.
type Row = (String, i64, i64);

const READ: &str = "SELECT holder, token, until FROM lease WHERE name = $1";
/// Binds: name, holder, until, now. No answer where somebody else has it.
const TAKE: &str = "INSERT INTO lease (name, holder, token, until) VALUES ($1, $2, 1, $3)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until,
        token = CASE WHEN lease.holder = excluded.holder THEN lease.token ELSE lease.token + 1 END
      WHERE lease.holder = excluded.holder OR lease.holder = '' OR lease.until <= $4
    RETURNING holder, token, until";

/// See [`baton_core::ports::Operations::take_lease`].
pub(super) async fn take(
    database: &Database,
    (name, holder): (&str, &str),
    now: Timestamp,
    until: Timestamp,
) -> Result<Lease, LedgerError> {
    let found = find(database, name).await?;
    // Who only asks writes nothing.
    if let Some(found) = found.filter(|found| found.holder != holder && !found.holder.is_empty() && found.until > now) {
        return Ok(found);
    }
    let take = Statement::new(TAKE).bind(name).bind(holder);
    let take = take.bind(until.timestamp_micros()).bind(now.timestamp_micros());
    if let Some(row) = database.write_alone::<Row>(take, &format!("take the lease `{name}`")).await? {
        return Ok(lease(name, row));
    }
    // Somebody else was faster.
    let gone = || LedgerError::LeaseLost { name: name.to_owned(), holder: "nobody".to_owned() };
    find(database, name).await?.ok_or_else(gone)
}

/// See [`baton_core::ports::Operations::release_lease`].
pub(super) async fn release(database: &Database, lease: &Lease) -> Result<(), LedgerError> {
    let action = format!("give back the lease `{}`", lease.name);
    let mut transaction = database.begin(&action).await?;
    let give = Statement::new("UPDATE lease SET holder = '', until = 0 WHERE name = $1 AND token = $2 AND holder = $3");
    let give = give.bind(&lease.name).bind(lease.token.cast_signed()).bind(&lease.holder);
    transaction.execute(give).await.map_err(|error| storage(&action, &error))?;
    transaction.commit(&action).await
}

/// Refuses to go on when another holder has the lease by now.
pub(super) async fn need(transaction: &mut Transaction, needed: &Lease) -> Result<(), LedgerError> {
    let row = transaction.one(Statement::new(READ).bind(&needed.name)).await;
    let row: Option<Row> = row.map_err(|error| storage(read_action(&needed.name), &error))?;
    let found = row.map(|row| lease(&needed.name, row));
    if found.as_ref().is_some_and(|found| found.token == needed.token && found.holder == needed.holder) {
        return Ok(());
    }
    let holder = found.map(|found| found.holder).filter(|holder| !holder.is_empty());
    Err(LedgerError::LeaseLost { name: needed.name.clone(), holder: holder.unwrap_or_else(|| "nobody".to_owned()) })
}

async fn find(database: &Database, name: &str) -> Result<Option<Lease>, LedgerError> {
    let row = database.one(Statement::new(READ).bind(name)).await;
    let row: Option<Row> = row.map_err(|error| storage(read_action(name), &error))?;
    Ok(row.map(|row| lease(name, row)))
}

fn read_action(name: &str) -> String {
    format!("read the lease `{name}`")
}

fn lease(name: &str, (holder, token, until): Row) -> Lease {
    Lease { name: name.to_owned(), holder, token: token.cast_unsigned(), until: timestamp_from_micros(until) }
}
