//! The history of runs: runs, their steps and logs.

use baton_core::Timestamp;
use baton_core::ports::{LedgerError, LogLine, RunChange, RunEnd, RunFilter, RunRecord, RunState, StepRecord};
use baton_core::time::timestamp_from_micros;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

use crate::error::{damaged, storage};

const ACTION: &str = "keep the history of a run";

/// Keeps one change.
pub(super) async fn keep(connection: &mut SqliteConnection, change: &RunChange) -> Result<(), LedgerError> {
    match change {
        RunChange::Started(run) => start(connection, run).await,
        RunChange::Step(step) => keep_step(connection, step).await,
        RunChange::Log(line) => keep_line(connection, line).await,
        RunChange::Ended(run) => end(connection, run).await,
    }
}

async fn start(connection: &mut SqliteConnection, run: &RunRecord) -> Result<(), LedgerError> {
    sqlx::query("UPDATE run SET state = 'interrupted' WHERE state = 'running' AND environment = ?")
        .bind(&run.environment)
        .execute(&mut *connection)
        .await
        .map_err(|error| storage(ACTION, &error))?;
    sqlx::query(
        "INSERT INTO run (id, environment, command, schedule, trigger, due_at, as_of, author, started_at, state, steps, failed)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (id) DO NOTHING",
    )
    .bind(&run.id)
    .bind(&run.environment)
    .bind(&run.command)
    .bind(&run.schedule)
    .bind(&run.trigger)
    .bind(micros(run.due_at))
    .bind(run.as_of.timestamp_micros())
    .bind(&run.author)
    .bind(run.started_at.timestamp_micros())
    .bind(run.state.word())
    .bind(run.steps)
    .execute(connection)
    .await
    .map_err(|error| storage(ACTION, &error))?;
    Ok(())
}

async fn keep_step(connection: &mut SqliteConnection, step: &StepRecord) -> Result<(), LedgerError> {
    sqlx::query(
        "INSERT OR REPLACE INTO run_step
           (run, number, asset, verb, state, attempts, started_at, finished_at, detail, hit, rows)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&step.run)
    .bind(step.number)
    .bind(&step.asset)
    .bind(&step.verb)
    .bind(&step.state)
    .bind(step.attempts)
    .bind(step.started_at.timestamp_micros())
    .bind(micros(step.finished_at))
    .bind(&step.detail)
    .bind(step.hit)
    .bind(step.rows.map(u64::cast_signed))
    .execute(connection)
    .await
    .map_err(|error| storage(ACTION, &error))?;
    Ok(())
}

async fn keep_line(connection: &mut SqliteConnection, line: &LogLine) -> Result<(), LedgerError> {
    sqlx::query("INSERT INTO run_log (run, asset, at, level, text) VALUES (?, ?, ?, ?, ?)")
        .bind(&line.run)
        .bind(&line.asset)
        .bind(line.at.timestamp_micros())
        .bind(&line.level)
        .bind(&line.text)
        .execute(connection)
        .await
        .map_err(|error| storage(ACTION, &error))?;
    Ok(())
}

async fn end(connection: &mut SqliteConnection, run: &RunEnd) -> Result<(), LedgerError> {
    sqlx::query("UPDATE run SET finished_at = ?, state = ?, commit_id = ?, failed = ?, cause = ? WHERE id = ?")
        .bind(run.at.timestamp_micros())
        .bind(run.state.word())
        .bind(&run.commit)
        .bind(run.failed)
        .bind(&run.cause)
        .bind(&run.run)
        .execute(connection)
        .await
        .map_err(|error| storage(ACTION, &error))?;
    Ok(())
}

fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(|at| at.timestamp_micros())
}

#[derive(sqlx::FromRow)]
struct RunRow {
    id: String,
    environment: String,
    command: String,
    schedule: Option<String>,
    trigger: Option<String>,
    due_at: Option<i64>,
    as_of: i64,
    author: String,
    started_at: i64,
    finished_at: Option<i64>,
    state: String,
    commit_id: Option<String>,
    steps: u32,
    failed: u32,
    cause: Option<String>,
}

