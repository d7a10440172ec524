//! `cargo xtask gen`: the references that are made from code, so that they cannot say something else.

use std::fmt::Write;

use baton_diagnostics::codes::{self, CodeInfo};

use crate::failure::{Failure, Outcome};
use crate::repository::Repository;

const ERRORS: &str = "docs/reference/errors.md";
const SCHEMA: &str = "docs/reference/project.schema.json";

/// Ranges of codes, by their first letter.
const RANGES: &[(&str, &str)] = &[
    ("P", "Project files"),
    ("S", "SQL"),
    ("T", "Tables and ledger"),
    ("C", "Connectors"),
    ("R", "Runs"),
    ("M", "Models"),
    ("A", "The server"),
    ("X", "Internal"),
];

/// Writes the references, or with `check` fails when one differs from what would be written.
pub(crate) fn run(repository: &Repository, check: bool) -> Outcome {
    let references = [(ERRORS, error_reference()), (SCHEMA, schema())];
    let stale: Vec<_> = references.iter().filter(|(path, text)| !is_fresh(repository, path, text)).collect();
    if check {
        let paths: Vec<_> = stale.iter().map(|(path, _)| *path).collect();
        return if paths.is_empty() {
            Ok(())
        } else {
            Err(format!("stale: {}; run `cargo xtask gen` and look at the difference", paths.join(", ")).into())
        };
    }
    stale.iter().try_for_each(|(path, text)| write(repository, path, text))
}

fn is_fresh(repository: &Repository, path: &str, text: &str) -> bool {
    std::fs::read_to_string(repository.path(path)).is_ok_and(|found| found == text)
}

fn write(repository: &Repository, relative: &str, text: &str) -> Outcome {
    let path = repository.path(relative);
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = folder.and_then(|()| std::fs::write(&path, text));
    written.map_err(|error| Failure::Message(format!("{relative} cannot be written: {error}")))?;
    println!("wrote {relative}");
    Ok(())
}

/// The JSON Schema of project files, for editors.
fn schema() -> String {
    format!("{:#}\n", baton_project::json_schema())
}

/// Every code with its meaning, grouped by range.
fn error_reference() -> String {
    let mut page = String::from(
        "# Error codes\n\n\
         Every message of Baton about a mistake carries a code, and a code keeps its meaning for ever.\n\
         This page is made from the table in `crates/diagnostics/src/codes.rs` by `cargo xtask gen`.\n",
    );
    for (letter, name) in RANGES {
        let rows: Vec<_> = codes::ALL.iter().filter(|row| row.code.as_str().starts_with(letter)).collect();
        if !rows.is_empty() {
            section(&mut page, name, &rows);
        }
    }
    page
}

fn section(page: &mut String, name: &str, rows: &[&CodeInfo]) {
    // Writing into a string cannot fail.
    let _ = write!(page, "\n## {name}\n");
    for row in rows {
        let _ = write!(page, "\n### {}: {}\n\n{}\n", row.code, row.title, row.text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_reference() {
        let page = error_reference();
        for row in codes::ALL {
            assert!(page.contains(&format!("### {}: {}", row.code, row.title)), "{} is missing", row.code);
        }
    }
}
