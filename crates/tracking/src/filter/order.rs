//! A key to order by.

use super::split_name;
use crate::error::{Result, TrackingError};

/// A key to order by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What stands before the first point.
    pub entity: Option<String>,
    /// The key.
    pub key: String,
    /// Whether the smallest comes first.
    pub ascending: bool,
}

/// Reads `key`, `key ASC` or `key DESC`; the key may stand in backticks or quotes.
pub(super) fn parse(clause: &str) -> Result<Order> {
    let words = words(clause).ok_or_else(|| wrong(clause))?;
    let (name, ascending) = match words.as_slice() {
        [name] => (name, true),
        [name, direction] => (name, is_ascending(clause, direction)?),
        _ => return Err(wrong(clause)),
    };
    let (entity, key) = split_name(name);
    Ok(Order { entity, key, ascending })
}

fn is_ascending(clause: &str, direction: &str) -> Result<bool> {
    match direction.to_ascii_lowercase().as_str() {
        "asc" => Ok(true),
        "desc" => Ok(false),
        _ => Err(TrackingError::invalid(format!("Invalid ordering key in order_by clause '{clause}'."))),
    }
}

fn wrong(clause: &str) -> TrackingError {
    TrackingError::invalid(format!("Invalid order_by clause '{clause}'. Could not be parsed."))
}

/// Words that spaces divide outside of quotes.
fn words(clause: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut open) = (Vec::new(), String::new(), None);
    for letter in clause.chars() {
        match open {
            None if letter.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            // One clause has one key.
            None if letter == ',' => return None,
            None if matches!(letter, '`' | '"' | '\'') => open = Some(letter),
            Some(quote) if quote == letter => open = None,
            _ => {}
        }
        word.push(letter);
    }
    if !word.is_empty() {
        words.push(word);
    }
    open.is_none().then_some(words)
}
