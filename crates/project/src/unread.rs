//! What was declared and could not be read: mentions of it are not mistakes of their own.

use std::collections::BTreeSet;

use baton_core::AssetName;

use crate::search::mentions;

/// Names and texts that are out of reach because of mistakes already reported.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unread {
    /// Declared, and too broken to build.
    pub(crate) names: BTreeSet<AssetName>,
    /// Files that are not YAML; whatever they mention may be declared in them.
    pub(crate) texts: Vec<String>,
}

impl Unread {
    /// Whether a file that could not be read may declare `name`.
    pub(crate) fn may_declare(&self, name: &str) -> bool {
        self.texts.iter().any(|text| mentions(text, name))
    }

    /// Whether `name` is, or may be, declared and yet not among the assets.
    pub(crate) fn excuses(&self, name: &str) -> bool {
        self.names.contains(name) || self.may_declare(name)
    }
}
