//! Delivery of what waits in the outbox.

use std::sync::Arc;

use baton_core::channel::Channel;
use baton_core::ports::{Delivery, LedgerError, Message, Operations};
use baton_core::{Clock, Timestamp};
use baton_notify::{Answer, Courier, Notice};
use chrono::TimeDelta;

use super::Host;

/// Messages that are delivered in one go.
const MOST: u32 = 50;
/// The longest wait between two tries, in seconds.
const LONGEST_WAIT: i64 = 300;
/// After so many tries, a working day with the longest waits, a message is given up.
const TRIES: u32 = 100;

/// Delivers what waits; answers how many messages there were.
///
/// # Errors
/// Those of the ledger.
pub(super) async fn deliver(
    operations: Arc<dyn Operations>,
    clock: Arc<dyn Clock>,
    host: Arc<dyn Host>,
    channels: Vec<Channel>,
    courier: Courier,
) -> Result<usize, LedgerError> {
    let waiting = operations.outbox(clock.now(), MOST).await?;
    let mut settled = Vec::new();
    for message in &waiting {
        let delivery = deliver_one(&courier, message, &channels, &*host, clock.now()).await;
        if let Delivery::Again { reason, .. } | Delivery::GivenUp { reason } = &delivery
            && message.attempts == 0
        {
            host.say(&format!("channel `{}` was not told: {reason}", message.message.channel));
        }
        settled.push((message.id, delivery));
    }
    operations.settle_messages(settled).await?;
    Ok(waiting.len())
}

async fn deliver_one(
    courier: &Courier,
    message: &Message,
    channels: &[Channel],
    host: &dyn Host,
    now: Timestamp,
) -> Delivery {
    let told = &message.message;
    if told.body.is_null() {
        return Delivery::Delivered;
    }
    let Some(channel) = channels.iter().find(|channel| *channel.name == *told.channel) else {
        return Delivery::GivenUp { reason: format!("the project has no channel `{}` any more", told.channel) };
    };
    let Ok(notice) = serde_json::from_value::<Notice>(told.body.clone()) else {
        return Delivery::GivenUp { reason: "it was written by another version of Baton".to_owned() };
    };
    match courier.deliver(channel, &notice, &|kind, name| host.secret(kind, name)).await {
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
