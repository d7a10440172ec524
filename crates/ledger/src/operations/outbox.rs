//! The outbox: messages that are to be delivered.

use baton_core::Timestamp;
use baton_core::ports::{Delivery, LedgerError, Message, NewMessage};
use baton_core::time::timestamp_from_micros;

use super::{count, writable};
use crate::database::{Database, Statement, Transaction, record};
use crate::error::{damaged, storage};

/// Puts a message into the outbox, unless its channel was told already; answers whether it is new.
pub(super) async fn post(transaction: &mut Transaction, message: &NewMessage) -> Result<bool, LedgerError> {
    let post = Statement::new(
        "INSERT INTO message (environment, channel, cause, ends, at, body, state, not_before)
         SELECT $1, $2, $3, $4, $5, $6, 'open', $5
          WHERE $4 = 1 - coalesce((SELECT ends FROM message WHERE environment = $1 AND channel = $2 AND cause = $3
                                   ORDER BY id DESC LIMIT 1), 1)",
    );
    let post = post
        .bind(&message.environment)
        .bind(&message.channel)
        .bind(&message.cause)
        .bind(message.ends)
        .bind(message.at.timestamp_micros())
        .bind(message.body.to_string());
    let written = transaction.execute(post).await;
    Ok(written.map_err(|error| storage("put a message into the outbox", &error))? > 0)
}

record! {
    struct Row {
        id: i64,
        environment: String,
        channel: String,
        cause: String,
        ends: i64,
        at: i64,
        body: String,
        attempts: i64,
    }
}

/// Messages that may be tried now, oldest first.
pub(super) async fn due(database: &Database, now: Timestamp, limit: u32) -> Result<Vec<Message>, LedgerError> {
    let select = Statement::new(
        "SELECT id, environment, channel, cause, ends, at, body, attempts FROM message
          WHERE state = 'open' AND not_before <= $1 ORDER BY id LIMIT $2",
    );
    let select = select.bind(now.timestamp_micros()).bind(limit);
    let rows: Vec<Row> = database.all(select).await.map_err(|error| storage("read the outbox", &error))?;
    rows.into_iter().map(decode).collect()
}

fn decode(row: Row) -> Result<Message, LedgerError> {
    let body =
        serde_json::from_str(&row.body).map_err(|error| damaged(format!("message {}", row.id), error.to_string()))?;
    let message = NewMessage {
        environment: row.environment,
        channel: row.channel,
        cause: row.cause,
        ends: row.ends != 0,
        at: timestamp_from_micros(row.at),
        body,
    };
    Ok(Message { id: row.id.cast_unsigned(), message, attempts: count(row.attempts) })
}

/// Says how a delivery went.
pub(super) async fn settle(transaction: &mut Transaction, id: u64, delivery: &Delivery) -> Result<(), LedgerError> {
    let (state, not_before, reason) = match delivery {
        Delivery::Delivered => ("delivered", None, None),
        Delivery::Again { not_before, reason } => ("open", Some(not_before.timestamp_micros()), Some(reason)),
        Delivery::GivenUp { reason } => ("given_up", None, Some(reason)),
    };
    let settle = Statement::new(
        "UPDATE message SET state = $1, attempts = attempts + 1, not_before = coalesce($2, not_before), reason = $3
          WHERE id = $4",
    );
    let settle = settle.bind(state).bind(not_before).bind(reason.map(|text| writable(text))).bind(id.cast_signed());
    transaction.execute(settle).await.map(drop).map_err(|error| storage("settle a message", &error))
}
