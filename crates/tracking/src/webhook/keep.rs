//! Making, changing and listing webhooks. Secrets go in and do not come out.

use std::collections::HashMap;

use baton_ledger::database::{Statement, Transaction};
use baton_ledger::record;

use super::{Webhook, WebhookEvent};
use crate::search::{self, Slice};
use crate::{Page, TrackingError, TrackingStore, validate};

/// What is said of a webhook when it is made or changed; what is not said stays.
#[derive(Debug, Clone, Default)]
pub struct WebhookChange {
    /// The name.
    pub name: Option<String>,
    /// The address.
    pub url: Option<String>,
    /// What it is told of.
    pub events: Vec<WebhookEvent>,
    /// In somebody's words.
    pub description: Option<String>,
    /// What messages are signed with.
    pub secret: Option<String>,
    /// Whether it is told anything.
    pub is_active: Option<bool>,
}

record! {
    struct Row {
        id: i64,
        webhook_id: String,
        name: String,
        description: Option<String>,
        url: String,
        status: String,
        creation_time: i64,
        last_update_time: i64,
    }
}

const COLUMNS: &str = "id, webhook_id, name, description, url, status, creation_time, last_update_time";

impl WebhookChange {
    fn check(&self) -> Result<(), TrackingError> {
        if let Some(name) = self.name.as_deref().filter(|name| !is_name(name)) {
            return Err(TrackingError::invalid(format!(
                "Webhook name '{name}' is invalid. It must start and end with a letter or digit, be less than 63 characters \
                 long, and contain only letters, digits, dots (.), underscores (_), and hyphens (-)."
            )));
        }
        match self.url.as_deref() {
            Some(url) if url.trim().is_empty() => {
                Err(TrackingError::invalid("Webhook URL cannot be empty or just whitespace"))
            }
            Some(url) if !url.starts_with("https://") && !url.starts_with("http://") => Err(TrackingError::invalid(
                format!("Invalid webhook URL scheme in '{url}'. Allowed schemes are: https."),
            )),
            Some(url) => validate::length("url", url, 500),
            None => Ok(()),
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric();
    let bytes = name.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.first().copied().is_some_and(is_letter)
        && bytes.last().copied().is_some_and(is_letter)
        && bytes.iter().all(|byte| is_letter(*byte) || b"._-".contains(byte))
}

impl TrackingStore {
    /// Makes a webhook.
    ///
    /// # Errors
    /// When the name, the address or the events are not usable.
    pub async fn create_webhook(&self, new: WebhookChange) -> Result<Webhook, TrackingError> {
        new.check()?;
        if new.events.is_empty() {
            return Err(TrackingError::invalid("Webhook events cannot be empty"));
        }
        let (id, now) = (uuid::Uuid::new_v4().to_string(), self.now());
        self.write(move |transaction| {
            Box::pin(async move {
                let insert = Statement::new(
                    "INSERT INTO webhooks (webhook_id, name, description, url, status, secret, creation_time, last_update_time)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
                );
                let insert = insert
                    .bind(&id)
                    .bind(new.name.unwrap_or_default())
                    .bind(new.description)
                    .bind(new.url.unwrap_or_default())
                    .bind(status(new.is_active.unwrap_or(true)))
                    .bind(new.secret)
                    .bind(now);
                transaction.execute(insert).await?;
                let row = row(transaction, &id).await?.id;
                set_events(transaction, row, new.events).await?;
                find(transaction, &id).await
            })
        })
        .await
    }

    /// A webhook.
    ///
    /// # Errors
    /// When there is none.
    pub async fn webhook(&self, webhook_id: &str) -> Result<Webhook, TrackingError> {
        find(&mut self.snapshot().await?, webhook_id).await
    }

    /// A page of webhooks, newest first.
    ///
    /// # Errors
    /// When the size or the token cannot be understood.
    pub async fn webhooks(
        &self,
        max_results: Option<i64>,
        page_token: Option<&str>,
    ) -> Result<Page<Webhook>, TrackingError> {
        let rows = validate::max_results(max_results.filter(|rows| *rows != 0), 100, 1000)?;
        let page = Slice::new(page_token, i64::try_from(rows).unwrap_or(i64::MAX))?;
        let mut select = Statement::new(format!("SELECT {COLUMNS} FROM webhooks ORDER BY creation_time DESC, id DESC"));
        page.push_limit(&mut select);
        let mut transaction = self.snapshot().await?;
        let (rows, next) = page.cut(transaction.all::<Row>(select).await?);
        Ok(Page { rows: whole(&mut transaction, rows).await?, next })
    }

    /// Changes a webhook.
    ///
    /// # Errors
    /// When there is none, or what is said is not usable.
    pub async fn update_webhook(&self, webhook_id: String, change: WebhookChange) -> Result<Webhook, TrackingError> {
        change.check()?;
        let now = self.now();
        self.write(move |transaction| {
            Box::pin(async move {
                let id = row(transaction, &webhook_id).await?.id;
                let update = Statement::new(
                    "UPDATE webhooks SET name = coalesce($2, name), url = coalesce($3, url),
                            description = coalesce($4, description), secret = coalesce($5, secret),
                            status = coalesce($6, status), last_update_time = $7 WHERE id = $1",
                );
                let update = update
                    .bind(id)
                    .bind(change.name)
                    .bind(change.url)
                    .bind(change.description)
                    .bind(change.secret)
                    .bind(change.is_active.map(status))
                    .bind(now);
                transaction.execute(update).await?;
                if !change.events.is_empty() {
                    set_events(transaction, id, change.events).await?;
                }
                find(transaction, &webhook_id).await
            })
        })
        .await
    }

    /// Deletes a webhook and what it has yet to be told.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delete_webhook(&self, webhook_id: String) -> Result<(), TrackingError> {
        self.write(move |transaction| {
            Box::pin(async move {
                let id = row(transaction, &webhook_id).await?.id;
                transaction.execute(Statement::new("DELETE FROM webhooks WHERE id = $1").bind(id)).await?;
                Ok(())
            })
        })
        .await
    }
}

fn status(is_active: bool) -> &'static str {
    if is_active { "ACTIVE" } else { "DISABLED" }
}

