//! The environment that a run worked in, as far as the project and the process say: lock files, platform, Baton's own version.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use baton_core::Fingerprint;

/// Files that say which packages there are, of the tools that write them; the first ones are the most exact.
const LOCKS: [&str; 9] = [
    "uv.lock",
    "pylock.toml",
    "poetry.lock",
    "pdm.lock",
    "pixi.lock",
    "conda-lock.yml",
    "Pipfile.lock",
    "requirements.txt",
    "environment.yml",
];

/// The lock files of a project, those of `more` among them, by name, with a digest of what each says.
pub(crate) fn locks<'n>(folder: &Path, more: impl IntoIterator<Item = &'n str>) -> BTreeMap<String, String> {
    let digest = |name: &str| {
        let content = fs::read(folder.join(name)).ok()?;
        Some((name.to_owned(), digest_of(&content)))
    };
    LOCKS.into_iter().chain(more).filter_map(digest).collect()
}

/// The first digits of a digest, for people and tags.
pub(super) fn digest_of(content: &[u8]) -> String {
    Fingerprint::of([content]).as_str().chars().take(12).collect()
}

/// Locks in a line: `uv.lock 0123456789ab`.
pub(super) fn in_a_line(locks: &BTreeMap<String, String>) -> String {
    let each: Vec<String> = locks.iter().map(|(name, digest)| format!("{name} {digest}")).collect();
    each.join(", ")
}

/// The operating system and the processor.
pub(super) fn platform() -> String {
    format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_told_by_name_and_digest_of_their_content() {
        let folder = tempfile::tempdir().unwrap();
        assert!(locks(folder.path(), []).is_empty());
        fs::write(folder.path().join("uv.lock"), "a").unwrap();
        fs::write(folder.path().join("other.lock"), "a").unwrap();
        let first = locks(folder.path(), []);
        assert_eq!(first.keys().collect::<Vec<_>>(), ["uv.lock"]);
        fs::write(folder.path().join("uv.lock"), "b").unwrap();
        assert_ne!(locks(folder.path(), []), first);
        assert!(locks(folder.path(), ["other.lock"]).contains_key("other.lock"));
        assert_eq!(in_a_line(&first), format!("uv.lock {}", first["uv.lock"]));
    }
}
