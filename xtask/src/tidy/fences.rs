//! Large or infectious libraries have one crate that names them, so that the rest neither rebuilds nor rewrites when
//! they change.

use super::Problem;
use crate::repository::Package;

/// A library (or with `*` a family of them) and its only user, or its users where there can be but one copy of it.
const FENCES: &[(&str, &str)] = &[
    ("deltalake", "baton-lake"),
    ("datafusion*", "baton-engine"),
    // SQLite is linked once: another crate for it could not be built beside this one.
    ("sqlx*", "baton-ledger baton-connectors"),
    ("tokio-postgres*", "baton-connectors"),
    ("reqwest", "baton-notify baton-connectors"),
    ("async-nats", "baton-connectors"),
    ("krafka", "baton-connectors"),
    ("arrow-avro", "baton-connectors"),
    ("adbc_*", "baton-connectors"),
    ("rumqttc", "baton-connectors"),
    ("redb", "baton-serving"),
    ("axum*", "baton-server"),
    ("hessboost", "baton-ml"),
    ("linfa*", "baton-ml"),
    ("ort", "baton-ml"),
    ("prost", "baton-ml baton-notify baton-server"),
    ("minijinja", "baton-project"),
    ("serde-saphyr", "baton-project baton-exchange"),
    ("tree-sitter*", "baton-project"),
    ("lsp-*", "baton-lsp"),
    ("miette", "baton-diagnostics"),
    ("plotters*", "baton-charts"),
    ("clap*", "baton"),
    ("indicatif", "baton"),
];

/// Which crates name a library that is not theirs.
pub(super) fn problems(packages: &[Package]) -> Vec<Problem> {
    packages.iter().flat_map(of_package).collect()
}

fn of_package(package: &Package) -> Vec<Problem> {
    let owner = |library: &str| FENCES.iter().find(|(pattern, _)| matches(pattern, library)).map(|(_, owner)| *owner);
    let mut problems = Vec::new();
    for library in &package.dependencies {
        if let Some(owner) = owner(library).filter(|owner| owner.split(' ').all(|owner| owner != package.name)) {
            let owner = owner.replace(' ', "` or `");
            let message = format!("only `{owner}` names `{library}`: ask for what is needed in the words of `{owner}`");
            problems.push(Problem::new(&package.name, message));
        }
    }
    problems
}

fn matches(pattern: &str, library: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == library, |family| library.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, dependency: &str) -> usize {
        problems(&[Package { name: name.to_owned(), dependencies: vec![dependency.to_owned()] }]).len()
    }

    #[test]
    fn only_the_owner_names_a_library() {
        assert_eq!(told("baton-engine", "datafusion"), 0);
        assert_eq!(told("baton-stats", "datafusion-common"), 1);
        assert_eq!(told("baton-server", "clap_complete"), 1);
        assert_eq!(told("baton-lake", "sorted-vector"), 0);
        assert_eq!((told("baton-connectors", "sqlx"), told("baton-lake", "sqlx")), (0, 1));
    }
}
