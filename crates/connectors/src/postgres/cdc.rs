//! Following changes: every row once, then what happened since, by a replication slot.
//!
//! The slot is read through `pg_logical_slot_peek_binary_changes`, which shows changes without moving the slot, and moved
//! once they are recorded. So a session is an ordinary one, and nothing is lost with it. The slot is older than the first
//! snapshot; transactions that the snapshot saw are known by their numbers and passed over, so that nothing comes twice and
//! nothing is left out.

use std::collections::HashMap;
use std::time::Instant;

use futures::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::ToSql;

use super::config::PostgresSource;
use super::connect::Session;
use super::copy::copy;
use super::pgoutput::{Message, Relation, parse};
use super::slot::{end_of_log, find, find_or_create, lsn_of, lsn_text, outside_identity, system_of};
use super::types::PgColumn;
use crate::changes::{Cell, ChangeLog, Operation};
use crate::cursor::Verdict;
use crate::sink::text_schema;
use crate::written::WrittenRows;
use crate::{ConnectorError, Limits, Position, PullRequest, PullSink, Pulled};

/// Where the next pull goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CdcPosition {
    slot: String,
    /// The server and database.
    system: String,
    /// Transactions whose commit begins before are landed.
    lsn: String,
    /// Changes of the transaction behind that are landed too: it was larger than a landing.
    #[serde(default)]
    inside: u64,
    /// What the first snapshot saw, until the log is past it.
    #[serde(default)]
    snapshot: Option<Snapshot>,
}

impl CdcPosition {
    fn lsn(&self) -> u64 {
        lsn_of(&self.lsn).unwrap_or_default()
    }
}

/// The transactions that a snapshot saw: `xmin:xmax:running,…`, and the end of the log when it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Snapshot {
    seen: String,
    end: String,
}

impl Snapshot {
    /// Whether the snapshot saw what a transaction did, by the lower half of its number.
    fn saw(&self, transaction: u32) -> bool {
        let mut parts = self.seen.split(':');
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok()).map(low_half);
        let (Some(oldest), Some(next)) = (number(), number()) else { return false };
        let mut running = self.seen.rsplit(':').next().unwrap_or_default().split(',');
        let is_before = |one: u32, other: u32| one.wrapping_sub(other) > u32::MAX / 2;
        is_before(transaction, oldest)
            || (is_before(transaction, next)
                && running.all(|other| other.parse::<u64>().map(low_half) != Ok(transaction)))
    }
}

fn low_half(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default()
}

/// Hands on every row the first time, and what happened since later.
pub(super) async fn pull(
    session: &Session,
    postgres: &PostgresSource,
    columns: &[PgColumn],
    request: &PullRequest,
    sink: &mut PullSink,
) -> Result<Pulled, ConnectorError> {
    match &request.position {
        None => snapshot(session, postgres, columns, sink).await,
        Some(position) => follow(session, postgres, columns, request, position.read()?, sink).await,
    }
}

/// Moves the slot to what is recorded.
pub(super) async fn confirm(
    session: &Session,
    postgres: &PostgresSource,
    position: &Position,
) -> Result<(), ConnectorError> {
    let position: CdcPosition = position.read()?;
    let slot = find(session, &position.slot).await?;
    let Some(slot) = slot.filter(|slot| slot.confirmed < position.lsn() && position.slot == postgres.slot) else {
        return Ok(());
    };
    if slot.wal_status == "lost" {
        return Ok(());
    }
    let statement = "select pg_replication_slot_advance($1, $2::text::pg_lsn)";
    session.client.query(statement, &[&position.slot, &position.lsn]).await.map_err(|error| session.refused(&error))?;
    Ok(())
}

