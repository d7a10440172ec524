//! The operations port on a database: cursors here, leases, the queue, the history of runs and the outbox beside it.

mod adjustments;
mod leases;
mod outbox;
mod pools;
mod requests;
mod runs;

use async_trait::async_trait;
use baton_core::Timestamp;
use baton_core::ports::{
    Adjustment, Advance, Delivery, Lease, LedgerError, LogLine, Message, NewMessage, NewRequest, Operations, Request,
    RequestEnd, RunChange, RunFilter, RunRecord, StepRecord, Waiter,
};
use baton_core::time::timestamp_from_micros;
use serde_json::Value;

use crate::SqlLedger;
use crate::database::{Statement, Value as SqlValue};
use crate::error::{damaged, storage};

#[async_trait]
impl Operations for SqlLedger {
    async fn pulse(&self) -> Result<u64, LedgerError> {
        let pulse = self.database.pulse().await;
        pulse.map(i64::cast_unsigned).map_err(|error| storage("look for changes", &error))
    }

    async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, LedgerError> {
        leases::take(&self.database, (name, holder), now, until).await
    }

    async fn clock_of_leases(&self) -> Result<Option<Timestamp>, LedgerError> {
        let micros = self.database.clock().await.map_err(|error| storage("ask for the time", &error))?;
        Ok(micros.map(timestamp_from_micros))
    }

    async fn release_lease(&self, lease: &Lease) -> Result<(), LedgerError> {
        leases::release(&self.database, lease).await
    }

    async fn cursor(&self, environment: &str, schedule: &str) -> Result<Option<Value>, LedgerError> {
        let select = Statement::new("SELECT cursor FROM schedule_cursor WHERE environment = $1 AND schedule = $2");
        let row: Option<(String,)> = self
            .database
            .one(select.bind(environment).bind(schedule))
            .await
            .map_err(|error| storage(format!("read where schedule `{schedule}` is"), &error))?;
        let parse = |(text,): (String,)| {
            serde_json::from_str(&text).map_err(|error| damaged("a schedule's cursor", error.to_string()))
        };
        row.map(parse).transpose()
    }

    async fn advance(&self, lease: &Lease, environment: &str, advances: &[Advance]) -> Result<usize, LedgerError> {
        let action = match advances {
            [] => return Ok(0),
            [one] => format!("move schedule `{}` on", one.schedule),
            several => format!("move {} schedules on", several.len()),
        };
        let mut transaction = self.database.begin(&action).await?;
        leases::need(&mut transaction, lease).await?;
        let cursor = |advance: &Advance| -> Vec<SqlValue> {
            vec![environment.into(), (&advance.schedule).into(), advance.cursor.to_string().into()]
        };
        for keep in Statement::inserts(KEEP_CURSORS, advances.iter().map(cursor).collect(), REPLACE_CURSORS) {
            transaction.execute(keep).await.map_err(|error| storage(&action, &error))?;
        }
        let mut count = 0;
        for request in advances.iter().flat_map(|advance| &advance.requests) {
            count += usize::from(requests::put(&mut transaction, environment, request).await?.is_some());
        }
        transaction.commit(&action).await?;
        Ok(count)
    }

    async fn request(&self, environment: &str, request: &NewRequest) -> Result<u64, LedgerError> {
        let action = format!("ask for schedule `{}`", request.schedule);
        let mut transaction = self.database.begin(&action).await?;
        let number = requests::put(&mut transaction, environment, request).await?;
        transaction.commit(&action).await?;
        Ok(number.unwrap_or_default())
    }

    async fn open_requests(&self, environment: &str) -> Result<Vec<Request>, LedgerError> {
        requests::open(&self.database, environment).await
    }

    async fn has_waiting(&self, environment: &str, now: Timestamp) -> Result<bool, LedgerError> {
        requests::has_waiting(&self.database, environment, now).await
    }

    async fn begin_request(
        &self,
        lease: &Lease,
        environment: &str,
        now: Timestamp,
    ) -> Result<Option<Request>, LedgerError> {
        const ACTION: &str = "begin a run that waits";
        let mut transaction = self.database.begin(ACTION).await?;
        leases::need(&mut transaction, lease).await?;
        let found = requests::begin_next(&mut transaction, lease.token, environment, now).await?;
        transaction.commit(ACTION).await?;
        Ok(found)
    }

    async fn end_request(&self, lease: &Lease, id: u64, end: &RequestEnd) -> Result<(), LedgerError> {
        const ACTION: &str = "say how a run ended";
        let mut transaction = self.database.begin(ACTION).await?;
        leases::need(&mut transaction, lease).await?;
        requests::end(&mut transaction, id, end).await?;
        transaction.commit(ACTION).await
    }

    async fn recover_requests(&self, lease: &Lease, environment: &str) -> Result<usize, LedgerError> {
        const ACTION: &str = "take over runs";
        let mut transaction = self.database.begin(ACTION).await?;
        leases::need(&mut transaction, lease).await?;
        let count = requests::recover(&mut transaction, lease.token, environment).await?;
        transaction.commit(ACTION).await?;
        Ok(count)
    }

