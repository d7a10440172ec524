//! The history of runs: runs, their steps and logs.

use std::collections::HashSet;
use std::mem::discriminant;

use baton_core::Timestamp;
use baton_core::ports::{LedgerError, LogLine, RunChange, RunEnd, RunFilter, RunRecord, RunState, StepRecord};
use baton_core::time::timestamp_from_micros;

use super::{count, writable};
use crate::database::{Database, Statement, Transaction, Value, record};
use crate::error::{damaged, storage};

const ACTION: &str = "keep the history of a run";

/// Keeps changes in order; steps and lines of logs that follow one another go many to a statement.
pub(super) async fn keep(transaction: &mut Transaction, changes: &[RunChange]) -> Result<(), LedgerError> {
    for alike in changes.chunk_by(|one, next| discriminant(one) == discriminant(next)) {
        for statement in statements(alike) {
            transaction.execute(statement).await.map_err(|error| storage(ACTION, &error))?;
        }
    }
    Ok(())
}

/// The statements for changes of one kind.
fn statements(alike: &[RunChange]) -> Vec<Statement> {
    let (mut steps, mut lines, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for change in alike {
        match change {
            RunChange::Started(run) => others.extend([interrupt(run), start(run)]),
            RunChange::Planned { run, assets } => others.push(keep_plan(run, assets)),
            RunChange::Step(step) => steps.push(step),
            RunChange::Log(line) => lines.push(line_values(line)),
            RunChange::Ended(run) => others.push(end(run)),
        }
    }
    let steps = newest(&steps).into_iter().map(step_values).collect();
    others.extend(Statement::inserts(INSERT_STEPS, steps, REPLACE_STEPS));
    others.extend(Statement::inserts(INSERT_LINES, lines, ""));
    others
}

/// Of each step the last record: a statement must not write a row twice.
fn newest<'a>(steps: &[&'a StepRecord]) -> Vec<&'a StepRecord> {
    let mut seen = HashSet::new();
    let mut newest: Vec<&StepRecord> =
        steps.iter().rev().filter(|step| seen.insert((&step.run, step.number))).copied().collect();
    newest.reverse();
    newest
}

/// A run that begins says that those before it in its environment did not end; a step of a runbook's says nothing of it.
fn interrupt(run: &RunRecord) -> Statement {
    Statement::new(
        "UPDATE run SET state = 'interrupted'
          WHERE state = 'running' AND environment = $1 AND (command <> 'runbook' OR $2 = 'runbook')",
    )
    .bind(&run.environment)
    .bind(&run.command)
}

fn start(run: &RunRecord) -> Statement {
    Statement::new(
        "INSERT INTO run (id, environment, command, schedule, trigger, due_at, as_of, author, started_at, state, steps,
                          failed, parameters, request)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12, $13)
         ON CONFLICT (id) DO UPDATE SET state = 'running', steps = excluded.steps, finished_at = NULL, cause = NULL,
                                        cancelled = 0",
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
    .bind(serde_json::json!(run.parameters).to_string())
    .bind(run.request.as_ref().map(serde_json::Value::to_string))
}

fn keep_plan(run: &str, assets: &[String]) -> Statement {
    Statement::new("UPDATE run SET planned = $1 WHERE id = $2").bind(assets.join("\n")).bind(run)
}

const INSERT_STEPS: &str = "INSERT INTO run_step (run, number, asset, verb, state, attempts, started_at, finished_at, detail, hit, rows) VALUES ";
const REPLACE_STEPS: &str =
    " ON CONFLICT (run, number) DO UPDATE SET asset = excluded.asset, verb = excluded.verb, state = excluded.state,
        attempts = excluded.attempts, started_at = excluded.started_at, finished_at = excluded.finished_at,
        detail = excluded.detail, hit = excluded.hit, rows = excluded.rows";

fn step_values(step: &StepRecord) -> Vec<Value> {
    vec![
        (&step.run).into(),
        step.number.into(),
        (&step.asset).into(),
        (&step.verb).into(),
        (&step.state).into(),
        step.attempts.into(),
        step.started_at.timestamp_micros().into(),
        micros(step.finished_at).into(),
        writable(&step.detail).into(),
        step.hit.into(),
        step.rows.map(u64::cast_signed).into(),
    ]
}

