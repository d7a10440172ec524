//! The repository as this tool sees it: its files, and the crates with what they depend on.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::process;

/// The folder that holds the workspace.
pub(crate) struct Repository {
    root: PathBuf,
}

/// A crate of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    /// Its name, for example `baton-core`.
    pub(crate) name: String,
    /// The names of the crates that it is built from; those that only its tests need are left out.
    pub(crate) dependencies: Vec<String>,
}

impl Repository {
    /// The repository that this tool was built from.
    pub(crate) fn here() -> Self {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { root: own.parent().unwrap_or(own).to_path_buf() }
    }

    /// A path in the repository, made absolute.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A command that starts in the repository's folder.
    pub(crate) fn in_root(&self, mut command: Command) -> Command {
        command.current_dir(&self.root);
        command
    }

    /// Every file that is kept or would be kept on the next `git add`, as relative path, sorted.
    pub(crate) fn files(&self) -> Outcome<Vec<String>> {
        let mut git = self.in_root(Command::new("git"));
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listed = process::capture(&mut git)?;
        let mut files: Vec<_> = listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
        files.sort();
        files.dedup();
        files.retain(|path| self.path(path).is_file());
        Ok(files)
    }

    /// The text of a file, or nothing when it is not text.
    pub(crate) fn text(&self, relative: &str) -> Outcome<Option<String>> {
        let path = self.path(relative);
        let bytes = std::fs::read(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        Ok(String::from_utf8(bytes).ok())
    }

    /// The crates of the workspace.
    pub(crate) fn packages(&self) -> Outcome<Vec<Package>> {
        let metadata = self.metadata()?;
        let packages = metadata["packages"].as_array();
        let packages = packages.ok_or_else(|| Failure::Message("`cargo metadata` lists no packages".to_owned()))?;
        Ok(packages.iter().map(package).collect())
    }

    /// Where `cargo` puts what it builds.
    pub(crate) fn target_folder(&self) -> Outcome<PathBuf> {
        let metadata = self.metadata()?;
        let folder = metadata["target_directory"].as_str().map(PathBuf::from);
        folder.ok_or_else(|| Failure::Message("`cargo metadata` names no target folder".to_owned()))
    }

    fn metadata(&self) -> Outcome<Value> {
        let mut cargo = self.in_root(process::cargo());
        let text = process::capture(cargo.args(["metadata", "--no-deps", "--format-version", "1"]))?;
        serde_json::from_str(&text).map_err(|error| format!("`cargo metadata` is not JSON: {error}").into())
    }
}

fn package(described: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let dependencies = described["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
    let built_from = dependencies.iter().filter(|dependency| dependency["kind"] != "dev");
    let dependencies = built_from.map(|dependency| text(&dependency["name"])).collect();
    Package { name: text(&described["name"]), dependencies }
}
