//! The file `meta.yaml` and its like, and folders with one file a key.

use std::fs;
use std::path::Path;

use baton_tracking::Tag;
use serde_json::Value;

use crate::aside::Aside;
use crate::files;

/// What a file of YAML says, by key.
#[derive(Debug)]
pub(super) struct Meta(pub(super) Value);

impl Meta {
    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
        let value: Value = serde_saphyr::from_str(&text).map_err(|error| {
            let said = error.to_string();
            format!("is no YAML: {}", said.lines().next().unwrap_or_default())
        })?;
        if value.is_object() { Ok(Self(value)) } else { Err("has no keys".to_owned()) }
    }

    /// A text; numbers as they are written.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.0.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// A whole number, also one in quotes.
    pub(super) fn number(&self, key: &str) -> Option<i64> {
        match self.0.get(key)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A text that must be there.
    pub(super) fn need(&self, key: &str) -> Result<String, String> {
        self.text(key).ok_or_else(|| format!("has no `{key}`"))
    }
}

/// Keys and texts of a folder with one file a key; keys with `/` are files in folders.
pub(super) fn texts(folder: &Path, aside: &mut Aside) -> Vec<Tag> {
    let mut found = Vec::new();
    for (path, key) in files::below(folder, aside) {
        let read = fs::read(&path).map_err(|error| error.to_string());
        let read = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_no_text| "is no text in UTF-8".to_owned()));
        if let Some(value) = aside.some(path.display(), read) {
            found.push(Tag { key, value });
        }
    }
    found
}

/// The folders in a folder that have a `meta.yaml`, by name.
pub(super) fn described(folder: &Path, aside: &mut Aside) -> Vec<String> {
    let entries = files::entries(folder, aside).unwrap_or_default();
    entries.into_iter().filter(|(path, _)| path.join("meta.yaml").exists()).map(|(_, name)| name).collect()
}
