//! Messages of partitions, in order: of all partitions, or of those that a group gives to this member.
//!
//! A member of a group waits until what it took is recorded, and commits then. It never leaves: it has a name under which
//! it takes its partitions up again when it comes back, so that others need not share them out between two runs, nor when
//! Baton is killed; they do so when it stays away for longer than a session lasts. What of a pull came from a partition
//! that was taken away meanwhile is left out of it, as whoever has the partition now reads it again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use krafka::consumer::{
    AutoOffsetReset, Consumer, ConsumerBuilder, ConsumerRebalanceListener, ConsumerRecord, IsolationLevel,
    OffsetAndMetadata, TopicPartition,
};
use krafka::{CloseOptions, KrafkaError};

use super::config::{Begin, KafkaSource, Membership};
use super::position::{KafkaPosition, Place};
use super::session::{PATIENCE, Session, origin_error, signature};
use crate::{ConnectorError, Limits, Position};

/// How long one question for messages waits for some.
const POLL: Duration = Duration::from_millis(50);
/// The most messages of one answer.
const BATCH: i32 = 20_000;
/// How long a member may be busy with what it took before its partitions go to others.
const BUSY: Duration = Duration::from_secs(3600);

/// Members that wait to hear that what they took is recorded, by lineage. One that is lost here is no loss: it joins again.
static WAITING: Mutex<BTreeMap<String, Reader>> = Mutex::new(BTreeMap::new());

/// Reads messages.
pub(super) struct Reader {
    pub(super) session: Arc<Session>,
    consumer: Arc<Consumer>,
    /// For members of a group.
    watch: Option<Arc<Watch>>,
    /// Where partitions begin that are not shared.
    starts: BTreeMap<Place, i64>,
    /// What was handed out last, and whether more follows at once.
    handed_out: Option<(Position, bool)>,
    /// Where its tasks run; elsewhere they would stand still.
    home: tokio::runtime::Id,
}

/// Messages of one pull.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) records: Vec<ConsumerRecord>,
    pub(super) n_bytes: u64,
    /// The offset of the next message of each partition.
    pub(super) next: BTreeMap<Place, i64>,
    /// Messages that brokers no longer had: the first and the last of each gap.
    pub(super) gaps: Vec<(Place, i64, i64)>,
}

/// What a group says to its member.
struct Watch {
    session: Arc<Session>,
    membership: Membership,
    begin: Begin,
    consumer: OnceLock<Weak<Consumer>>,
    state: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    /// What was landed when the member joined, and since.
    before: KafkaPosition,
    has_joined: bool,
    /// Where partitions begin that were given to the member, until the reader has heard of them.
    given: BTreeMap<Place, i64>,
    /// Partitions that were taken away, until the reader has heard of it.
    taken_away: BTreeSet<Place>,
    failed: Option<ConnectorError>,
}

impl Reader {
    /// Reads all partitions, after `before`.
    pub(super) async fn alone(
        session: Session,
        source: &KafkaSource,
        before: &KafkaPosition,
    ) -> Result<Self, ConnectorError> {
        let starts = session.starts(&session.places(), before, source.begin, &BTreeMap::new()).await?;
        Self::at(session, starts).await
    }

    /// Reads partitions from these offsets on.
    pub(super) async fn at(session: Session, starts: BTreeMap<Place, i64>) -> Result<Self, ConnectorError> {
        let session = Arc::new(session);
        let consumer = settings(session.kafka.consumer_without_group()).build().await;
        let consumer = consumer.map_err(|error| session.refused(&error))?;
        for topic in &session.topics {
            let assigned = consumer.assign(&topic.name, topic.partitions.clone()).await;
            assigned.map_err(|error| session.refused(&error))?;
        }
        let reader =
            Self { session, consumer: Arc::new(consumer), watch: None, starts, handed_out: None, home: home() };
        reader.seek(&reader.starts).await?;
        Ok(reader)
    }

    /// Joins a group, and reads the partitions that it gives to this member, after `before`.
    pub(super) async fn member(
        session: Session,
        source: &KafkaSource,
        membership: &Membership,
        before: KafkaPosition,
    ) -> Result<Self, ConnectorError> {
        let session = Arc::new(session);
        let watch = Arc::new(Watch {
            session: Arc::clone(&session),
            membership: membership.clone(),
            begin: source.begin,
            consumer: OnceLock::new(),
            state: Mutex::new(Watched { before, ..Watched::default() }),
        });
        let seconds = Duration::from_secs(membership.session_seconds);
        let builder = settings(session.kafka.consumer(&membership.group))
            .group_instance_id(&membership.member)
            .session_timeout(seconds)
            .heartbeat_interval(seconds / 10)
            .max_poll_interval(BUSY)
            .rebalance_listener(Arc::clone(&watch));
        let consumer = Arc::new(builder.build().await.map_err(|error| session.refused(&error))?);
        drop(watch.consumer.set(Arc::downgrade(&consumer)));
        consumer.subscribe(&source.topics).await.map_err(|error| session.refused(&error))?;
        let (starts, home) = (BTreeMap::new(), home());
        Ok(Self { session, consumer, watch: Some(watch), starts, handed_out: None, home })
    }

