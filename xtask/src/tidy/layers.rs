//! Who may be built from whom: a crate from lower levels only, and crates of one level never from each other.

use super::Problem;
use crate::repository::Package;

/// The levels, lowest first. `ARCHITECTURE.md` says what each crate owns.
const LEVELS: &[&[&str]] = &[
    &["baton-diagnostics"],
    &["baton-core", "baton-charts"],
    &["baton-project", "baton-lake", "baton-ledger", "baton-connectors", "baton-notify", "baton-stats"],
    &["baton-engine", "baton-ml", "baton-tracking"],
    &["baton-plan", "baton-observe", "baton-exchange"],
    &["baton-orchestrator", "baton-serving"],
    &["baton-server", "baton-lsp"],
    &["baton"],
];

/// Crates that are no part of the product and may use all of it.
const TOOLS: &[&str] = &["baton-testkit", "baton-bench", "xtask"];

/// What breaks the order.
pub(super) fn problems(packages: &[Package]) -> Vec<Problem> {
    packages.iter().filter(|package| !TOOLS.contains(&package.name.as_str())).flat_map(of_package).collect()
}

fn of_package(package: &Package) -> Vec<Problem> {
    let Some(own) = level(&package.name) else {
        return vec![Problem::new(
            &package.name,
            "the crate has no level: give it one in `xtask/src/tidy/layers.rs` and a paragraph in `ARCHITECTURE.md`",
        )];
    };
    let mut problems = Vec::new();
    for dependency in &package.dependencies {
        let message = match level(dependency) {
            _ if TOOLS.contains(&dependency.as_str()) => format!("`{dependency}` is for tests: a dev-dependency"),
            Some(other) if other == own => {
                format!("`{dependency}` is on the same level: put what both need into a lower crate")
            }
            Some(other) if other > own => format!("`{dependency}` is on a higher level: turn the dependency round"),
            _ => continue,
        };
        problems.push(Problem::new(&package.name, message));
    }
    problems
}

fn level(name: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, dependency: &str) -> Vec<String> {
        let package = Package { name: name.to_owned(), dependencies: vec![dependency.to_owned()] };
        problems(&[package]).iter().map(Problem::to_string).collect()
    }

    #[test]
    fn lower_levels_and_strangers_are_fine() {
        assert!(told("baton-engine", "baton-lake").is_empty());
        assert!(told("baton-engine", "serde").is_empty());
        assert!(told("xtask", "baton-server").is_empty());
    }

    #[test]
    fn siblings_higher_levels_and_tools_are_told() {
        let same = "`baton-ledger` is on the same level: put what both need into a lower crate";
        assert_eq!(told("baton-lake", "baton-ledger"), [format!("baton-lake: {same}")]);
        let higher = "`baton-plan` is on a higher level: turn the dependency round";
        assert_eq!(told("baton-core", "baton-plan"), [format!("baton-core: {higher}")]);
        assert_eq!(told("baton-plan", "baton-testkit").len(), 1);
    }

    #[test]
    fn a_crate_without_a_level_is_told() {
        assert!(told("baton-new", "serde")[0].contains("has no level"));
    }
}
