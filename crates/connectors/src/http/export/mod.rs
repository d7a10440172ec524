//! Destination `http`: rows as JSON requests to an API, each under a key by which the API knows a repetition.
//!
//! An API does not say which version it holds, so the caller remembers. A request that is repeated has the key and the body
//! that it had: those who honour `Idempotency-Key` take it once.

mod requests;

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::json::LineDelimitedWriter;
use arrow::json::writer::{LineDelimited, WriterBuilder};
use async_trait::async_trait;
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::config::{Auth, address};
use crate::export::{Change, Delivery, DeliveryMode, Destination, ExportTarget, Exporter, Mark, Sent};
use crate::report::{MAX_KEPT_REJECTED_ROWS, shorten};
use crate::{ConnectorError, RejectedRow};
use requests::{Answer, Client};

/// So many rows that are refused before any is taken are no fault of the rows.
const MOST_REFUSED_AT_FIRST: u64 = 20;

/// An API that takes JSON.
///
/// Each request has the header `Idempotency-Key`, which is the same when it is repeated: with an API that honours it, no
/// row is taken twice, whatever is killed when. Requests that fail for a reason which may pass (no connection, time out,
/// 408, 425, 429, 500, 502, 503, 504) are repeated, as late as `Retry-After` says or with growing pauses. A request that is
/// refused with another 4xx is halved until the rows at fault are found: they are set aside and named, the others go on.
/// Mode `replace` means nothing here.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpDestination {
    /// The address: `https://api.example.com/v1/scores`. With form `record`, parts of its path may be keys in braces:
    /// `https://api.example.com/customers/{customer_id}`.
    url: String,
    /// `post` (default), `put` or `patch`.
    #[serde(default)]
    method: SendMethod,
    /// What a request holds.
    #[serde(default)]
    form: BodyForm,
    /// Headers of every request, by name.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// How the API knows who asks.
    #[serde(default)]
    auth: Option<Auth>,
    /// The most requests a second; as many as there are batches when left out.
    #[serde(default)]
    requests_per_second: Option<f64>,
    /// How often a request is repeated that fails for a reason which may pass; default 5.
    #[serde(default = "retries")]
    retries: u32,
    /// The pause before the first repetition, in seconds; each further one is twice as long, up to a minute; default 0.5.
    #[serde(default = "pause_seconds")]
    pause_seconds: f64,
    /// The longest wait that `Retry-After` may ask for, in seconds; longer ones end the step; default 300.
    #[serde(default = "max_wait_seconds")]
    max_wait_seconds: u64,
    /// How long an answer may take, in seconds; default 60.
    #[serde(default = "timeout_seconds")]
    timeout_seconds: f64,
}

fn retries() -> u32 {
    5
}

fn pause_seconds() -> f64 {
    0.5
}

fn max_wait_seconds() -> u64 {
    300
}

fn timeout_seconds() -> f64 {
    60.0
}

/// How rows are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "method")]
enum SendMethod {
    /// With POST.
    #[default]
    Post,
    /// With PUT.
    Put,
    /// With PATCH.
    Patch,
}

/// What a request holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "form")]
enum BodyForm {
    /// `{"export": …, "delivery": …, "operation": "upsert" or "delete", "records": […]}`.
    #[default]
    Envelope,
    /// The list of records alone; the header `Baton-Operation` says `upsert` or `delete`.
    Records,
    /// One record a request, as it is; records that are gone are sent with DELETE.
    Record,
}

/// The destination for APIs.
#[derive(Debug, Clone, Copy)]
pub struct HttpExporter;

impl HttpDestination {
    fn parse(target: &ExportTarget) -> Result<Self, ConnectorError> {
        let options: Self = target.parse("http")?;
        if target.mode == DeliveryMode::Replace {
            let reason = "an API takes rows and does not forget others";
            return Err(target.wrong(reason, "set `mode: upsert` with a `key`, or `mode: append`"));
        }
        let is_positive = |number: f64| number > 0.0 && number.is_finite();
        let is_fine = options.requests_per_second.is_none_or(is_positive)
            && is_positive(options.timeout_seconds)
            && options.pause_seconds.is_finite()
            && options.pause_seconds >= 0.0;
        if !is_fine {
            let reason = "`requests_per_second`, `timeout_seconds` and `pause_seconds` are positive numbers";
            return Err(target.wrong(reason, "mend the one that is not"));
        }
        let is_other = |name: &&str| !target.key.iter().any(|key| key == name);
        if let Some(name) = places(&options.url).find(is_other) {
            let reason = format!("`url` names `{{{name}}}`, which is not part of the key");
            return Err(target.wrong(&reason, "name columns of `key` in braces"));
        }
        if places(&options.url).next().is_some() && options.form != BodyForm::Record {
            return Err(target.wrong("`url` names a key, and a request holds several records", "set `form: record`"));
        }
        // References are resolved only when a connection is made.
        if !options.url.contains("${") {
            address(&options.url)?;
        }
        Ok(options)
    }
}

