//! Changing one setting of a `baton.yml` and nothing else: comments, order and spelling of the rest stay.

use crate::yaml::{self, Entry, Node, Value};

/// `text` with the text `value` under the top-level `key`, replacing what is there or added after the project's name.
///
/// `None` where that cannot be done by changing one line, or where the file would then say anything else that it did not.
pub fn with_setting(text: &str, key: &str, value: &str) -> Option<String> {
    let before = entries(text)?;
    let line = format!("{key}: {}\n", quoted(value)?);
    let text = if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let place = before.iter().find(|entry| entry.key == key);
    let at = match place {
        Some(entry) => usize::try_from(entry.key_span.line).ok()?.checked_sub(1)?,
        None => usize::try_from(before.iter().find(|entry| entry.key == "project")?.key_span.line).ok()?,
    };
    match place {
        Some(_) => *lines.get_mut(at)? = &line,
        None => lines.insert(at.min(lines.len()), &line),
    }
    let after = lines.concat();
    says_only(&before, &entries(&after)?, key, value).then_some(after)
}

fn entries(text: &str) -> Option<Vec<Entry>> {
    match yaml::parse(text).ok()?.value {
        Value::Map(entries) => Some(entries),
        _ => None,
    }
}

/// A text between double quotes; `None` where it holds what would need more than that.
fn quoted(value: &str) -> Option<String> {
    let is_plain = |letter: char| !letter.is_control() && letter != '"' && letter != '\\';
    value.chars().all(is_plain).then(|| format!("\"{value}\""))
}

/// Whether `after` is `before` with `key` set, and nothing else.
fn says_only(before: &[Entry], after: &[Entry], key: &str, value: &str) -> bool {
    let others = |entries: &[Entry]| -> Vec<(String, serde_json::Value)> {
        let others = entries.iter().filter(|entry| entry.key != key);
        others.map(|entry| (entry.key.clone(), entry.node.to_json())).collect()
    };
    let set: Vec<&Node> = after.iter().filter(|entry| entry.key == key).map(|entry| &entry.node).collect();
    others(before) == others(after) && matches!(set[..], [node] if node.value == Value::Text(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_added_or_replaced_and_the_rest_stays() {
        let to = "postgres://a:${env:P}@h/d?schema=s";
        for (before, after) in [
            (
                "# ours\nproject: shop # the shop\nenvironments: {dev: {}}\n",
                "# ours\nproject: shop # the shop\nledger: \"postgres://a:${env:P}@h/d?schema=s\"\nenvironments: {dev: {}}\n",
            ),
            ("project: shop", "project: shop\nledger: \"postgres://a:${env:P}@h/d?schema=s\"\n"),
            (
                "ledger: .baton/ledger.db   # here\nproject: shop\n\n# end",
                "ledger: \"postgres://a:${env:P}@h/d?schema=s\"\nproject: shop\n\n# end\n",
            ),
        ] {
            assert_eq!(with_setting(before, "ledger", to).as_deref(), Some(after), "{before}");
        }
    }

    #[test]
    fn what_would_change_more_is_refused() {
        for text in [
            "{project: shop, ledger: a}\n",
            "project: shop\nledger: >\n  a\n  b\n",
            "project: shop\nledger:\n  a\n",
            "- project\n",
            "project: >\n  shop\n",
        ] {
            assert_eq!(with_setting(text, "ledger", "b.db"), None, "{text}");
        }
        assert_eq!(with_setting("project: shop\n", "ledger", "a\"b"), None);
    }
}