const INSERT_LINES: &str = "INSERT INTO run_log (run, asset, at, level, text) VALUES ";

fn line_values(line: &LogLine) -> Vec<Value> {
    vec![
        (&line.run).into(),
        (&line.asset).into(),
        line.at.timestamp_micros().into(),
        (&line.level).into(),
        writable(&line.text).into(),
    ]
}

/// A run whose tick another server began again does not count, whatever came of it: its tick would have run twice.
fn end(run: &RunEnd) -> Statement {
    Statement::new(
        "UPDATE run SET finished_at = $1, state = $2, commit_id = $3, failed = $4, cause = $5
          WHERE id = $6 AND NOT (state = 'interrupted' AND EXISTS (
            SELECT later.id FROM run AS later
             WHERE later.schedule = run.schedule AND later.started_at > run.started_at
               AND later.environment = run.environment AND later.trigger = run.trigger AND later.due_at = run.due_at))",
    )
    .bind(run.at.timestamp_micros())
    .bind(run.state.word())
    .bind(&run.commit)
    .bind(run.failed)
    .bind(run.cause.as_deref().map(writable))
    .bind(&run.run)
}

fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(|at| at.timestamp_micros())
}

record! {
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
        steps: i64,
        failed: i64,
        cause: Option<String>,
        parameters: String,
        request: Option<String>,
    }
}

impl RunRow {
    fn decode(self) -> Result<RunRecord, LedgerError> {
        let unknown = || damaged(format!("run {}", self.id), format!("state `{}`", self.state));
        let parameters = serde_json::from_str(&self.parameters)
            .map_err(|error| damaged(format!("run {}", self.id), error.to_string()))?;
        let request = self.request.as_deref().map(serde_json::from_str).transpose();
        let request = request.map_err(|error| damaged(format!("run {}", self.id), error.to_string()))?;
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
            steps: count(self.steps),
            failed: count(self.failed),
            cause: self.cause,
            parameters,
            request,
        })
    }
}

/// That a run is to end.
pub(super) const CANCEL: i64 = 1;
/// That a run is to stop where it can go on later.
pub(super) const PAUSE: i64 = 2;

/// Asks a run that goes on for something; answers whether it does. That it is to end outweighs that it is to stop.
pub(super) async fn ask(database: &Database, run: &str, verb: &str, what: i64) -> Result<bool, LedgerError> {
    let action = format!("{verb} run {run}");
    let mut transaction = database.begin(&action).await?;
    let ask = Statement::new(
        "UPDATE run SET cancelled = CASE WHEN cancelled = 1 THEN 1 ELSE $1 END WHERE id = $2 AND state = 'running'",
    );
    let changed = transaction.execute(ask.bind(what).bind(run)).await.map_err(|error| storage(&action, &error))?;
    transaction.commit(&action).await?;
    Ok(changed > 0)
}

/// What a run was asked for: nothing, or one of the above.
pub(super) async fn asked(database: &Database, run: &str) -> Result<Option<i64>, LedgerError> {
    let select = Statement::new("SELECT cancelled FROM run WHERE id = $1").bind(run);
    let row: Option<(i64,)> = database.one(select).await.map_err(|error| storage(format!("read run {run}"), &error))?;
    Ok(row.map(|(asked,)| asked))
}

/// The runs that match, newest first.
pub(super) async fn find(database: &Database, filter: &RunFilter) -> Result<Vec<RunRecord>, LedgerError> {
    let mut select = Statement::new(
        "SELECT id, environment, command, schedule, trigger, due_at, as_of, author, started_at, finished_at, state,
                commit_id, steps, failed, cause, parameters, request FROM run WHERE true",
    );
    let texts = [
        (" AND environment = ", filter.environment.clone()),
        (" AND schedule = ", filter.schedule.clone()),
        (" AND state = ", filter.state.map(|state| state.word().to_owned())),
    ];
    for (condition, value) in texts {
        if let Some(value) = value {
            select.push(condition).push_bind(value);
        }
    }
    if let Some(id) = &filter.id {
        // Ids are hexadecimal: everything that begins like this lies before `g`.
        select.push(" AND id >= ").push_bind(id.clone()).push(" AND id < ").push_bind(format!("{id}g"));
    }
    select.push(" ORDER BY started_at DESC, id LIMIT ").push_bind(filter.limit);
    let rows: Vec<RunRow> = database.all(select).await.map_err(|error| storage("read the history of runs", &error))?;
    rows.into_iter().map(RunRow::decode).collect()
}

