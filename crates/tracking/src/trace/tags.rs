//! Tags and metadata of traces.

use baton_ledger::database::{Statement, Transaction};

use serde_json::{Value, json};

use super::{PROMPTS_TAG, read};
use crate::{Tag, TrackingError, TrackingStore, validate};

/// Characters of a tag's text; what is longer is cut.
const LONGEST: usize = 8000;

impl TrackingStore {
    /// Sets a tag of a trace.
    ///
    /// # Errors
    /// When there is no such trace, or the key is too long.
    pub async fn set_trace_tag(&self, trace_id: String, tag: Tag) -> Result<(), TrackingError> {
        validate::length("key", &tag.key, validate::KEY)?;
        self.write(move |transaction| {
            Box::pin(async move {
                let id = read::row(transaction, &trace_id).await?.id;
                set(transaction, "trace_tags", id, vec![tag]).await
            })
        })
        .await
    }

    /// Removes a tag of a trace.
    ///
    /// # Errors
    /// When there is no such trace or tag.
    pub async fn delete_trace_tag(&self, trace_id: String, key: String) -> Result<(), TrackingError> {
        self.write(move |transaction| {
            Box::pin(async move {
                let id = read::row(transaction, &trace_id).await?.id;
                let delete = Statement::new("DELETE FROM trace_tags WHERE trace = $1 AND key = $2");
                if transaction.execute(delete.bind(id).bind(&key)).await? > 0 {
                    return Ok(());
                }
                Err(TrackingError::missing(format!("No trace tag with key '{key}' for trace with ID '{trace_id}'")))
            })
        })
        .await
    }

    /// Adds prompts, by name and version, to those that a trace used.
    ///
    /// # Errors
    /// When there is no such trace.
    pub async fn link_prompts(&self, trace_id: String, prompts: Vec<(String, String)>) -> Result<(), TrackingError> {
        self.write(move |transaction| {
            Box::pin(async move {
                let id = read::row(transaction, &trace_id).await?.id;
                let select = Statement::new("SELECT value FROM trace_tags WHERE trace = $1 AND key = $2");
                let known: Option<(String,)> = transaction.one(select.bind(id).bind(PROMPTS_TAG)).await?;
                let known = known.and_then(|(list,)| serde_json::from_str(&list).ok());
                let mut linked: Vec<Value> = known.unwrap_or_default();
                for (name, version) in prompts {
                    let prompt = json!({"name": name, "version": version});
                    if !linked.contains(&prompt) {
                        linked.push(prompt);
                    }
                }
                let tag = Tag { key: PROMPTS_TAG.to_owned(), value: Value::from(linked).to_string() };
                set(transaction, "trace_tags", id, vec![tag]).await
            })
        })
        .await
    }
}

/// Sets tags, or metadata, of the trace in row `id`.
pub(super) async fn set(
    transaction: &mut Transaction,
    table: &'static str,
    id: i64,
    tags: Vec<Tag>,
) -> Result<(), TrackingError> {
    let row = |tag: Tag| vec![id.into(), tag.key.into(), validate::cut(tag.value, LONGEST).into()];
    let head = format!("INSERT INTO {table} (trace, key, value) VALUES ");
    let tail = " ON CONFLICT (trace, key) DO UPDATE SET value = excluded.value";
    for insert in Statement::inserts(&head, tags.into_iter().map(row).collect(), tail) {
        transaction.execute(insert).await?;
    }
    Ok(())
}
