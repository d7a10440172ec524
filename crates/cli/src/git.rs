//! The project's git revision, read from the repository's files: no program is run.

use std::fs;
use std::path::{Path, PathBuf};

/// The commit that is checked out around `folder`; `None` outside of git and before the first commit.
pub(crate) fn revision(folder: &Path) -> Option<String> {
    let folder = fs::canonicalize(folder).ok()?;
    let repository = folder.ancestors().find_map(git_folder)?;
    let head = fs::read_to_string(repository.join("HEAD")).ok()?;
    match head.trim().strip_prefix("ref: ") {
        None => Some(head.trim().to_owned()),
        Some(reference) => read_reference(&common_folder(&repository), reference),
    }
}

/// The `.git` of a folder; in a work tree it is a file that names the place.
fn git_folder(folder: &Path) -> Option<PathBuf> {
    let path = folder.join(".git");
    if path.is_dir() {
        return Some(path);
    }
    let text = fs::read_to_string(&path).ok()?;
    Some(folder.join(text.trim().strip_prefix("gitdir: ")?))
}

/// Where references of all work trees are.
fn common_folder(repository: &Path) -> PathBuf {
    match fs::read_to_string(repository.join("commondir")) {
        Ok(text) => repository.join(text.trim()),
        Err(_) => repository.to_owned(),
    }
}

fn read_reference(repository: &Path, reference: &str) -> Option<String> {
    if let Ok(text) = fs::read_to_string(repository.join(reference)) {
        return Some(text.trim().to_owned());
    }
    let packed = fs::read_to_string(repository.join("packed-refs")).ok()?;
    let line = packed.lines().find(|line| line.ends_with(&format!(" {reference}")))?;
    line.split(' ').next().map(str::to_owned)
}