    async fn keep_runs(&self, changes: Vec<RunChange>) -> Result<(), LedgerError> {
        const ACTION: &str = "keep the history of a run";
        let mut transaction = self.database.begin(ACTION).await?;
        runs::keep(&mut transaction, &changes).await?;
        transaction.commit(ACTION).await
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>, LedgerError> {
        runs::find(&self.database, filter).await
    }

    async fn steps(&self, run: &str) -> Result<Vec<StepRecord>, LedgerError> {
        runs::steps(&self.database, run).await
    }

    async fn planned(&self, run: &str) -> Result<Vec<String>, LedgerError> {
        runs::planned(&self.database, run).await
    }

    async fn prune_runs(&self, before: Timestamp, keep: u32) -> Result<u64, LedgerError> {
        const ACTION: &str = "prune the history of runs";
        let mut transaction = self.database.begin(ACTION).await?;
        let count = runs::prune(&mut transaction, before, keep).await?;
        transaction.commit(ACTION).await?;
        Ok(count)
    }

    async fn log(&self, run: &str) -> Result<Vec<LogLine>, LedgerError> {
        runs::log(&self.database, run).await
    }

    async fn cancel_run(&self, run: &str) -> Result<bool, LedgerError> {
        runs::ask(&self.database, run, "cancel", runs::CANCEL).await
    }

    async fn is_cancelled(&self, run: &str) -> Result<bool, LedgerError> {
        Ok(runs::asked(&self.database, run).await? == Some(runs::CANCEL))
    }

    async fn pause_run(&self, run: &str) -> Result<bool, LedgerError> {
        runs::ask(&self.database, run, "pause", runs::PAUSE).await
    }

    async fn is_paused(&self, run: &str) -> Result<bool, LedgerError> {
        Ok(runs::asked(&self.database, run).await? == Some(runs::PAUSE))
    }

    async fn take_slot(
        &self,
        pool: &str,
        slots: usize,
        waiter: &Waiter,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Lease>, LedgerError> {
        let action = format!("take a slot of pool `{pool}`");
        let mut transaction = self.database.begin(&action).await?;
        let taken = pools::take(&mut transaction, (pool, slots), waiter, now, until).await;
        let taken = taken.map_err(|error| storage(&action, &error))?;
        transaction.commit(&action).await?;
        Ok(taken)
    }

    async fn adjust(&self, adjustment: &Adjustment) -> Result<(), LedgerError> {
        let action = format!("adjust `{}`", adjustment.subject);
        let mut transaction = self.database.begin(&action).await?;
        let made = adjustments::make(&mut transaction, adjustment).await;
        made.map_err(|error| storage(&action, &error))?;
        transaction.commit(&action).await
    }

    async fn end_adjustment(&self, environment: &str, subject: &str) -> Result<bool, LedgerError> {
        let action = format!("take back what was adjusted of `{subject}`");
        let mut transaction = self.database.begin(&action).await?;
        let ended = adjustments::end(&mut transaction, environment, subject).await;
        let ended = ended.map_err(|error| storage(&action, &error))?;
        transaction.commit(&action).await?;
        Ok(ended)
    }

    async fn adjustments(&self, environment: &str, now: Timestamp) -> Result<Vec<Adjustment>, LedgerError> {
        adjustments::find(&self.database, environment, now).await
    }

    async fn post(&self, messages: Vec<NewMessage>) -> Result<usize, LedgerError> {
        const ACTION: &str = "put messages into the outbox";
        let mut transaction = self.database.begin(ACTION).await?;
        let mut count = 0;
        for message in &messages {
            count += usize::from(outbox::post(&mut transaction, message).await?);
        }
        transaction.commit(ACTION).await?;
        Ok(count)
    }

    async fn outbox(&self, now: Timestamp, limit: u32) -> Result<Vec<Message>, LedgerError> {
        outbox::due(&self.database, now, limit).await
    }

    async fn settle_messages(&self, settled: Vec<(u64, Delivery)>) -> Result<(), LedgerError> {
        const ACTION: &str = "settle messages";
        let mut transaction = self.database.begin(ACTION).await?;
        for (id, delivery) in &settled {
            outbox::settle(&mut transaction, *id, delivery).await?;
        }
        transaction.commit(ACTION).await
    }
}

const KEEP_CURSORS: &str = "INSERT INTO schedule_cursor (environment, schedule, cursor) VALUES ";
const REPLACE_CURSORS: &str = " ON CONFLICT (environment, schedule) DO UPDATE SET cursor = excluded.cursor";

/// A text that a step, a message or a person's script wrote, as every database takes it: without zero bytes.
fn writable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A number that was stored as one of 32 bits.
fn count(stored: i64) -> u32 {
    u32::try_from(stored).unwrap_or(u32::MAX)
}
