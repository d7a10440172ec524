//! What somebody changed of how a project runs, for as long as it holds.

use baton_core::Timestamp;
use baton_core::ports::{Adjustment, LedgerError};
use baton_core::time::timestamp_from_micros;

use super::writable;
use crate::database::{Database, Statement, Transaction, record};
use crate::error::{damaged, storage};

/// Makes an adjustment, in place of one of the same subject.
pub(super) async fn make(transaction: &mut Transaction, adjustment: &Adjustment) -> sqlx::Result<()> {
    let make = Statement::new(
        "INSERT INTO adjustment (environment, subject, value, until, at, author, reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (environment, subject) DO UPDATE SET value = excluded.value, until = excluded.until,
             at = excluded.at, author = excluded.author, reason = excluded.reason",
    );
    let make = make
        .bind(&adjustment.environment)
        .bind(&adjustment.subject)
        .bind(adjustment.value.to_string())
        .bind(adjustment.until.map(|until| until.timestamp_micros()))
        .bind(adjustment.at.timestamp_micros())
        .bind(&adjustment.by)
        .bind(writable(&adjustment.reason));
    transaction.execute(make).await.map(drop)
}

/// Takes an adjustment back; answers whether there was one.
pub(super) async fn end(transaction: &mut Transaction, environment: &str, subject: &str) -> sqlx::Result<bool> {
    let end = Statement::new("DELETE FROM adjustment WHERE environment = $1 AND subject = $2");
    Ok(transaction.execute(end.bind(environment).bind(subject)).await? > 0)
}

record! {
    struct Row {
        environment: String,
        subject: String,
        value: String,
        until: Option<i64>,
        at: i64,
        author: String,
        reason: String,
    }
}

/// Those that hold in an environment, by subject.
pub(super) async fn find(
    database: &Database,
    environment: &str,
    now: Timestamp,
) -> Result<Vec<Adjustment>, LedgerError> {
    let select = Statement::new(
        "SELECT environment, subject, value, until, at, author, reason FROM adjustment
          WHERE environment IN ('', $1) AND (until IS NULL OR until > $2) ORDER BY subject, environment",
    );
    let rows: Vec<Row> = database
        .all(select.bind(environment).bind(now.timestamp_micros()))
        .await
        .map_err(|error| storage("read what was adjusted", &error))?;
    rows.into_iter().map(decode).collect()
}

fn decode(row: Row) -> Result<Adjustment, LedgerError> {
    let value = serde_json::from_str(&row.value)
        .map_err(|error| damaged(format!("adjustment of {}", row.subject), error.to_string()))?;
    Ok(Adjustment {
        environment: row.environment,
        subject: row.subject,
        value,
        until: row.until.map(timestamp_from_micros),
        at: timestamp_from_micros(row.at),
        by: row.author,
        reason: row.reason,
    })
}
