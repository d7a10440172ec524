//! Diagnostics as editors want them: by file, every file told that has or had some.

use std::collections::{BTreeMap, BTreeSet};

use baton_diagnostics::{Diagnostic, Label, Severity};
use baton_project::Project;
use lsp_types::{
    DiagnosticRelatedInformation, DiagnosticSeverity, Location, NumberOrString, PublishDiagnosticsParams, Range,
};

use crate::documents::Documents;
use crate::text::range;

/// Where diagnostics without a place are shown.
const HEAD_FILE: &str = "baton.yml";

/// What to publish; `told` are the files that were told something last, and is brought up to date.
pub(crate) fn published(
    found: &[Diagnostic],
    project: &Project,
    documents: &Documents,
    told: &mut BTreeSet<String>,
) -> Vec<PublishDiagnosticsParams> {
    let mut by_file: BTreeMap<String, Vec<lsp_types::Diagnostic>> =
        told.iter().map(|file| (file.clone(), Vec::new())).collect();
    for diagnostic in found {
        let file = diagnostic.labels.first().map_or(HEAD_FILE, |label| label.file.as_str());
        by_file.entry(file.to_owned()).or_default().push(converted(diagnostic, project, documents));
    }
    *told = by_file.iter().filter(|(_, found)| !found.is_empty()).map(|(file, _)| file.clone()).collect();
    by_file
        .into_iter()
        .filter_map(|(file, diagnostics)| {
            Some(PublishDiagnosticsParams { uri: documents.uri(&file)?, diagnostics, version: None })
        })
        .collect()
}

fn converted(diagnostic: &Diagnostic, project: &Project, documents: &Documents) -> lsp_types::Diagnostic {
    let others = diagnostic.labels.iter().skip(1).filter_map(|label| {
        let location = Location { uri: documents.uri(&label.file)?, range: range_of(label, project) };
        Some(DiagnosticRelatedInformation { location, message: label.text.clone() })
    });
    let others: Vec<DiagnosticRelatedInformation> = others.collect();
    lsp_types::Diagnostic {
        range: diagnostic.labels.first().map_or_else(Range::default, |label| range_of(label, project)),
        severity: Some(match diagnostic.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
            Severity::Info => DiagnosticSeverity::INFORMATION,
        }),
        code: Some(NumberOrString::String(diagnostic.code.to_string())),
        source: Some("baton".to_owned()),
        message: message(diagnostic),
        related_information: Some(others).filter(|others| !others.is_empty()),
        ..lsp_types::Diagnostic::default()
    }
}

fn range_of(label: &Label, project: &Project) -> Range {
    let text = project.texts.get(&label.file).map_or("", String::as_str);
    range(text, label.line, label.column, label.length.max(1))
}

/// Message, what more there is to say, and what to do, a paragraph each.
fn message(diagnostic: &Diagnostic) -> String {
    let help = diagnostic.help.iter().map(|help| format!("help: {help}"));
    [diagnostic.message.clone()].into_iter().chain(diagnostic.detail.clone()).chain(help).collect::<Vec<_>>().join("\n")
}
