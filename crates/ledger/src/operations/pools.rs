//! Slots of pools, and who waits for them: the greatest priority first, then who waits longest.

use baton_core::Timestamp;
use baton_core::ports::{Lease, Waiter};

use crate::database::{Statement, Transaction};

/// Takes a slot when one is free and nobody comes before `waiter`; else the waiter is written down.
pub(super) async fn take(
    transaction: &mut Transaction,
    (pool, slots): (&str, usize),
    waiter: &Waiter,
    now: Timestamp,
    until: Timestamp,
) -> sqlx::Result<Option<Lease>> {
    let ahead = ahead(transaction, pool, waiter, now).await?;
    let leases = leases(transaction, pool).await?;
    let name = |number: usize| format!("pool/{pool}/{number}");
    let is_free = |number: &usize| {
        let found = leases.iter().find(|(found, ..)| *found == name(*number));
        found.is_none_or(|(_, holder, _, until)| holder.is_empty() || *until <= now.timestamp_micros())
    };
    let free: Vec<usize> = (0..slots).filter(is_free).collect();
    let Some(number) = free.first().filter(|_| free.len() > ahead) else {
        wait(transaction, pool, waiter, now, until).await?;
        return Ok(None);
    };
    let name = name(*number);
    let token = leases.iter().find(|(found, ..)| *found == name).map_or(1, |(_, _, token, _)| token + 1);
    let keep = Statement::new(
        "INSERT INTO lease (name, holder, token, until) VALUES ($1, $2, $3, $4)
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = excluded.token, until = excluded.until",
    );
    let keep = keep.bind(&name).bind(&waiter.holder).bind(token).bind(until.timestamp_micros());
    transaction.execute(keep).await?;
    let gone = Statement::new("DELETE FROM pool_wait WHERE pool = $1 AND holder = $2").bind(pool).bind(&waiter.holder);
    transaction.execute(gone).await?;
    Ok(Some(Lease { name, holder: waiter.holder.clone(), token: token.cast_unsigned(), until }))
}

/// How many others wait and come first; those who said nothing for too long no longer wait.
async fn ahead(transaction: &mut Transaction, pool: &str, waiter: &Waiter, now: Timestamp) -> sqlx::Result<usize> {
    let stale = Statement::new("DELETE FROM pool_wait WHERE until <= $1").bind(now.timestamp_micros());
    transaction.execute(stale).await?;
    let others = Statement::new("SELECT priority, since, holder FROM pool_wait WHERE pool = $1 AND holder <> $2");
    let others: Vec<(i64, i64, String)> = transaction.all(others.bind(pool).bind(&waiter.holder)).await?;
    let mine = (-waiter.priority, waiter.since.timestamp_micros(), &waiter.holder);
    Ok(others.iter().filter(|(priority, since, holder)| (-priority, *since, holder) < mine).count())
}

/// Name, holder, token and end of the leases of a pool's slots.
async fn leases(transaction: &mut Transaction, pool: &str) -> sqlx::Result<Vec<(String, String, i64, i64)>> {
    // `0` is the sign after `/`.
    let select = Statement::new("SELECT name, holder, token, until FROM lease WHERE name >= $1 AND name < $2");
    transaction.all(select.bind(format!("pool/{pool}/")).bind(format!("pool/{pool}0"))).await
}

/// Writes a waiter down, unless that holds for long enough still.
async fn wait(
    transaction: &mut Transaction,
    pool: &str,
    waiter: &Waiter,
    now: Timestamp,
    until: Timestamp,
) -> sqlx::Result<()> {
    let enough = now + (until - now) / 2;
    let keep = Statement::new(
        "INSERT INTO pool_wait (pool, holder, priority, since, until) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (pool, holder) DO UPDATE SET priority = excluded.priority, until = excluded.until
          WHERE pool_wait.until < $6",
    );
    let keep = keep
        .bind(pool)
        .bind(&waiter.holder)
        .bind(waiter.priority)
        .bind(waiter.since.timestamp_micros())
        .bind(until.timestamp_micros())
        .bind(enough.timestamp_micros());
    transaction.execute(keep).await.map(drop)
}