    /// The member of this lineage that handed out all up to `position`; another one that waits has missed its time.
    pub(super) async fn waiting(lineage: &str, position: Option<&Position>) -> Option<Self> {
        let reader = lock(&WAITING).remove(lineage)?;
        let is_at = reader.handed_out.as_ref().map(|(position, _)| position) == position;
        match reader.home == home() {
            true if is_at => return Some(reader),
            true => reader.close().await,
            false => {}
        }
        None
    }

    /// Waits to hear that all up to `position` is recorded; who shares with nobody goes.
    pub(super) async fn wait(mut self, lineage: &str, position: &Position, has_more: bool) {
        let Some(watch) = &self.watch else { return self.close().await };
        if let Ok(landed) = position.read() {
            lock(&watch.state).before = landed;
        }
        self.handed_out = Some((position.clone(), has_more));
        lock(&WAITING).insert(lineage.to_owned(), self);
    }

    /// Hears that all up to `position` is recorded, tells the group, and waits for the next pull if that follows at once.
    pub(super) async fn confirm(self, lineage: &str, position: &Position) -> Result<(), ConnectorError> {
        let told = self.commit(&position.read()?).await;
        if told.is_ok() && self.handed_out.as_ref().is_some_and(|(_, has_more)| *has_more) {
            lock(&WAITING).insert(lineage.to_owned(), self);
        } else {
            self.close().await;
        }
        told
    }

    /// Ends the connection. A member of a group stays one until its session ends.
    pub(super) async fn close(self) {
        // Nothing hangs on a farewell: brokers notice by themselves.
        drop(self.consumer.close_with(CloseOptions::new().timeout(PATIENCE)).await);
    }

    async fn commit(&self, position: &KafkaPosition) -> Result<(), ConnectorError> {
        let Some(watch) = &self.watch else { return Ok(()) };
        let own = self.consumer.assignment().await;
        let is_own = |place: &Place| own.get(&place.0).is_some_and(|partitions| partitions.contains(&place.1));
        let offsets = position.all().filter(|(place, _)| is_own(place)).map(|((topic, partition), next)| {
            let offset = OffsetAndMetadata::with_metadata(next, signature(&watch.membership));
            (TopicPartition::new(topic, partition), offset)
        });
        let offsets: Vec<(TopicPartition, OffsetAndMetadata)> = offsets.collect();
        self.consumer.commit_offsets(offsets).await.map_err(|error| self.session.refused(&error))
    }

    /// Takes messages up to what partitions had when they were first asked, or to a limit; whether it was the former.
    pub(super) async fn take(&mut self, limits: Limits, taken: &mut Taken) -> Result<bool, ConnectorError> {
        taken.next.extend(std::mem::take(&mut self.starts));
        let patience = self
            .watch
            .as_ref()
            .map_or(PATIENCE, |watch| Duration::from_secs(watch.membership.session_seconds) + 2 * PATIENCE);
        let (began, mut heard, mut ends) = (Instant::now(), Instant::now(), BTreeMap::new());
        loop {
            let n_taken = taken.records.len();
            let is_overdue = n_taken > 0 && limits.is_overdue(began.elapsed());
            if n_taken as u64 >= limits.rows || taken.n_bytes >= limits.bytes || is_overdue {
                return Ok(false);
            }
            let answer = self.consumer.poll(POLL).await;
            // What the group has said comes first: these messages are of the partitions as they are now.
            self.hear(taken)?;
            match answer {
                Ok(records) => taken.push(records),
                Err(KrafkaError::NoOffset { partitions }) => self.pass_over(&partitions, taken).await?,
                Err(error) if error.is_retriable() && heard.elapsed() < patience => tokio::time::sleep(POLL).await,
                Err(error) => return Err(self.session.refused(&error)),
            }
            if self.is_at_end(&mut ends, taken).await {
                return Ok(true);
            }
            if taken.records.len() != n_taken {
                heard = Instant::now();
            } else if heard.elapsed() >= patience {
                return Err(self.session.silent_for(patience));
            }
        }
    }

    /// Takes to heart what the group has said meanwhile.
    fn hear(&self, taken: &mut Taken) -> Result<(), ConnectorError> {
        let Some(watch) = &self.watch else { return Ok(()) };
        let mut watched = lock(&watch.state);
        if let Some(error) = watched.failed.take() {
            return Err(error);
        }
        for place in std::mem::take(&mut watched.taken_away) {
            taken.forget(&place);
        }
        taken.next.extend(std::mem::take(&mut watched.given));
        Ok(())
    }

