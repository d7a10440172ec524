//! Diagnostics about assets and their SQL, pointing into the project's files.

use baton_core::asset::Table;
use baton_core::{Asset, AssetName, Kind};
use baton_diagnostics::{Diagnostic, Label, codes, nearest};
use baton_engine::{ProblemKind, SqlProblem};

/// Points a diagnostic at the asset's declaration.
pub(super) fn at(asset: Option<&Asset>, diagnostic: Diagnostic) -> Diagnostic {
    let Some(asset) = asset else { return diagnostic };
    diagnostic.with_label(Label {
        file: asset.origin.file.clone(),
        line: asset.origin.line,
        column: asset.origin.column,
        length: asset.name.as_str().len() as u32,
        text: "declared here".to_owned(),
    })
}

/// A problem in a table's query, pointing into its SQL file; where a command makes it, at its declaration.
pub(super) fn in_query(name: &AssetName, table: &Table, asset: Option<&Asset>, problem: &SqlProblem) -> Diagnostic {
    if table.command.is_some() {
        return at(asset, described(&format!("{} `{name}`", Kind::Table), problem));
    }
    let label = Label {
        file: table.file.clone(),
        line: problem.line as u32 + table.line_offset,
        column: problem.column as u32,
        length: problem.length.max(1) as u32,
        text: String::new(),
    };
    described(&format!("{} `{name}`", Kind::Table), problem).with_label(label)
}

/// A problem in a piece of SQL that an asset's YAML holds; `role` says which.
pub(super) fn in_expression(asset: &Asset, role: &str, problem: &SqlProblem) -> Diagnostic {
    at(Some(asset), described(&format!("{role} of {} `{}`", asset.kind(), asset.name), problem))
}

fn described(subject: &str, problem: &SqlProblem) -> Diagnostic {
    let code = match problem.kind {
        ProblemKind::Invalid => codes::INVALID_SQL,
        ProblemKind::UnknownTable => codes::UNKNOWN_TABLE,
        ProblemKind::UnknownColumn => codes::UNKNOWN_COLUMN,
        ProblemKind::UnknownFunction => codes::UNKNOWN_FUNCTION,
        ProblemKind::AmbiguousColumn => codes::AMBIGUOUS_COLUMN,
        ProblemKind::WrongType => codes::WRONG_SQL_TYPE,
        ProblemKind::Unrepeatable => codes::VARYING_FUNCTION,
    };
    let mut diagnostic = Diagnostic::error(code, format!("{subject}: {}", problem.message));
    if !problem.candidates.is_empty() {
        diagnostic = diagnostic.with_detail(format!("Valid names here: {}.", problem.candidates.join(", ")));
    }
    match &problem.unknown_name {
        Some(unknown) => diagnostic.with_nearest(nearest(unknown, problem.candidates.iter().map(String::as_str))),
        None => diagnostic,
    }
}