async fn snapshot(
    session: &Session,
    postgres: &PostgresSource,
    columns: &[PgColumn],
    sink: &mut PullSink,
) -> Result<Pulled, ConnectorError> {
    let slot = find_or_create(session, postgres).await?;
    let system = system_of(session).await?;
    let run = |statement: &'static str| async move {
        session.client.batch_execute(statement).await.map_err(|error| session.refused(&error))
    };
    run("begin isolation level repeatable read read only").await?;
    let row = session.client.query_one("select pg_current_snapshot()::text", &[]).await;
    let seen: String = row.map_err(|error| session.refused(&error))?.get(0);
    // Everything that the snapshot saw is in the log before this.
    let (end, _) = end_of_log(session).await?;
    let select = format!("select * from {}", postgres.relation.as_sql());
    copy(session, &select, columns, sink, &mut |_, _| Verdict::Take).await?;
    run("commit").await?;
    let position = CdcPosition {
        slot: postgres.slot.clone(),
        system,
        lsn: lsn_text(slot.confirmed),
        inside: 0,
        snapshot: Some(Snapshot { seen, end: lsn_text(end) }),
    };
    Ok(Pulled { position: Position::of(&position)?, complete: false, replaces: true })
}

async fn follow(
    session: &Session,
    postgres: &PostgresSource,
    columns: &[PgColumn],
    request: &PullRequest,
    position: CdcPosition,
    sink: &mut PullSink,
) -> Result<Pulled, ConnectorError> {
    trust(session, postgres, &position).await?;
    confirm(session, postgres, &Position::of(&position)?).await?;
    let (end, is_on_disk) = end_of_log(session).await?;
    let mut stream = Following::new(session, postgres, columns, request, position);
    let more = stream.read().await?;
    stream.oldest.into_iter().for_each(|micros| sink.waited_since(micros));
    stream.hand_on(sink).await?;
    let replaces = stream.log.is_truncated();
    let position = stream.position(Some(end).filter(|_| is_on_disk && !more));
    Ok(Pulled { position: Position::of(&position)?, complete: !more, replaces })
}

/// A slot that is gone, was lost, or was moved by somebody else leaves a gap that must not go unnoticed.
async fn trust(session: &Session, postgres: &PostgresSource, position: &CdcPosition) -> Result<(), ConnectorError> {
    let name = &position.slot;
    if position.slot != postgres.slot {
        return Err(
            session.lost(format!("the last landing came from slot `{name}`, and `{}` is set now", postgres.slot))
        );
    }
    if system_of(session).await? != position.system {
        return Err(
            session.lost("it is another database than the last landing came from, or was restored from a backup")
        );
    }
    let Some(slot) = find(session, name).await? else { return Err(session.lost(format!("slot `{name}` is gone"))) };
    if slot.wal_status == "lost" {
        return Err(
            session.lost(format!("slot `{name}` is lost: the server threw its log away (max_slot_wal_keep_size)"))
        );
    }
    if slot.confirmed > position.lsn() {
        let at = lsn_text(slot.confirmed);
        return Err(
            session.lost(format!("slot `{name}` was moved to {at}, and the last landing ends at {}", position.lsn))
        );
    }
    Ok(())
}

/// Changes on their way from the slot.
struct Following<'a> {
    session: &'a Session,
    postgres: &'a PostgresSource,
    /// The columns as the table has them now, for types that a number alone does not tell.
    now: &'a [PgColumn],
    key: &'a [String],
    limits: Limits,
    position: CdcPosition,
    /// When the first of the transactions was committed, in microseconds since the epoch.
    oldest: Option<i64>,
    log: ChangeLog<PgColumn>,
    relations: HashMap<u32, Vec<usize>>,
    /// The transaction at hand, and how many of its changes were seen.
    passes_over: bool,
    seen: u64,
    landed_inside: u64,
}

impl<'a> Following<'a> {
    fn new(
        session: &'a Session,
        postgres: &'a PostgresSource,
        now: &'a [PgColumn],
        request: &'a PullRequest,
        position: CdcPosition,
    ) -> Self {
        let key = &request.source.key;
        let mut log = ChangeLog::new(key);
        log.set_columns(now.iter().map(|column| (column.name.clone(), column.clone())));
        let landed_inside = position.inside;
        Self {
            session,
            postgres,
            now,
            key,
            limits: request.limits,
            position,
            oldest: None,
            log,
            relations: HashMap::new(),
            passes_over: false,
            seen: 0,
            landed_inside,
        }
    }

