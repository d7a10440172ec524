//! Files kept by their content, beside the tables: models, cards, plots.
//!
//! `<warehouse>/artifacts/<digest>/<relative name>`. A set of files appears whole or not at all, never changes, and is
//! checked against its digest when it is read.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Component, Path, PathBuf};

use baton_core::failpoint;

use crate::error::LakeError;
use crate::store::{create_folder, sync_folder};

/// The artifacts of one warehouse.
#[derive(Debug, Clone)]
pub struct Artifacts {
    root: PathBuf,
    staging: PathBuf,
}

impl Artifacts {
    pub(crate) fn new(warehouse: &Path) -> Self {
        Self { root: warehouse.join("artifacts"), staging: warehouse.join(".staging") }
    }

    /// Stores `files` (content by relative name, `/` between folders) and returns their digest: the BLAKE3 hash, in
    /// hex, of names and contents. What is there already is not written again.
    pub async fn put(&self, files: BTreeMap<String, Vec<u8>>) -> Result<String, LakeError> {
        files.keys().try_for_each(|name| check_name(name))?;
        let digest = digest_of(&files);
        let (target, temporary) =
            (self.root.join(&digest), self.staging.join(uuid::Uuid::new_v4().simple().to_string()));
        let path = target.display().to_string();
        let written = tokio::task::spawn_blocking(move || put(&files, &temporary, &target)).await;
        match written {
            Ok(Ok(())) => Ok(digest),
            Ok(Err(error)) => Err(LakeError::write(path, &error)),
            Err(error) => Err(LakeError::write(path, &error)),
        }
    }

    /// The files of `digest`, by relative name.
    pub async fn get(&self, digest: &str) -> Result<BTreeMap<String, Vec<u8>>, LakeError> {
        let folder = self.folder(digest)?;
        let path = folder.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut files = BTreeMap::new();
            read_below(&path, &path, &mut files).map(|()| files)
        });
        let files = match read.await {
            Ok(Ok(files)) => files,
            Ok(Err(error)) => return Err(LakeError::read(folder.display(), &error)),
            Err(error) => return Err(LakeError::read(folder.display(), &error)),
        };
        if digest_of(&files) == digest {
            return Ok(files);
        }
        Err(LakeError::corrupt(&folder, "its files do not match the digest in its name"))
    }

    /// Where the files of `digest` are, for runtimes that open files themselves. Does not look whether they are.
    pub fn folder(&self, digest: &str) -> Result<PathBuf, LakeError> {
        if digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(self.root.join(digest));
        }
        Err(LakeError::Name { name: digest.to_owned(), reason: "a digest is 64 hex digits".to_owned() })
    }
}

fn check_name(name: &str) -> Result<(), LakeError> {
    let plain = !name.contains(['\\', '\0']) && !name.contains("//") && !name.ends_with('/');
    let mut components = Path::new(name).components();
    let below = !name.is_empty() && components.all(|component| matches!(component, Component::Normal(_)));
    if plain && below && !name.split('/').any(|part| part == ".") {
        return Ok(());
    }
    Err(LakeError::Name {
        name: name.to_owned(),
        reason: "an artifact's name is a relative path without `..`".to_owned(),
    })
}

/// Names and contents in order of names, each framed by its length.
fn digest_of(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, content) in files {
        for part in [name.as_bytes(), content] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    hasher.finalize().to_hex().to_string()
}

fn put(files: &BTreeMap<String, Vec<u8>>, temporary: &Path, target: &Path) -> io::Result<()> {
    if target.is_dir() {
        return Ok(());
    }
    let parent = target.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let moved =
        write_all(files, temporary).and_then(|()| create_folder(parent)).and_then(|()| fs::rename(temporary, target));
    if let Err(error) = moved {
        // The first error is the one to tell; a leftover temporary folder is harmless.
        let _removed = fs::remove_dir_all(temporary);
        // Somebody else put the same content first.
        return if target.is_dir() { Ok(()) } else { Err(error) };
    }
    failpoint::reach("lake.artifact_written");
    sync_folder(parent)
}

fn write_all(files: &BTreeMap<String, Vec<u8>>, folder: &Path) -> io::Result<()> {
    create_folder(folder)?;
    for (name, content) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        create_folder(parent)?;
        let mut file = File::create(&path)?;
        file.write_all(content)?;
        file.sync_all()?;
        sync_folder(parent)?;
    }
    Ok(())
}

fn read_below(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_below(root, &path, files)?;
        } else {
            let relative = path.strip_prefix(root).map_err(io::Error::other)?;
            files.insert(relative.to_string_lossy().into_owned(), fs::read(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(content: &[u8]) -> BTreeMap<String, Vec<u8>> {
        BTreeMap::from([("model.ubj".to_owned(), content.to_vec()), ("card/card.md".to_owned(), b"# card".to_vec())])
    }

    #[tokio::test]
    async fn files_come_back_under_a_digest_of_their_content() {
        let warehouse = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(warehouse.path());
        let digest = artifacts.put(files(b"trees")).await.unwrap();
        assert_eq!(artifacts.get(&digest).await.unwrap(), files(b"trees"));
        assert_eq!(artifacts.put(files(b"trees")).await.unwrap(), digest);
        assert_ne!(artifacts.put(files(b"other")).await.unwrap(), digest);
        assert_eq!(fs::read_dir(warehouse.path().join(".staging")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_changed_file_is_noticed() {
        let warehouse = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(warehouse.path());
        let digest = artifacts.put(files(b"trees")).await.unwrap();
        fs::write(artifacts.folder(&digest).unwrap().join("model.ubj"), b"forged").unwrap();
        let error = artifacts.get(&digest).await.unwrap_err();
        assert!(matches!(error, LakeError::Corrupt { .. }), "{error}");
    }

    #[tokio::test]
    async fn names_stay_below_the_warehouse() {
        let warehouse = tempfile::tempdir().unwrap();
        let artifacts = Artifacts::new(warehouse.path());
        for name in ["../x", "/etc/x", "a/../../x", "", "a//b", "a\\b", "./a", "a/"] {
            let put = artifacts.put(BTreeMap::from([(name.to_owned(), Vec::new())])).await;
            assert!(matches!(put, Err(LakeError::Name { .. })), "{name}");
        }
        assert!(artifacts.get("../../etc").await.is_err());
    }
}
