//! Names: parsed once, valid ever after.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// The name of an asset, unique in a project: a letter or underscore, then letters, digits, underscores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AssetName(String);

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
            Ok(Self(text.to_owned()))
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
        name.0
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