    /// Reads up to the limits; true when there may be more.
    async fn read(&mut self) -> Result<bool, ConnectorError> {
        self.decode_in_memory().await?;
        let statement = "select data from pg_logical_slot_peek_binary_changes($1, null, $2, \
                         'proto_version', '1', 'publication_names', $3)";
        let most = i32::try_from(self.limits.rows).unwrap_or(i32::MAX);
        let publication = format!("\"{}\"", self.postgres.publication.replace('"', "\"\""));
        let parameters: [&(dyn ToSql + Sync); 3] = [&self.postgres.slot, &most, &publication];
        let session = self.session;
        let stream = session.client.query_raw(statement, parameters).await.map_err(|error| session.refused(&error))?;
        futures::pin_mut!(stream);
        let (began, mut n_messages) = (Instant::now(), 0_u64);
        while let Some(row) = stream.try_next().await.map_err(|error| session.refused(&error))? {
            let bytes: &[u8] = row.get(0);
            let message = parse(bytes).ok_or_else(|| {
                session.missing("sends a message that cannot be read", "tell us the server's version")
            })?;
            n_messages += 1;
            self.take(message)?;
            let is_overdue = self.log.n_bytes() > 0 && self.limits.is_overdue(began.elapsed());
            if self.log.n_bytes() >= self.limits.bytes || is_overdue {
                return Ok(true);
            }
        }
        // The server stops at the first commit behind so many changes.
        Ok(n_messages >= u64::try_from(most).unwrap_or(u64::MAX))
    }

    /// Lets the server hold as much of a transaction in memory as a landing may. Beyond `logical_decoding_work_mem`, 64 MB by
    /// default, it writes a transaction to its disk change by change and reads it again, which takes ten times as long.
    /// Servers before PostgreSQL 13 do not have the setting.
    async fn decode_in_memory(&self) -> Result<(), ConnectorError> {
        let statement = "select set_config(name, $1::text || 'kB', false) from pg_settings \
                         where name = 'logical_decoding_work_mem' and setting::bigint < $1::text::bigint";
        let kilobytes = (self.limits.bytes / 1024).to_string();
        let outcome = self.session.client.query(statement, &[&kilobytes]).await;
        outcome.map(drop).map_err(|error| self.session.refused(&error))
    }

    fn take(&mut self, message: Message) -> Result<(), ConnectorError> {
        match message {
            Message::Begin { commit_lsn, committed_at, transaction } => {
                let is_landed = commit_lsn < self.position.lsn();
                let was_seen = self.position.snapshot.as_ref().is_some_and(|snapshot| snapshot.saw(transaction));
                (self.passes_over, self.seen) = (is_landed || was_seen, 0);
                if !self.passes_over {
                    self.oldest = self.oldest.or(Some(committed_at));
                }
            }
            Message::Commit { end_lsn } => {
                if end_lsn > self.position.lsn() {
                    self.move_to(end_lsn);
                }
                self.passes_over = false;
            }
            Message::Relation(relation) => self.note(relation)?,
            Message::Insert { relation, row } => self.change(relation, |log, places| {
                log.upsert(Operation::Insert, placed(row, places, log.columns().len()), None);
            }),
            Message::Update { relation, former, row } => self.change(relation, |log, places| {
                let width = log.columns().len();
                let former = former.map(|former| placed(former, places, width));
                log.upsert(Operation::Update, placed(row, places, width), former.as_deref());
            }),
            Message::Delete { relation, row } => self.change(relation, |log, places| {
                log.delete(left_out(placed(row, places, log.columns().len())));
            }),
            Message::Truncate { relations } => {
                let known = relations.into_iter().find(|relation| self.relations.contains_key(relation));
                if let Some(relation) = known {
                    self.change(relation, |log, _| log.truncate());
                }
            }
            Message::Other => {}
        }
        Ok(())
    }

    /// Takes a change of the table at hand, unless it is landed already.
    fn change(&mut self, relation: u32, change: impl FnOnce(&mut ChangeLog<PgColumn>, &[usize])) {
        let Some(places) = self.relations.get(&relation).filter(|_| !self.passes_over) else { return };
        self.seen += 1;
        if self.seen > self.landed_inside {
            change(&mut self.log, places);
            self.position.inside = self.seen;
        }
    }