/// The assets that a run was to work on.
pub(super) async fn planned(database: &Database, run: &str) -> Result<Vec<String>, LedgerError> {
    let select = Statement::new("SELECT planned FROM run WHERE id = $1").bind(run);
    let row: Option<(String,)> =
        database.one(select).await.map_err(|error| storage(format!("read what run {run} was to do"), &error))?;
    Ok(row.map(|(text,)| text.lines().map(str::to_owned).collect()).unwrap_or_default())
}

/// Deletes runs that ended and began before `before`, but for the newest `keep` of each environment, with all that hangs
/// on them; and what is settled of queue and outbox.
pub(super) async fn prune(transaction: &mut Transaction, before: Timestamp, keep: u32) -> Result<u64, LedgerError> {
    const OLD: &str = "SELECT id FROM (
        SELECT id, state, started_at, row_number() OVER (PARTITION BY environment ORDER BY started_at DESC, id) AS place
          FROM run) AS placed WHERE place > $1 AND started_at < $2 AND state NOT IN ('running', 'waiting_for_approval', 'paused')";
    let steps = format!("DELETE FROM run_step WHERE run IN ({OLD})");
    let logs = format!("DELETE FROM run_log WHERE run IN ({OLD})");
    let runs = format!("DELETE FROM run WHERE id IN ({OLD})");
    let requests =
        "DELETE FROM request WHERE state NOT IN ('queued', 'running') AND due_at < $2 AND $1 >= 0".to_owned();
    // The last that a channel heard of a cause says whether it is to hear of it again.
    let messages = "DELETE FROM message WHERE state <> 'open' AND at < $2 AND $1 >= 0 AND id NOT IN (
        SELECT max(id) FROM message GROUP BY environment, channel, cause)"
        .to_owned();
    let mut total = 0;
    for (statement, counts) in [(steps, false), (logs, false), (requests, false), (messages, false), (runs, true)] {
        let deleted = transaction.execute(Statement::new(statement).bind(keep).bind(before.timestamp_micros())).await;
        let deleted = deleted.map_err(|error| storage("prune the history of runs", &error))?;
        total += if counts { deleted } else { 0 };
    }
    Ok(total)
}

record! {
    struct StepRow {
        run: String,
        number: i64,
        asset: String,
        verb: String,
        state: String,
        attempts: i64,
        started_at: i64,
        finished_at: Option<i64>,
        detail: String,
        hit: Option<i64>,
        rows: Option<i64>,
    }
}

/// The steps of a run in order.
pub(super) async fn steps(database: &Database, run: &str) -> Result<Vec<StepRecord>, LedgerError> {
    let select = Statement::new(
        "SELECT run, number, asset, verb, state, attempts, started_at, finished_at, detail, hit, rows
           FROM run_step WHERE run = $1 ORDER BY number",
    );
    let rows: Vec<StepRow> = database
        .all(select.bind(run))
        .await
        .map_err(|error| storage(format!("read the steps of run {run}"), &error))?;
    let decode = |row: StepRow| StepRecord {
        started_at: timestamp_from_micros(row.started_at),
        finished_at: row.finished_at.map(timestamp_from_micros),
        rows: row.rows.map(i64::cast_unsigned),
        run: row.run,
        number: count(row.number),
        asset: row.asset,
        verb: row.verb,
        state: row.state,
        attempts: count(row.attempts),
        detail: row.detail,
        hit: row.hit.map(|hit| hit != 0),
    };
    Ok(rows.into_iter().map(decode).collect())
}

/// The log of a run in order.
pub(super) async fn log(database: &Database, run: &str) -> Result<Vec<LogLine>, LedgerError> {
    let select = Statement::new("SELECT run, asset, at, level, text FROM run_log WHERE run = $1 ORDER BY id");
    let rows: Vec<(String, String, i64, String, String)> =
        database.all(select.bind(run)).await.map_err(|error| storage(format!("read the log of run {run}"), &error))?;
    let decode = |(run, asset, at, level, text): (String, String, i64, String, String)| {
        let at = timestamp_from_micros(at);
        LogLine { run, asset, at, level, text }
    };
    Ok(rows.into_iter().map(decode).collect())
}
