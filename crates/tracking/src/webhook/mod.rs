//! Webhooks: addresses that are told what happens in the registry.
//!
//! What is to be told is written in the transaction of what happened, so that neither is without the other, and is delivered
//! until it is taken. It does not know how to send.

mod delivery;
mod event;
mod keep;
#[cfg(test)]
mod tests;

pub use delivery::{Delivery, Sent, WebhookSender};
pub use event::WebhookEvent;
pub(crate) use event::{Happening, announce};
pub use keep::WebhookChange;

/// An address and what it is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// A UUID.
    pub webhook_id: String,
    /// The name.
    pub name: String,
    /// In somebody's words.
    pub description: Option<String>,
    /// The address.
    pub url: String,
    /// Whether it is told anything now.
    pub is_active: bool,
    /// What it is told of.
    pub events: Vec<WebhookEvent>,
    /// Milliseconds since 1970.
    pub creation_time: i64,
    /// Milliseconds since 1970.
    pub last_update_time: i64,
}