impl RunRow {
    fn decode(self) -> Result<RunRecord, LedgerError> {
        let unknown = || damaged(format!("run {}", self.id), format!("state `{}`", self.state));
        Ok(RunRecord {
            state: RunState::parse(&self.state).ok_or_else(unknown)?,
            due_at: self.due_at.map(timestamp_from_micros),
            as_of: timestamp_from_micros(self.as_of),
            started_at: timestamp_from_micros(self.started_at),
            finished_at: self.finished_at.map(timestamp_from_micros),
            id: self.id,
            environment: self.environment,
            command: self.command,
            schedule: self.schedule,
            trigger: self.trigger,
            author: self.author,
            commit: self.commit_id,
            steps: self.steps,
            failed: self.failed,
            cause: self.cause,
        })
    }
}

/// The runs that match, newest first.
pub(super) async fn find(readers: &SqlitePool, filter: &RunFilter) -> Result<Vec<RunRecord>, LedgerError> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT id, environment, command, schedule, trigger, due_at, as_of, author, started_at, finished_at, state,
                commit_id, steps, failed, cause FROM run WHERE true",
    );
    let texts = [
        (" AND environment = ", filter.environment.clone()),
        (" AND schedule = ", filter.schedule.clone()),
        (" AND state = ", filter.state.map(|state| state.word().to_owned())),
    ];
    for (condition, value) in texts {
        if let Some(value) = value {
            query.push(condition).push_bind(value);
        }
    }
    if let Some(id) = &filter.id {
        // Ids are hexadecimal: everything that begins like this lies before `g`.
        query.push(" AND id >= ").push_bind(id.clone()).push(" AND id < ").push_bind(format!("{id}g"));
    }
    query.push(" ORDER BY started_at DESC, id LIMIT ").push_bind(filter.limit);
    let rows: Vec<RunRow> =
        query.build_query_as().fetch_all(readers).await.map_err(|error| storage("read the history of runs", &error))?;
    rows.into_iter().map(RunRow::decode).collect()
}

#[derive(sqlx::FromRow)]
struct StepRow {
    run: String,
    number: u32,
    asset: String,
    verb: String,
    state: String,
    attempts: u32,
    started_at: i64,
    finished_at: Option<i64>,
    detail: String,
    hit: Option<bool>,
    rows: Option<i64>,
}

/// The steps of a run in order.
pub(super) async fn steps(readers: &SqlitePool, run: &str) -> Result<Vec<StepRecord>, LedgerError> {
    let rows: Vec<StepRow> = sqlx::query_as(
        "SELECT run, number, asset, verb, state, attempts, started_at, finished_at, detail, hit, rows
           FROM run_step WHERE run = ? ORDER BY number",
    )
    .bind(run)
    .fetch_all(readers)
    .await
    .map_err(|error| storage(format!("read the steps of run {run}"), &error))?;
    let decode = |row: StepRow| StepRecord {
        started_at: timestamp_from_micros(row.started_at),
        finished_at: row.finished_at.map(timestamp_from_micros),
        rows: row.rows.map(i64::cast_unsigned),
        run: row.run,
        number: row.number,
        asset: row.asset,
        verb: row.verb,
        state: row.state,
        attempts: row.attempts,
        detail: row.detail,
        hit: row.hit,
    };
    Ok(rows.into_iter().map(decode).collect())
}

/// The log of a run in order.
pub(super) async fn log(readers: &SqlitePool, run: &str) -> Result<Vec<LogLine>, LedgerError> {
    let rows: Vec<(String, String, i64, String, String)> =
        sqlx::query_as("SELECT run, asset, at, level, text FROM run_log WHERE run = ? ORDER BY id")
            .bind(run)
            .fetch_all(readers)
            .await
            .map_err(|error| storage(format!("read the log of run {run}"), &error))?;
    let decode = |(run, asset, at, level, text): (String, String, i64, String, String)| {
        let at = timestamp_from_micros(at);
        LogLine { run, asset, at, level, text }
    };
    Ok(rows.into_iter().map(decode).collect())
}
