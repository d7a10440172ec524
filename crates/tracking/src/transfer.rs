//! Whole records that come from other trackers or go to them: with their own ids and times, and every point of every metric.
//!
//! Each kind has its part beside its other code (`experiment/transfer.rs` and so on). What is kept twice is there once: what
//! differs from the first time is changed. It does not know other trackers.

use baton_ledger::database::{Statement, Transaction, Value};

use crate::Tag;
use crate::error::Result;

/// What became of a record that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kept {
    /// It was there, the same.
    Same,
    /// It was there, and differed.
    Changed,
    /// It was not there.
    New,
}

impl Kept {
    /// Of a record that was there: whether something about it changed.
    pub(crate) fn of(has_changed: bool) -> Self {
        if has_changed { Self::Changed } else { Self::Same }
    }
}

/// Sets keys and texts of the row `owner`, in a table whose owner column is `column`; whether any was new or other.
pub(crate) async fn set_texts(
    transaction: &mut Transaction,
    table: &'static str,
    column: &'static str,
    owner: i64,
    texts: &[Tag],
) -> Result<bool> {
    let row = |text: &Tag| vec![owner.into(), (&text.key).into(), (&text.value).into()];
    let head = format!("INSERT INTO {table} ({column}, key, value) VALUES ");
    let tail = format!(
        " ON CONFLICT ({column}, key) DO UPDATE SET value = excluded.value WHERE {table}.value <> excluded.value"
    );
    insert(transaction, &head, last_of_each(texts).map(row).collect(), &tail).await
}

/// Inserts rows; whether any row changed.
pub(crate) async fn insert(
    transaction: &mut Transaction,
    head: &str,
    rows: Vec<Vec<Value>>,
    tail: &str,
) -> Result<bool> {
    let mut changed = 0;
    for insert in Statement::inserts(head, rows, tail) {
        changed += transaction.execute(insert).await?;
    }
    Ok(changed > 0)
}

/// Of several texts with one key, the last.
pub(crate) fn last_of_each(texts: &[Tag]) -> impl Iterator<Item = &Tag> {
    let is_last = |place: usize, key: &str| !texts[place + 1..].iter().any(|later| later.key == key);
    texts.iter().enumerate().filter(move |(place, text)| is_last(*place, &text.key)).map(|(_, text)| text)
}