/// Keys in braces that are parts of an address's path.
fn places(url: &str) -> impl Iterator<Item = &str> {
    url.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

#[async_trait]
impl Exporter for HttpExporter {
    fn kind(&self) -> &'static str {
        "http"
    }

    fn options(&self) -> schemars::Schema {
        schemars::schema_for!(HttpDestination)
    }

    fn remembers(&self) -> bool {
        false
    }

    fn incidental(&self) -> &'static [&'static str] {
        &["auth", "requests_per_second", "retries", "pause_seconds", "max_wait_seconds", "timeout_seconds"]
    }

    fn examine(&self, target: &ExportTarget) -> Result<(), ConnectorError> {
        HttpDestination::parse(target).map(drop)
    }

    async fn check(&self, target: &ExportTarget) -> Result<String, ConnectorError> {
        let options = HttpDestination::parse(target)?;
        Client::new(options)?.look().await
    }

    async fn open(&self, target: &ExportTarget) -> Result<Box<dyn Destination>, ConnectorError> {
        let client = Client::new(HttpDestination::parse(target)?)?;
        Ok(Box::new(HttpDelivery {
            client,
            target: target.clone(),
            id: String::new(),
            waiting: Waiting::default(),
            taken: 0,
            seen: 0,
            sent: Sent::default(),
        }))
    }
}

/// Requests of a delivery.
struct HttpDelivery {
    client: Client,
    target: ExportTarget,
    id: String,
    waiting: Waiting,
    taken: u64,
    seen: u64,
    sent: Sent,
}

/// Records that wait until a request is full: which of them go together follows from their order alone, so that a delivery
/// that is made again sends the same requests.
#[derive(Default)]
struct Waiting {
    upserts: Vec<String>,
    deletes: Vec<String>,
}

impl Waiting {
    fn of(&mut self, change: Change) -> &mut Vec<String> {
        match change {
            Change::Upsert => &mut self.upserts,
            Change::Delete => &mut self.deletes,
        }
    }
}

/// Rows as texts, in order from a number on.
#[derive(Clone, Copy)]
struct Records<'r> {
    change: Change,
    first: u64,
    texts: &'r [String],
}

