//! Names: parsed once, valid ever after.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// The name of an asset, unique in a project: a letter or underscore, then letters, digits, underscores. Copies share the
/// text: what reads what is told by name in many places.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetName(Arc<str>);

/// A text that cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a name: use letters, digits and underscores, and start with a letter or underscore")]
pub struct InvalidName(pub String);

impl AssetName {
    /// Parses `text`.
    ///
    /// # Errors
    /// [`InvalidName`] when it has other characters, is empty or longer than 128.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let mut characters = text.chars();
        let starts_well = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        let goes_on_well = characters.all(|next| next.is_ascii_alphanumeric() || next == '_');
        if starts_well && goes_on_well && text.len() <= 128 {
            Ok(Self(Arc::from(text)))
        } else {
            Err(InvalidName(text.to_owned()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AssetName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<AssetName> for String {
    fn from(name: AssetName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl Deref for AssetName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for AssetName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AssetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for AssetName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for AssetName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

/// Parses a name from a text without keeping the text.
struct Text;

impl Visitor<'_> for Text {
    type Value = AssetName;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<AssetName, E> {
        AssetName::parse(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers() {
        for good in ["flights", "_x", "A1_b"] {
            assert_eq!(AssetName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "1a", "a-b", "a b", "é", "../x"] {
            assert_eq!(AssetName::parse(bad), Err(InvalidName(bad.to_owned())));
        }
    }
}
