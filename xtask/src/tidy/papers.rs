//! The papers that a reader expects, and that no crate is missing from the map.

use super::Problem;
use crate::failure::Outcome;
use crate::repository::{Package, Repository};

const PAPERS: &[&str] = &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"];

/// What is missing.
pub(super) fn problems(repository: &Repository, files: &[String], packages: &[Package]) -> Outcome<Vec<Problem>> {
    let missing = PAPERS.iter().filter(|paper| !files.iter().any(|path| path == *paper));
    let mut problems: Vec<_> = missing.map(|paper| Problem::new(*paper, "the file is missing: write it")).collect();
    if !problems.is_empty() {
        return Ok(problems);
    }
    let changelog = repository.text("CHANGELOG.md")?.unwrap_or_default();
    problems.extend(closed(&changelog));
    let map = repository.text("ARCHITECTURE.md")?.unwrap_or_default();
    problems.extend(packages.iter().filter_map(|package| unmapped(&map, &package.name)));
    Ok(problems)
}

fn closed(changelog: &str) -> Option<Problem> {
    let open = changelog.lines().any(|line| line.starts_with("## [Unreleased]"));
    (!open).then(|| Problem::new("CHANGELOG.md", "add a section `## [Unreleased]` with what changes for a user"))
}

fn unmapped(map: &str, package: &str) -> Option<Problem> {
    let message = format!("`{package}` has no paragraph: say what it owns, and what it must not know");
    (!map.contains(&format!("`{package}`"))).then(|| Problem::new("ARCHITECTURE.md", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changelog_without_a_place_for_the_next_change_is_told() {
        assert_eq!(closed("# Changelog\n\n## [Unreleased]\n"), None);
        assert!(closed("# Changelog\n\n## [0.1.0]\n").is_some());
    }

    #[test]
    fn a_crate_missing_from_the_map_is_told() {
        assert_eq!(unmapped("### `crates/core` (`baton-core`)\n", "baton-core"), None);
        assert!(unmapped("### `crates/core` (`baton-core`)\n", "baton-co").is_some());
    }
}
