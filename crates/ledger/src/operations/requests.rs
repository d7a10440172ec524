//! The queue of runs.

use baton_core::Timestamp;
use baton_core::ports::{LedgerError, NewRequest, Request, RequestEnd, RunState};
use baton_core::time::timestamp_from_micros;

use super::{count, writable};
use crate::database::{Database, Statement, Transaction, record};
use crate::error::{damaged, storage};

const COLUMNS: &str = "id, environment, schedule, trigger, key, due_at, as_of, requested_at, priority, parameters, \
                       state, attempts, reason";

record! {
    struct Row {
        id: i64,
        environment: String,
        schedule: String,
        trigger: String,
        key: String,
        due_at: i64,
        as_of: Option<i64>,
        requested_at: i64,
        priority: i64,
        parameters: String,
        state: String,
        attempts: i64,
        reason: Option<String>,
    }
}

impl Row {
    fn decode(self) -> Result<Request, LedgerError> {
        let what = || format!("request {}", self.id);
        let state = RunState::parse(&self.state).ok_or_else(|| damaged(what(), format!("state `{}`", self.state)))?;
        let parameters = serde_json::from_str(&self.parameters).map_err(|error| damaged(what(), error.to_string()))?;
        Ok(Request {
            id: self.id.cast_unsigned(),
            environment: self.environment,
            asked: NewRequest {
                schedule: self.schedule,
                trigger: self.trigger,
                key: self.key,
                due_at: timestamp_from_micros(self.due_at),
                as_of: self.as_of.map(timestamp_from_micros),
                requested_at: timestamp_from_micros(self.requested_at),
                priority: self.priority,
                parameters,
                coalesces: false,
            },
            state,
            attempts: count(self.attempts),
            reason: self.reason,
        })
    }
}

/// Answers the number of a new request; `None` when it is there already.
pub(super) async fn put(
    transaction: &mut Transaction,
    environment: &str,
    asked: &NewRequest,
) -> Result<Option<u64>, LedgerError> {
    let action = || format!("queue schedule `{}`", asked.schedule);
    let put = Statement::new(
        "INSERT INTO request (environment, schedule, trigger, key, due_at, as_of, requested_at, priority, parameters, state)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 'queued'
          WHERE $10 = 0 OR NOT EXISTS (
            SELECT id FROM request
             WHERE environment = $1 AND schedule = $2 AND state = 'queued' AND parameters = $9)
         ON CONFLICT (environment, schedule, key) DO NOTHING
         RETURNING id",
    );
    let put = put
        .bind(environment)
        .bind(&asked.schedule)
        .bind(&asked.trigger)
        .bind(&asked.key)
        .bind(asked.due_at.timestamp_micros())
        .bind(asked.as_of.map(|at| at.timestamp_micros()))
        .bind(asked.requested_at.timestamp_micros())
        .bind(asked.priority)
        .bind(serde_json::json!(asked.parameters).to_string())
        .bind(asked.coalesces);
    let row: Option<(i64,)> = transaction.write_one(put).await.map_err(|error| storage(action(), &error))?;
    Ok(row.map(|(id,)| id.cast_unsigned()))
}

/// Requests that wait or run; those that run come first.
pub(super) async fn open(database: &Database, environment: &str) -> Result<Vec<Request>, LedgerError> {
    let select = Statement::new(format!(
        "SELECT {COLUMNS} FROM request WHERE environment = $1 AND state IN ('queued', 'running')
          ORDER BY state = 'queued', priority DESC, due_at, id"
    ));
    let rows: Vec<Row> =
        database.all(select.bind(environment)).await.map_err(|error| storage("read the queue", &error))?;
    rows.into_iter().map(Row::decode).collect()
}

/// Whether a request may begin.
pub(super) async fn has_waiting(database: &Database, environment: &str, now: Timestamp) -> Result<bool, LedgerError> {
    let select = Statement::new(
        "SELECT id FROM request
          WHERE environment = $1 AND state IN ('queued', 'running') AND state = 'queued'
            AND (not_before IS NULL OR not_before <= $2) LIMIT 1",
    );
    let select = select.bind(environment).bind(now.timestamp_micros());
    let row: Option<(i64,)> = database.one(select).await.map_err(|error| storage("read the queue", &error))?;
    Ok(row.is_some())
}

/// Begins the next request that may begin.
pub(super) async fn begin_next(
    transaction: &mut Transaction,
    token: u64,
    environment: &str,
    now: Timestamp,
) -> Result<Option<Request>, LedgerError> {
    let begin = Statement::new(format!(
        "UPDATE request SET state = 'running', attempts = attempts + 1, token = $1 WHERE id = (
            SELECT id FROM request
             WHERE environment = $2 AND state IN ('queued', 'running') AND state = 'queued'
               AND (not_before IS NULL OR not_before <= $3)
             ORDER BY priority DESC, due_at, id LIMIT 1)
         RETURNING {COLUMNS}"
    ));
    let begin = begin.bind(token.cast_signed()).bind(environment).bind(now.timestamp_micros());
    let row: Option<Row> =
        transaction.write_one(begin).await.map_err(|error| storage("begin a run that waits", &error))?;
    row.map(Row::decode).transpose()
}

/// Says how a request ended.
pub(super) async fn end(transaction: &mut Transaction, id: u64, end: &RequestEnd) -> Result<(), LedgerError> {
    let (state, not_before, reason) = match end {
        RequestEnd::Ended { state, reason } => (*state, None, reason.as_deref()),
        RequestEnd::Again { not_before, reason } => (RunState::Queued, Some(*not_before), Some(reason.as_str())),
    };
    let settle = Statement::new("UPDATE request SET state = $1, not_before = $2, reason = $3 WHERE id = $4");
    let settle = settle
        .bind(state.word())
        .bind(not_before.map(|at| at.timestamp_micros()))
        .bind(reason.map(writable))
        .bind(id.cast_signed());
    transaction.execute(settle).await.map(drop).map_err(|error| storage("say how a run ended", &error))
}

/// Puts what was begun under other tokens back into the queue. What had ended well is over: its server ended before it
/// could say so.
pub(super) async fn recover(
    transaction: &mut Transaction,
    token: u64,
    environment: &str,
) -> Result<usize, LedgerError> {
    let over = Statement::new(
        "UPDATE request SET state = 'succeeded'
          WHERE environment = $1 AND state IN ('queued', 'running') AND state = 'running' AND token <> $2
            AND EXISTS (
                SELECT run.id FROM run
                 WHERE run.environment = request.environment AND run.schedule = request.schedule
                   AND run.trigger = request.trigger AND run.due_at = request.due_at AND run.state = 'succeeded')",
    );
    let over = over.bind(environment).bind(token.cast_signed());
    transaction.execute(over).await.map_err(|error| storage("take over runs", &error))?;
    let again = Statement::new(
        "UPDATE request SET state = 'queued', reason = 'the server that ran it ended'
          WHERE environment = $1 AND state IN ('queued', 'running') AND state = 'running' AND token <> $2",
    );
    let again = again.bind(environment).bind(token.cast_signed());
    let changed = transaction.execute(again).await.map_err(|error| storage("take over runs", &error))?;
    Ok(usize::try_from(changed).unwrap_or(usize::MAX))
}
