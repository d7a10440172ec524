//! What the server asks of sources that others send to: to take a delivery. The binary brings the answer.

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

/// What somebody sends.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The source that it is for.
    pub source: String,
    /// `Content-Type`, as it was sent.
    pub media_type: Option<String>,
    /// `Idempotency-Key`: the same key is taken once.
    pub key: Option<String>,
    /// The body, unpacked.
    pub body: Bytes,
}

/// Why something is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no source of this name that takes deliveries; the nearest one is told.
    Unknown(Option<String>),
    /// The source has no token, so nobody may send to it.
    Closed,
    /// The token is missing or wrong.
    Unauthorized,
    /// The media type is not known.
    MediaType(String),
    /// Nothing in it can land.
    Broken(String),
    /// The key came before with another body.
    KeyReused(String),
    /// It cannot be kept now.
    Failed(String),
}

/// Takes deliveries.
#[async_trait]
pub trait Intake: Send + Sync {
    /// Whether who shows `token` may send to `source`; asked before anything is read.
    ///
    /// # Errors
    /// Why not.
    async fn admit(&self, source: &str, token: Option<&str>) -> Result<(), Refusal>;

    /// Takes what was sent by somebody who was admitted: it is on disk when this returns. The answer is the receipt.
    ///
    /// # Errors
    /// Why it was not taken.
    async fn take(&self, posted: Posted) -> Result<Value, Refusal>;
}