impl HttpDelivery {
    fn url_of(&self, records: Records<'_>) -> Result<Url, ConnectorError> {
        let mut url = self.client.url().clone();
        let form = &self.client.options.form;
        if places(&self.client.options.url).next().is_none() || *form != BodyForm::Record {
            return Ok(url);
        }
        let text = records.texts.first().map_or("{}", String::as_str);
        let record: Map<String, Value> = serde_json::from_str(text).map_err(ConnectorError::sink)?;
        let parts = self.client.options.url.split_once("://").map_or("", |(_, rest)| rest);
        let path = parts.split(['?', '#']).next().unwrap_or_default();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear();
            for part in path.split('/').skip(1) {
                let key = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
                let value = key.and_then(|key| record.get(key));
                let text = value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                segments.push(text.as_deref().unwrap_or(part));
            }
        }
        Ok(url)
    }

    fn body_of(&self, records: Records<'_>) -> String {
        let list = || format!("[{}]", records.texts.join(","));
        match self.client.options.form {
            BodyForm::Record => records.texts.first().cloned().unwrap_or_default(),
            BodyForm::Records => list(),
            BodyForm::Envelope => {
                let about = json!({
                    "export": self.target.name,
                    "environment": self.target.environment,
                    "delivery": self.id,
                    "operation": records.change.word(),
                });
                // Records stand as they are written: numbers keep their digits.
                let about = about.to_string();
                format!("{},\"records\":{}}}", about.strip_suffix('}').unwrap_or(&about), list())
            }
        }
    }

    /// By what the API knows a repetition: what is sent, and for which delivery.
    fn key_of(&self, body: &str, records: Records<'_>) -> String {
        let mut hasher = blake3::Hasher::new();
        for part in [self.target.identity.as_str(), &self.id, records.change.word(), body] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().to_hex().to_string()[..32].to_owned()
    }

    fn at_once(&self) -> usize {
        if self.client.options.form == BodyForm::Record { 1 } else { self.target.batch.max(1) }
    }

    async fn send_waiting(&mut self, change: Change) -> Result<(), ConnectorError> {
        let texts = std::mem::take(self.waiting.of(change));
        if texts.is_empty() {
            return Ok(());
        }
        self.send_records(Records { change, first: self.seen + 1, texts: &texts }).await?;
        self.seen += texts.len() as u64;
        Ok(())
    }

    /// Sends records; of those that are refused, each half by itself.
    async fn send_records(&mut self, all: Records<'_>) -> Result<(), ConnectorError> {
        let mut waiting = vec![all];
        while let Some(records) = waiting.pop() {
            let (body, url) = (self.body_of(records), self.url_of(records)?);
            let key = self.key_of(&body, records);
            match self.client.send(url, records.change, &key, body).await? {
                Answer::Taken => {
                    self.taken += records.texts.len() as u64;
                    self.sent.rows += records.texts.len() as u64;
                }
                Answer::Refused(reason) if records.texts.len() == 1 => self.set_aside(records, &reason)?,
                Answer::Refused(_) => {
                    let middle = records.texts.len() / 2;
                    let (one, other) = records.texts.split_at(middle);
                    waiting.push(Records { first: records.first + middle as u64, texts: other, ..records });
                    waiting.push(Records { texts: one, ..records });
                }
            }
        }
        Ok(())
    }

    fn set_aside(&mut self, records: Records<'_>, reason: &str) -> Result<(), ConnectorError> {
        self.sent.rejected_total += 1;
        if self.taken == 0 && self.sent.rejected_total >= MOST_REFUSED_AT_FIRST {
            let reason = format!("refuses every row so far, the last with: {reason}");
            return Err(self.client.told(reason, "mend `url`, `form` or the columns", false));
        }
        let raw: Value = records.texts.first().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        if self.sent.rejected.len() < MAX_KEPT_REJECTED_ROWS {
            let key: Map<String, Value> =
                self.target.key.iter().filter_map(|name| Some((name.clone(), raw.get(name)?.clone()))).collect();
            let value = if key.is_empty() { raw.to_string() } else { Value::Object(key).to_string() };
            let reason = format!("{} is refused: {reason}", shorten(&value));
            self.sent.rejected.push(RejectedRow {
                row: records.first,
                column: None,
                value: shorten(&value),
                reason,
                raw,
            });
        }
        Ok(())
    }
}

#[async_trait]
impl Destination for HttpDelivery {
    async fn mark(&mut self) -> Result<Option<Mark>, ConnectorError> {
        Ok(None)
    }

    async fn begin(&mut self, delivery: &Delivery) -> Result<(), ConnectorError> {
        self.id.clone_from(&delivery.mark.delivery);
        Ok(())
    }

    async fn send(&mut self, change: Change, rows: &RecordBatch) -> Result<(), ConnectorError> {
        let texts = match change {
            Change::Upsert => texts(rows)?,
            Change::Delete => texts(&keys_of(rows, &self.target.key)?)?,
        };
        for text in texts {
            self.waiting.of(change).push(text);
            if self.waiting.of(change).len() >= self.at_once() {
                self.send_waiting(change).await?;
            }
        }
        Ok(())
    }

    async fn seal(&mut self) -> Result<(), ConnectorError> {
        self.send_waiting(Change::Upsert).await?;
        self.send_waiting(Change::Delete).await
    }

    async fn publish(&mut self) -> Result<Sent, ConnectorError> {
        Ok(std::mem::take(&mut self.sent))
    }
}

/// Of rows that are gone, the key.
fn keys_of(rows: &RecordBatch, key: &[String]) -> Result<RecordBatch, ConnectorError> {
    let schema = rows.schema();
    let places: Vec<usize> = key.iter().filter_map(|name| schema.index_of(name).ok()).collect();
    rows.project(&places).map_err(ConnectorError::sink)
}

/// Each row as a JSON object.
fn texts(rows: &RecordBatch) -> Result<Vec<String>, ConnectorError> {
    let builder = WriterBuilder::new().with_explicit_nulls(true);
    let mut writer: LineDelimitedWriter<Vec<u8>> = builder.build::<_, LineDelimited>(Vec::new());
    writer.write(rows).map_err(ConnectorError::sink)?;
    writer.finish().map_err(ConnectorError::sink)?;
    let lines = String::from_utf8(writer.into_inner()).map_err(ConnectorError::sink)?;
    Ok(lines.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests;
