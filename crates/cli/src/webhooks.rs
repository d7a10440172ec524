//! Messages to webhooks: taken from the tracking store as they are due, sent, and settled.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use baton_notify::GuardedCourier;
use baton_tracking::TrackingStore;
use baton_tracking::webhook::{Delivery, Sent, WebhookSender};

/// How often it is looked whether something is due.
const PAUSE: Duration = Duration::from_secs(1);
/// Messages that are sent at once.
const AT_ONCE: i64 = 16;

/// Sends messages by a courier that never reaches inside, unless it is told to.
pub(crate) struct Postman(GuardedCourier);

impl Postman {
    /// One that reaches private addresses only if `reaches_inside`.
    pub(crate) fn new(reaches_inside: bool) -> Self {
        Self(if reaches_inside { GuardedCourier::reaching_inside() } else { GuardedCourier::default() })
    }

    async fn post(&self, delivery: &Delivery) -> Sent {
        match self.0.post(&delivery.url, &delivery.headers, delivery.body.clone()).await {
            Ok((status, body)) => Sent { status: Some(status), body, error: None },
            Err(reason) => Sent { error: Some(reason), ..Sent::default() },
        }
    }
}

impl WebhookSender for Postman {
    fn send<'a>(&'a self, delivery: &'a Delivery) -> Pin<Box<dyn Future<Output = Sent> + Send + 'a>> {
        Box::pin(self.post(delivery))
    }
}

/// Sends what is due, for as long as the process lives. What fails stays in the store, so there is nobody else to tell.
pub(crate) async fn deliver(store: TrackingStore, postman: Arc<Postman>) {
    loop {
        let due = store.due_deliveries(AT_ONCE).await.unwrap_or_default();
        let mut sending = tokio::task::JoinSet::new();
        for delivery in due {
            let (store, postman) = (store.clone(), Arc::clone(&postman));
            sending.spawn(async move {
                let sent = postman.post(&delivery).await;
                // If this cannot be written, another try follows.
                let _settled = store.settle_delivery(&delivery, &sent).await;
            });
        }
        if sending.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        sending.join_all().await;
    }
}
