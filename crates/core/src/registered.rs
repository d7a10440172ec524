//! How a project names a model that clients of MLflow registered: `models:/fraud@champion`, or `models:/fraud/3`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const SCHEME: &str = "models:/";

/// A registered model and what picks its version. Kept as text, as clients of MLflow write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RegisteredReference {
    /// The model's name in the registry.
    pub name: String,
    /// What picks the version.
    pub pointer: Pointer,
}

/// What picks a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pointer {
    /// An alias; `latest` is the newest version.
    Alias(String),
    /// The version itself.
    Version(u32),
}

impl RegisteredReference {
    /// Whether the reference follows `alias` of the model `name`.
    pub fn follows(&self, name: &str, alias: &str) -> bool {
        self.name == name && matches!(&self.pointer, Pointer::Alias(own) if own == alias)
    }

    /// The same model at one version.
    #[must_use]
    pub fn at(&self, version: u32) -> Self {
        Self { name: self.name.clone(), pointer: Pointer::Version(version) }
    }
}

impl fmt::Display for RegisteredReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pointer {
            Pointer::Alias(alias) => write!(formatter, "{SCHEME}{}@{alias}", self.name),
            Pointer::Version(version) => write!(formatter, "{SCHEME}{}/{version}", self.name),
        }
    }
}

impl FromStr for RegisteredReference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused =
            || format!("`{text}` names no registered model; write `models:/NAME@ALIAS` or `models:/NAME/VERSION`");
        let rest = text.strip_prefix(SCHEME).ok_or_else(refused)?;
        let (name, pointer) = match (rest.rsplit_once('@'), rest.rsplit_once('/')) {
            (Some((name, alias)), _) if !alias.is_empty() => (name, Pointer::Alias(alias.to_owned())),
            (None, Some((name, version))) => (name, Pointer::Version(version.parse().map_err(|_| refused())?)),
            _ => return Err(refused()),
        };
        let is_name = !name.is_empty() && !name.contains(['/', ':', '@']);
        if is_name { Ok(Self { name: name.to_owned(), pointer }) } else { Err(refused()) }
    }
}

impl From<RegisteredReference> for String {
    fn from(reference: RegisteredReference) -> Self {
        reference.to_string()
    }
}

impl TryFrom<String> for RegisteredReference {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_what_clients_write() {
        for text in ["models:/fraud@champion", "models:/fraud/3", "models:/R linear@a", "models:/fraud@latest"] {
            assert_eq!(text.parse::<RegisteredReference>().unwrap().to_string(), text);
        }
        for text in
            ["fraud@champion", "models:/fraud", "models:/fraud/x", "models:/@a", "models:/fraud@", "models:/a/b@c"]
        {
            assert!(text.parse::<RegisteredReference>().is_err(), "{text}");
        }
        let reference: RegisteredReference = "models:/fraud@champion".parse().unwrap();
        assert!(reference.follows("fraud", "champion") && !reference.follows("fraud", "x"));
        assert_eq!(reference.at(3).to_string(), "models:/fraud/3");
    }
}
