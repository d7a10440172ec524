//! The operations port on SQLite: leases and cursors here, the queue, the history of runs and the outbox beside it.

mod outbox;
mod requests;
mod runs;

use async_trait::async_trait;
use baton_core::Timestamp;
use baton_core::ports::{
    Delivery, Lease, LedgerError, LogLine, Message, NewMessage, NewRequest, Operations, Request, RequestEnd, RunChange,
    RunFilter, RunRecord, StepRecord,
};
use baton_core::time::timestamp_from_micros;
use serde_json::Value;
use sqlx::SqliteConnection;

use crate::error::{damaged, storage};
use crate::sqlite::SqliteLedger;

#[async_trait]
impl Operations for SqliteLedger {
    async fn pulse(&self) -> Result<u64, LedgerError> {
        // One connection of its own: the figure counts what others wrote since that connection last looked.
        let version: i64 = sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&self.connections.pulse)
            .await
            .map_err(|error| storage("look for changes", &error))?;
        Ok(version.cast_unsigned())
    }

    async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, LedgerError> {
        let action = format!("take the lease `{name}`");
        let mut transaction = self.begin(&action).await?;
        let found = read_lease(&mut transaction, name).await?;
        let token = match found {
            Some(found) if found.holder == holder => found.token,
            Some(found) if found.until > now && !found.holder.is_empty() => return Ok(found),
            found => found.map_or(1, |found| found.token + 1),
        };
        sqlx::query(
            "INSERT INTO lease (name, holder, token, until) VALUES (?, ?, ?, ?)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = excluded.token, until = excluded.until",
        )
        .bind(name)
        .bind(holder)
        .bind(token.cast_signed())
        .bind(until.timestamp_micros())
        .execute(&mut *transaction)
        .await
        .map_err(|error| storage(&action, &error))?;
        transaction.commit().await.map_err(|error| storage(&action, &error))?;
        Ok(Lease { name: name.to_owned(), holder: holder.to_owned(), token, until })
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError> {
        sqlx::query("UPDATE lease SET holder = '', until = 0 WHERE name = ? AND token = ? AND holder = ?")
            .bind(&lease.name)
            .bind(lease.token.cast_signed())
            .bind(&lease.holder)
            .execute(&self.connections.writer)
            .await
            .map_err(|error| storage(format!("give back the lease `{}`", lease.name), &error))?;
        Ok(())
    }

    async fn cursor(&self, environment: &str, schedule: &str) -> Result<Option<Value>, LedgerError> {
        let text: Option<String> =
            sqlx::query_scalar("SELECT cursor FROM schedule_cursor WHERE environment = ? AND schedule = ?")
                .bind(environment)
                .bind(schedule)
                .fetch_optional(&self.connections.readers)
                .await
                .map_err(|error| storage(format!("read where schedule `{schedule}` is"), &error))?;
        let parse = |text: String| {
            serde_json::from_str(&text).map_err(|error| damaged("a schedule's cursor", error.to_string()))
        };
        text.map(parse).transpose()
    }

    async fn advance(
        &self,
        lease: &Lease,
        environment: &str,
        schedule: &str,
        cursor: &Value,
        requests: &[NewRequest],
    ) -> Result<usize, LedgerError> {
        let action = format!("move schedule `{schedule}` on");
        let mut transaction = self.begin(&action).await?;
        need_lease(&mut transaction, lease).await?;
        sqlx::query(
            "INSERT INTO schedule_cursor (environment, schedule, cursor) VALUES (?, ?, ?)
             ON CONFLICT (environment, schedule) DO UPDATE SET cursor = excluded.cursor",
        )
        .bind(environment)
        .bind(schedule)
        .bind(cursor.to_string())
        .execute(&mut *transaction)
        .await
        .map_err(|error| storage(&action, &error))?;
        let mut count = 0;
        for request in requests {
            count += usize::from(requests::put(&mut transaction, environment, request).await?.is_some());
        }
        transaction.commit().await.map_err(|error| storage(&action, &error))?;
        Ok(count)
    }

    async fn request(&self, environment: &str, request: &NewRequest) -> Result<u64, LedgerError> {
        let action = format!("ask for schedule `{}`", request.schedule);
        let mut transaction = self.begin(&action).await?;
        let number = requests::put(&mut transaction, environment, request).await?;
        transaction.commit().await.map_err(|error| storage(&action, &error))?;
        Ok(number.unwrap_or_default())
    }

    async fn open_requests(&self, environment: &str) -> Result<Vec<Request>, LedgerError> {
        requests::open(&self.connections.readers, environment).await
    }

    async fn begin_request(
        &self,
        lease: &Lease,
        environment: &str,
        now: Timestamp,
    ) -> Result<Option<Request>, LedgerError> {
        const ACTION: &str = "begin a run that waits";
        let mut transaction = self.begin(ACTION).await?;
        need_lease(&mut transaction, lease).await?;
        let found = requests::begin_next(&mut transaction, lease.token, environment, now).await?;
        transaction.commit().await.map_err(|error| storage(ACTION, &error))?;
        Ok(found)
    }

    async fn end_request(&self, lease: &Lease, id: u64, end: &RequestEnd) -> Result<(), LedgerError> {
        const ACTION: &str = "say how a run ended";
        let mut transaction = self.begin(ACTION).await?;
        need_lease(&mut transaction, lease).await?;
        requests::end(&mut transaction, id, end).await?;
        transaction.commit().await.map_err(|error| storage(ACTION, &error))
    }

    async fn recover_requests(&self, lease: &Lease, environment: &str) -> Result<usize, LedgerError> {
        const ACTION: &str = "take over runs";
        let mut transaction = self.begin(ACTION).await?;
        need_lease(&mut transaction, lease).await?;
        let count = requests::recover(&mut transaction, lease.token, environment).await?;
        transaction.commit().await.map_err(|error| storage(ACTION, &error))?;
        Ok(count)
    }

    async fn keep_runs(&self, changes: Vec<RunChange>) -> Result<(), LedgerError> {
        const ACTION: &str = "keep the history of a run";
        let mut transaction = self.begin(ACTION).await?;
        for change in &changes {
            runs::keep(&mut transaction, change).await?;
        }
        transaction.commit().await.map_err(|error| storage(ACTION, &error))
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, LedgerError> {
        runs::find(&self.connections.readers, filter).await
    }

    async fn steps(&self, run: &str) -> Result<Vec<StepRecord>, LedgerError> {
        runs::steps(&self.connections.readers, run).await
    }

    async fn log(&self, run: &str) -> Result<Vec<LogLine>, LedgerError> {
        runs::log(&self.connections.readers, run).await
    }

    async fn cancel_run(&self, run: &str) -> Result<bool, LedgerError> {
        let done = sqlx::query("UPDATE run SET cancelled = 1 WHERE id = ? AND state = 'running'")
            .bind(run)
            .execute(&self.connections.writer)
            .await
            .map_err(|error| storage(format!("cancel run {run}"), &error))?;
        Ok(done.rows_affected() > 0)
    }

    async fn is_cancelled(&self, run: &str) -> Result<bool, LedgerError> {
        let found: Option<i64> = sqlx::query_scalar("SELECT cancelled FROM run WHERE id = ?")
            .bind(run)
            .fetch_optional(&self.connections.readers)
            .await
            .map_err(|error| storage(format!("read run {run}"), &error))?;
        Ok(found == Some(1))
    }

    async fn post(&self, messages: Vec<NewMessage>) -> Result<usize, LedgerError> {
        const ACTION: &str = "put messages into the outbox";
        let mut transaction = self.begin(ACTION).await?;
        let mut count = 0;
        for message in &messages {
            count += usize::from(outbox::post(&mut transaction, message).await?);
        }
        transaction.commit().await.map_err(|error| storage(ACTION, &error))?;
        Ok(count)
    }

    async fn outbox(&self, now: Timestamp, limit: u32) -> Result<Vec<Message>, LedgerError> {
        outbox::due(&self.connections.readers, now, limit).await
    }

    async fn settle_messages(&self, settled: Vec<(u64, Delivery)>) -> Result<(), LedgerError> {
        const ACTION: &str = "settle messages";
        let mut transaction = self.begin(ACTION).await?;
        for (id, delivery) in &settled {
            outbox::settle(&mut transaction, *id, delivery).await?;
        }
        transaction.commit().await.map_err(|error| storage(ACTION, &error))
    }
}

async fn read_lease(connection: &mut SqliteConnection, name: &str) -> Result<Option<Lease>, LedgerError> {
    let row: Option<(String, i64, i64)> = sqlx::query_as("SELECT holder, token, until FROM lease WHERE name = ?")
        .bind(name)
        .fetch_optional(connection)
        .await
        .map_err(|error| storage(format!("read the lease `{name}`"), &error))?;
    Ok(row.map(|(holder, token, until)| Lease {
        name: name.to_owned(),
        holder,
        token: token.cast_unsigned(),
        until: timestamp_from_micros(until),
    }))
}

/// Refuses to go on when another holder has the lease by now.
async fn need_lease(connection: &mut SqliteConnection, lease: &Lease) -> Result<(), LedgerError> {
    let found = read_lease(connection, &lease.name).await?;
    if found.as_ref().is_some_and(|found| found.token == lease.token && found.holder == lease.holder) {
        return Ok(());
    }
    let holder = found.map(|found| found.holder).filter(|holder| !holder.is_empty());
    Err(LedgerError::LeaseLost { name: lease.name.clone(), holder: holder.unwrap_or_else(|| "nobody".to_owned()) })
}