    /// A transaction ended: what follows begins there.
    fn move_to(&mut self, lsn: u64) {
        self.position.lsn = lsn_text(lsn);
        (self.position.inside, self.landed_inside) = (0, 0);
        let is_past = |snapshot: &Snapshot| lsn_of(&snapshot.end).is_some_and(|end| lsn > end);
        if self.position.snapshot.as_ref().is_some_and(is_past) {
            self.position.snapshot = None;
        }
    }

    /// Notes how the table's rows look from here on; other tables of a shared publication are passed over.
    fn note(&mut self, relation: Relation) -> Result<(), ConnectorError> {
        if let Some(column) = self
            .key
            .iter()
            .find(|key| relation.columns.iter().any(|column| column.name == **key && !column.is_identity))
        {
            return Err(outside_identity(self.session, self.postgres, column));
        }
        let column = |sent: &super::pgoutput::SentColumn| {
            let known = self.now.iter().find(|known| known.name == sent.name && known.kind.oid() == sent.oid);
            let column = known.cloned().unwrap_or_else(|| PgColumn::of_oid(&sent.name, sent.oid, sent.modifier));
            (sent.name.clone(), column)
        };
        let columns: Vec<(String, PgColumn)> = relation.columns.iter().map(column).collect();
        let places = self.log.set_columns(columns);
        self.relations.insert(relation.id, places);
        Ok(())
    }

    async fn hand_on(&mut self, sink: &mut PullSink) -> Result<(), ConnectorError> {
        let natural = self.log.schema(PgColumn::data_type);
        let mut rows = WrittenRows::new(&natural);
        sink.begin(&natural, &text_schema(&natural))?;
        let columns: Vec<PgColumn> = self.log.columns().iter().map(|(_, column)| column.clone()).collect();
        self.log.for_each(|values| {
            for (index, value) in values.iter().enumerate() {
                match (value, columns.get(index)) {
                    (Some(text), Some(column)) => column.push(&mut rows, index, text),
                    (value, _) => rows.push(index, *value),
                }
            }
            rows.end_row();
        });
        rows.flush(sink).await
    }

    /// Where the next pull goes on; with `end`, everything before it was read.
    fn position(mut self, end: Option<u64>) -> CdcPosition {
        if let Some(end) = end.filter(|end| *end > self.position.lsn()) {
            self.move_to(end);
        }
        self.position
    }
}

/// The cells of a sent row at their places in the log; what is not sent is null.
fn placed(row: Vec<Cell>, places: &[usize], width: usize) -> Vec<Cell> {
    let is_in_place = row.len() == width && places.iter().copied().eq(0..width);
    if is_in_place {
        return row;
    }
    let mut cells = vec![Cell::Null; width];
    for (cell, place) in row.into_iter().zip(places) {
        if let Some(slot) = cells.get_mut(*place) {
            *slot = cell;
        }
    }
    cells
}

/// A deleted row is sent with its identity alone; the rest of it is as it was.
fn left_out(cells: Vec<Cell>) -> Vec<Cell> {
    cells.into_iter().map(|cell| if cell == Cell::Null { Cell::Unchanged } else { cell }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_where_the_log_has_their_columns() {
        let row = || vec![Cell::Text("a".to_owned()), Cell::Unchanged];
        assert_eq!(placed(row(), &[0, 1], 2), row());
        assert_eq!(placed(row(), &[1, 0], 2), [Cell::Unchanged, Cell::Text("a".to_owned())]);
        assert_eq!(placed(row(), &[0, 2], 3), [Cell::Text("a".to_owned()), Cell::Null, Cell::Unchanged]);
        assert_eq!(placed(row(), &[0], 1), [Cell::Text("a".to_owned())]);
    }

    #[test]
    fn a_snapshot_knows_what_it_saw() {
        let snapshot = Snapshot { seen: "10:20:12,15".to_owned(), end: "0/0".to_owned() };
        let seen: Vec<u32> = (8..22).filter(|transaction| snapshot.saw(*transaction)).collect();
        assert_eq!(seen, [8, 9, 10, 11, 13, 14, 16, 17, 18, 19]);
        let wrapped = Snapshot { seen: format!("{}:{}:", (1_u64 << 32) - 2, (1_u64 << 32) + 3), end: "0/0".to_owned() };
        assert!(wrapped.saw(u32::MAX) && wrapped.saw(2) && !wrapped.saw(3));
    }
}
