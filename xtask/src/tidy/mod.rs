//! `cargo xtask tidy`: rules of this repository that no other tool checks. Every problem is told at once.
//!
//! [`layers`] and [`fences`] say which crate may know which; [`sources`] and [`suites`] look at source files;
//! [`papers`] at what people read.

mod fences;
mod layers;
mod papers;
mod sources;
mod suites;

use std::fmt;

use crate::failure::Outcome;
use crate::repository::Repository;

/// Something to put right.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    /// A file, with or without a line.
    place: String,
    /// What is wrong and what to do.
    message: String,
}

impl Problem {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

/// Looks at the whole repository and fails when there is anything to put right.
pub(crate) fn run(repository: &Repository) -> Outcome {
    let problems = problems(repository)?;
    if problems.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = problems.iter().map(|problem| format!("  {problem}")).collect();
    Err(format!("{} to put right:\n{}", lines.len(), lines.join("\n")).into())
}

fn problems(repository: &Repository) -> Outcome<Vec<Problem>> {
    let packages = repository.packages()?;
    let files = repository.files()?;
    let mut problems = layers::problems(&packages);
    problems.extend(fences::problems(&packages));
    problems.extend(suites::problems(repository, &files)?);
    problems.extend(papers::problems(repository, &files, &packages)?);
    for path in &files {
        if let Some(text) = repository.text(path)? {
            problems.extend(sources::problems(path, &text));
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_tidy() {
        let problems = problems(&Repository::here()).unwrap();
        let lines: Vec<_> = problems.iter().map(Problem::to_string).collect();
        assert!(lines.is_empty(), "\n{}", lines.join("\n"));
    }
}
