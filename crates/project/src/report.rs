//! Where readers put what they find in one file: diagnostics, and mentions of other assets to resolve later.

use std::cell::RefCell;

use baton_core::{AssetName, Kind};
use baton_diagnostics::{Code, Diagnostic, Label};

use crate::yaml::Span;

/// A name in a file that should be an asset's.
#[derive(Debug, Clone)]
pub(crate) struct Mention {
    /// Kind and name of what mentions it: "model `delay`".
    pub(crate) by: String,
    /// "reads", "serves", "watches".
    pub(crate) verb: &'static str,
    /// The mentioned name.
    pub(crate) target: AssetName,
    /// A feature of the target, when one is asked for.
    pub(crate) feature: Option<String>,
    /// The kinds that may stand here.
    pub(crate) kinds: &'static [Kind],
    /// Where.
    pub(crate) place: Place,
}

/// A monitor's own words on which label it is about, to be held against the model's.
#[derive(Debug, Clone)]
pub(crate) struct LabelClaim {
    /// Kind and name of the monitor.
    pub(crate) by: String,
    /// The endpoint it watches.
    pub(crate) endpoint: AssetName,
    /// `table.column`.
    pub(crate) label: String,
    /// Where.
    pub(crate) place: Place,
}

/// A name in a file that should be an environment's.
#[derive(Debug, Clone)]
pub(crate) struct EnvironmentMention {
    /// Kind and name of what mentions it: "export `crm`".
    pub(crate) by: String,
    /// The mentioned name.
    pub(crate) name: String,
    /// Where.
    pub(crate) place: Place,
}

/// A span in a named file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) span: Span,
}

impl Place {
    /// The place as a label.
    pub(crate) fn label(&self, text: impl Into<String>) -> Label {
        Label {
            file: self.file.clone(),
            line: self.span.line,
            column: self.span.column,
            length: self.span.length,
            text: text.into(),
        }
    }
}

/// What was found in one file so far.
#[derive(Debug)]
pub(crate) struct Report {
    file: String,
    diagnostics: RefCell<Vec<Diagnostic>>,
    mentions: RefCell<Vec<Mention>>,
    claims: RefCell<Vec<LabelClaim>>,
    environments: RefCell<Vec<EnvironmentMention>>,
}

/// All that was found in the files so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) mentions: Vec<Mention>,
    pub(crate) claims: Vec<LabelClaim>,
    pub(crate) environments: Vec<EnvironmentMention>,
}

impl Report {
    pub(crate) fn new(file: &str) -> Self {
        let file = file.to_owned();
        Self {
            file,
            diagnostics: RefCell::default(),
            mentions: RefCell::default(),
            claims: RefCell::default(),
            environments: RefCell::default(),
        }
    }

    /// A span of this file.
    pub(crate) fn place(&self, span: Span) -> Place {
        Place { file: self.file.clone(), span }
    }

    /// Reports an error at a span.
    pub(crate) fn error(&self, code: Code, message: impl Into<String>, span: Span, label: impl Into<String>) {
        self.push(Diagnostic::error(code, message).with_label(self.place(span).label(label)));
    }

    /// Reports what is ready made.
    pub(crate) fn push(&self, diagnostic: Diagnostic) {
        self.diagnostics.borrow_mut().push(diagnostic);
    }

    /// Notes a name to resolve when all files are read.
    pub(crate) fn mention(&self, mention: Mention) {
        self.mentions.borrow_mut().push(mention);
    }

    /// Notes which label a monitor is about.
    pub(crate) fn claim_label(&self, claim: LabelClaim) {
        self.claims.borrow_mut().push(claim);
    }

    /// Notes the name of an environment to look up when all files are read.
    pub(crate) fn mention_environment(&self, mention: EnvironmentMention) {
        self.environments.borrow_mut().push(mention);
    }

    /// Hands over all that was found.
    pub(crate) fn add_to(self, findings: &mut Findings) {
        findings.diagnostics.extend(self.diagnostics.into_inner());
        findings.mentions.extend(self.mentions.into_inner());
        findings.claims.extend(self.claims.into_inner());
        findings.environments.extend(self.environments.into_inner());
    }
}
