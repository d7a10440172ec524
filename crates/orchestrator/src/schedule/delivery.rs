//! Delivery of what waits in the outbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_core::channel::Channel;
use baton_core::ports::{Delivery, LedgerError, Message, Operations};
use baton_core::{Clock, Timestamp};
use baton_notify::{Answer, Courier, Notice};
use chrono::TimeDelta;

use super::Host;
use crate::services::Services;

/// Messages that are delivered in one go.
const MOST: u32 = 50;
/// Messages that a run looks at in one go when it delivers lineage.
const MOST_AT_ONCE: u32 = 1_000;
/// How long who delivers has the outbox: longer than a channel takes that does not answer.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// The longest wait between two tries, in seconds.
const LONGEST_WAIT: i64 = 300;
/// After so many tries, a working day with the longest waits, a message is given up.
const TRIES: u32 = 100;

/// Delivers what waits; answers how many messages there were. Schedulers of all environments share the outbox: the lease
/// `outbox` keeps two of them from telling the same.
///
/// # Errors
/// Those of the ledger.
pub(super) async fn deliver(
    holder: String,
    operations: Arc<dyn Operations>,
    clock: Arc<dyn Clock>,
    host: Arc<dyn Host>,
    channels: Vec<Channel>,
    courier: Courier,
) -> Result<usize, LedgerError> {
    if operations.outbox(clock.now(), 1).await?.is_empty() {
        return Ok(0);
    }
    let lease = operations.take_lease("outbox", &holder, clock.now(), clock.now() + LEASE).await?;
    if lease.holder != holder {
        return Ok(0);
    }
    let delivered = deliver_alone(&*operations, &*clock, &*host, &channels, &courier).await;
    operations.release_lease(&lease).await?;
    delivered
}

async fn deliver_alone(
    operations: &dyn Operations,
    clock: &dyn Clock,
    host: &dyn Host,
    channels: &[Channel],
    courier: &Courier,
) -> Result<usize, LedgerError> {
    // Not before the lease: whoever had it may just have delivered.
    let waiting = operations.outbox(clock.now(), MOST).await?;
    let secret = |kind: &str, name: &str| host.secret(kind, name);
    let mut settled = Vec::new();
    // What else waits for a channel that does not answer keeps nobody else waiting.
    let mut away: BTreeMap<&str, Delivery> = BTreeMap::new();
    for message in &waiting {
        let name = message.message.channel.as_str();
        if let Some(again) = away.get(name) {
            settled.push((message.id, again.clone()));
            continue;
        }
        let delivery = deliver_one(courier, message, channels, &secret, clock.now()).await;
        if let Delivery::Again { reason, .. } | Delivery::GivenUp { reason } = &delivery
            && message.attempts == 0
        {
            host.say(&format!("channel `{name}` was not told: {reason}"));
        }
        if matches!(delivery, Delivery::Again { .. }) {
            away.insert(name, delivery.clone());
        }
        settled.push((message.id, delivery));
    }
    operations.settle_messages(settled).await?;
    Ok(waiting.len())
}

/// Delivers the lineage that waits, oldest first, while its receivers take it and for no longer than `patience`. What they
/// do not take stays in the outbox, for a server or the next run.
///
/// # Errors
/// Those of the ledger.
pub(crate) async fn deliver_lineage(
    services: &Services,
    channels: &[Channel],
    patience: Duration,
) -> Result<(), LedgerError> {
    let courier = Courier::default();
    let secret = |kind: &str, name: &str| match kind {
        "env" => (services.variables)(name),
        _ => std::fs::read_to_string(name).ok().map(|text| text.trim_end().to_owned()),
    };
    let is_lineage = |message: &Message| {
        channels.iter().any(|channel| !channel.way.hears_notices() && *channel.name == *message.message.channel)
    };
    let began = Instant::now();
    loop {
        let waiting = services.operations.outbox(services.clock.now(), MOST_AT_ONCE).await?;
        let mut settled = Vec::new();
        for message in waiting.iter().filter(|message| is_lineage(message)) {
            let delivery = deliver_one(&courier, message, channels, &secret, services.clock.now()).await;
            let is_delivered = delivery == Delivery::Delivered;
            settled.push((message.id, delivery));
            if !is_delivered || began.elapsed() > patience {
                return services.operations.settle_messages(settled).await;
            }
        }
        if settled.is_empty() {
            return Ok(());
        }
        services.operations.settle_messages(settled).await?;
    }
}

async fn deliver_one(
    courier: &Courier,
    message: &Message,
    channels: &[Channel],
    secret: &(dyn Fn(&str, &str) -> Option<String> + Sync),
    now: Timestamp,
) -> Delivery {
    let told = &message.message;
    if told.body.is_null() {
        return Delivery::Delivered;
    }
    let Some(channel) = channels.iter().find(|channel| *channel.name == *told.channel) else {
        return Delivery::GivenUp { reason: format!("the project has no channel `{}` any more", told.channel) };
    };
    let answer = match (channel.way.hears_notices(), serde_json::from_value::<Notice>(told.body.clone())) {
        (false, _) => courier.deliver_event(channel, &told.body, secret).await,
        (true, Ok(notice)) => courier.deliver(channel, &notice, secret).await,
        (true, Err(_)) => {
            return Delivery::GivenUp { reason: "it was written by another version of Baton".to_owned() };
        }
    };
    match answer {
        Answer::Taken => Delivery::Delivered,
        Answer::Refused { reason } => Delivery::GivenUp { reason },
        Answer::Later { reason, .. } if message.attempts + 1 >= TRIES => Delivery::GivenUp { reason },
        Answer::Later { after, reason } => {
            let asked = after.and_then(|after| i64::try_from(after.as_secs()).ok()).unwrap_or(0);
            let wait = (1_i64 << message.attempts.min(9)).min(LONGEST_WAIT).max(asked);
            Delivery::Again { not_before: now + TimeDelta::seconds(wait), reason }
        }
    }
}