    /// Whether all partitions were read up to the ends that they had when they were first asked; takes down how far.
    async fn is_at_end(&self, ends: &mut BTreeMap<Place, i64>, taken: &mut Taken) -> bool {
        let lags = self.consumer.lag().await;
        if lags.is_empty() {
            return self.watch.as_ref().is_none_or(|watch| lock(&watch.state).has_joined);
        }
        let mut is_at_end = true;
        for (partition, lag) in lags {
            let place = (partition.topic, partition.partition);
            if let Some(position) = lag.position {
                taken.next.insert(place.clone(), position);
            }
            let end = match (ends.get(&place).copied(), lag.last_stable_offset.or(lag.high_watermark)) {
                (None, Some(end)) => {
                    ends.insert(place, end);
                    Some(end)
                }
                (known, _) => known,
            };
            is_at_end &= end.is_some_and(|end| lag.position.is_some_and(|position| position >= end));
        }
        is_at_end
    }

    /// Goes on behind messages that brokers no longer have.
    async fn pass_over(&self, partitions: &[(String, i32)], taken: &mut Taken) -> Result<(), ConnectorError> {
        let firsts = self.session.firsts(partitions).await?;
        let mut behind = BTreeMap::new();
        for (place, first) in firsts {
            let next = taken.next.get(&place).copied().unwrap_or_default();
            if next >= first {
                let (topic, partition) = place;
                let reason =
                    format!("partition {partition} of `{topic}` ends before offset {next}, up to which it was landed");
                return Err(self.session.lost(reason));
            }
            taken.gaps.push((place.clone(), next, first - 1));
            taken.next.insert(place.clone(), first);
            behind.insert(place, first);
        }
        self.seek(&behind).await
    }

    async fn seek(&self, places: &BTreeMap<Place, i64>) -> Result<(), ConnectorError> {
        seek(&self.consumer, places).await.map_err(|error| self.session.refused(&error))
    }
}

impl Taken {
    fn push(&mut self, records: Vec<ConsumerRecord>) {
        for record in &records {
            let bytes = |part: &Option<bytes::Bytes>| part.as_ref().map_or(0, |bytes| bytes.len() as u64);
            self.n_bytes += bytes(&record.value) + bytes(&record.key) + 128;
        }
        self.records.extend(records);
    }

    /// Leaves out what came from a partition.
    fn forget(&mut self, place: &Place) {
        self.records.retain(|record| *record.topic != *place.0 || record.partition != place.1);
        self.gaps.retain(|(other, _, _)| other != place);
        self.next.remove(place);
    }
}

impl ConsumerRebalanceListener for Watch {
    async fn on_partitions_assigned(&self, partitions: &[TopicPartition]) {
        let places: Vec<Place> =
            partitions.iter().map(|partition| (partition.topic.clone(), partition.partition)).collect();
        let given = self.give(&places).await;
        let mut watched = lock(&self.state);
        watched.has_joined = true;
        match given {
            Ok(given) => watched.given.extend(given),
            Err(error) => watched.failed = Some(error),
        }
    }

    async fn on_partitions_revoked(&self, partitions: &[TopicPartition]) {
        self.note_taken_away(partitions);
    }

    async fn on_partitions_lost(&self, partitions: &[TopicPartition]) {
        self.note_taken_away(partitions);
    }
}

impl Watch {
    /// Sets the member to where its partitions go on, before it reads any of their messages.
    async fn give(&self, places: &[Place]) -> Result<BTreeMap<Place, i64>, ConnectorError> {
        if places.is_empty() {
            return Ok(BTreeMap::new());
        }
        let others = self.session.committed_by_others(&self.membership, places).await?;
        let before = lock(&self.state).before.clone();
        let starts = self.session.starts(places, &before, self.begin, &others).await?;
        match self.consumer.get().and_then(Weak::upgrade) {
            Some(consumer) => seek(&consumer, &starts).await.map_err(|error| self.session.refused(&error))?,
            None => {
                let reason = "gave partitions to a member that had gone".to_owned();
                return Err(origin_error(&self.session.origin, reason, "run again", true));
            }
        }
        Ok(starts)
    }

    fn note_taken_away(&self, partitions: &[TopicPartition]) {
        let places = partitions.iter().map(|partition| (partition.topic.clone(), partition.partition));
        let mut watched = lock(&self.state);
        for place in places {
            watched.given.remove(&place);
            watched.taken_away.insert(place);
        }
    }
}

async fn seek(consumer: &Consumer, places: &BTreeMap<Place, i64>) -> Result<(), KrafkaError> {
    let places =
        places.iter().map(|((topic, partition), offset)| (TopicPartition::new(topic.clone(), *partition), *offset));
    consumer.seek_many(places).await
}

/// What all readers have in common: places are ours to know, and what was aborted is not read.
fn settings(builder: ConsumerBuilder) -> ConsumerBuilder {
    builder
        .auto_offset_reset(AutoOffsetReset::None)
        .enable_auto_commit(false)
        .isolation_level(IsolationLevel::ReadCommitted)
        .fetch_max_wait(POLL)
        .max_partition_fetch_bytes(8 << 20)
        .max_poll_records(BATCH)
        .max_buffered_records(BATCH)
        .metrics_push(false)
}

fn home() -> tokio::runtime::Id {
    tokio::runtime::Handle::current().id()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
