//! Which code decides what a step makes: part of every cache key, so that results of other code are not taken for ours.

/// Raised whenever Baton itself makes other rows, models or figures of the same inputs than before.
const REVISION: u32 = 1;

/// Reads deliveries and writes tables.
const ARROW: &str = "arrow 59.3.2";
/// Runs queries.
const DATAFUSION: &str = "datafusion 55.2.0";
/// Trains trees.
const HESSBOOST: &str = "hessboost 0.4.6";
/// Trains linear models.
const LINFA: &str = "linfa 0.8.1";

/// The code behind a step of this verb: our revision, and the libraries whose versions can change its output.
pub(crate) fn code_of(verb: &str) -> String {
    let libraries: &[&str] = match verb {
        "ingest" => &[ARROW],
        "train" => &[DATAFUSION, HESSBOOST, LINFA],
        _ => &[DATAFUSION],
    };
    format!("revision {REVISION}, {}", libraries.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Versions of the lock file are those of the code above: an upgrade must come to the cache's knowledge.
    #[test]
    fn libraries_are_those_of_the_lock_file() {
        let lock = include_str!("../../../../Cargo.lock");
        for library in [ARROW, DATAFUSION, HESSBOOST, LINFA] {
            let (name, version) = library.split_once(' ').unwrap();
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
            assert!(lock.contains(&entry), "{library} is not what Cargo.lock has: write the new version here");
        }
    }
}