async fn row(transaction: &mut Transaction, webhook_id: &str) -> Result<Row, TrackingError> {
    let select = format!("SELECT {COLUMNS} FROM webhooks WHERE webhook_id = $1");
    let found = transaction.one(Statement::new(select).bind(webhook_id)).await?;
    found.ok_or_else(|| TrackingError::missing(format!("Webhook with ID {webhook_id} not found.")))
}

async fn find(transaction: &mut Transaction, webhook_id: &str) -> Result<Webhook, TrackingError> {
    let row = row(transaction, webhook_id).await?;
    let gone = || TrackingError::Internal("a webhook was read and is gone".to_owned());
    whole(transaction, vec![row]).await?.pop().ok_or_else(gone)
}

async fn whole(transaction: &mut Transaction, rows: Vec<Row>) -> Result<Vec<Webhook>, TrackingError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let mut events: HashMap<i64, Vec<WebhookEvent>> = HashMap::new();
    for some in ids.chunks(search::MOST_PLACES) {
        let mut select = Statement::new("SELECT webhook, entity, action FROM webhook_events WHERE webhook IN ");
        search::push_list(&mut select, some);
        select.push(" ORDER BY webhook, entity, action");
        for (webhook, entity, action) in transaction.all::<(i64, String, String)>(select).await? {
            events.entry(webhook).or_default().push(WebhookEvent { entity, action });
        }
    }
    let webhooks = rows.into_iter().map(|row| Webhook {
        events: events.remove(&row.id).unwrap_or_default(),
        webhook_id: row.webhook_id,
        name: row.name,
        description: row.description,
        url: row.url,
        is_active: row.status == "ACTIVE",
        creation_time: row.creation_time,
        last_update_time: row.last_update_time,
    });
    Ok(webhooks.collect())
}

async fn set_events(transaction: &mut Transaction, id: i64, events: Vec<WebhookEvent>) -> Result<(), TrackingError> {
    transaction.execute(Statement::new("DELETE FROM webhook_events WHERE webhook = $1").bind(id)).await?;
    let rows = events.into_iter().map(|event| vec![id.into(), event.entity.into(), event.action.into()]).collect();
    let head = "INSERT INTO webhook_events (webhook, entity, action) VALUES ";
    for insert in Statement::inserts(head, rows, " ON CONFLICT (webhook, entity, action) DO NOTHING") {
        transaction.execute(insert).await?;
    }
    Ok(())
}
