//! What there is to tell, in no form yet.

use baton_core::Timestamp;
use baton_core::channel::Occasion;
use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody must act.
    Error,
    /// Somebody should look.
    Warning,
}

impl Severity {
    /// The word that all forms know.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Something to tell somebody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// What happened.
    pub occasion: Occasion,
    /// Whether it says that what was told before has ended.
    pub ends: bool,
    /// What tells this from other causes: notices of one cause are one alert for those who hear of them.
    pub cause: String,
    /// How bad it is.
    pub severity: Severity,
    /// The project.
    pub project: String,
    /// The environment.
    pub environment: String,
    /// The schedule.
    pub schedule: String,
    /// The run, if there was one.
    pub run: Option<String>,
    /// The asset at which it began.
    pub asset: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// One line for people.
    pub title: String,
    /// More lines: what was skipped, what to do.
    pub details: Vec<String>,
    /// Since when.
    pub since: Timestamp,
    /// When this was written.
    pub at: Timestamp,
}

impl Notice {
    /// The title with a word in front that says whether it goes on.
    pub(crate) fn headline(&self) -> String {
        let word = if self.ends { "resolved" } else { self.severity.word() };
        format!("[{word}] {}", self.title)
    }
}
