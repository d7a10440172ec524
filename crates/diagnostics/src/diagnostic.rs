//! [`Diagnostic`]: one thing a user should know, with places in their files and what to do about it.
//!
//! Plain data; drawing it is the renderers' task.

use serde::Serialize;

use crate::codes::Code;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing runs until it is mended.
    Error,
    /// Work goes on, and the user should look.
    Warning,
    /// Worth knowing.
    Info,
}

impl Severity {
    /// The word that users see.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// A place in a user's file. Lines and columns count from 1, columns and lengths count characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    /// File relative to the project folder.
    pub file: String,
    /// Line from 1.
    pub line: u32,
    /// Column from 1, in characters.
    pub column: u32,
    /// Characters underlined; 0 points between two characters.
    pub length: u32,
    /// What is said about the place; may be empty.
    pub text: String,
}

/// One thing a user should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The stable code, which `explain` takes.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// Lower-case, without a full stop; names the object and its kind.
    pub message: String,
    /// Places in the user's files; the first is the primary one.
    pub labels: Vec<Label>,
    /// Sentences that say more.
    pub detail: Option<String>,
    /// What to do.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error without places.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message.into())
    }

    /// A warning without places.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message.into())
    }

    /// Something worth knowing, without places.
    pub fn info(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Info, message.into())
    }

    pub(crate) fn new(code: Code, severity: Severity, message: String) -> Self {
        Self { code, severity, message, labels: Vec::new(), detail: None, help: Vec::new() }
    }

    /// Adds a place.
    #[must_use]
    pub fn with_label(mut self, label: Label) -> Self {
        self.labels.push(label);
        self
    }

    /// Sets the sentences that say more.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds something to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds "did you mean" when there is a `nearest` valid word.
    #[must_use]
    pub fn with_nearest(self, nearest: Option<&str>) -> Self {
        match nearest {
            Some(word) => self.with_help(format!("did you mean `{word}`?")),
            None => self,
        }
    }
}

/// How many of `diagnostics` are of this severity.
pub fn count(diagnostics: &[Diagnostic], severity: Severity) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
}

/// Whether any of `diagnostics` is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    count(diagnostics, Severity::Error) > 0
}
