//! `baton explain`: what a code means, how it looks, and what to do. Needs no project.

use baton_diagnostics::{CodeInfo, Example, codes, nearest};

use crate::args::ExplainArguments;
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::{output, render};

/// Explains one code, or lists all of them.
pub(super) fn explain(context: &Context, arguments: &ExplainArguments) -> Result<Outcome, CliError> {
    match &arguments.code {
        None if context.is_json() => output::print_json(&codes::ALL)?,
        None => output::print(&render::codes(codes::ALL))?,
        Some(code) => {
            let row = find(code)?;
            let example = Example::of(row.code);
            if context.is_json() {
                output::print_json(&render::code_as_json(row, example))?;
            } else {
                output::print(&render::code(row, example))?;
            }
        }
    }
    Ok(Outcome::Fine)
}

fn find(code: &str) -> Result<&'static CodeInfo, CliError> {
    codes::find(code).ok_or_else(|| {
        let wanted = code.trim().to_uppercase();
        let nearest = nearest(&wanted, codes::ALL.iter().map(|row| row.code.as_str()));
        CliError::UnknownCode { code: code.to_owned(), nearest: nearest.map(str::to_owned) }
    })
}
