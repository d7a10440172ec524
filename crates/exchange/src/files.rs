//! Where another tracker's artifacts are, and copying them.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::pin::pin;

use baton_tracking::artifact::{ArtifactError, ArtifactFile, ArtifactPath, ArtifactStore};
use bytes::Bytes;
use futures::{StreamExt as _, stream};

use crate::aside::Aside;
use crate::error::{ExchangeError, Result};
use crate::report::FileCounts;

/// Bytes that are read at a time.
const PIECE: usize = 1 << 18;

/// Names at the end of a path that tell it from those of others: experiment, run, `artifacts`.
const OWN_NAMES: usize = 3;

/// Where an artifact URI leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Into a folder that may be there.
    Folder(PathBuf),
    /// To a store that clients reach by themselves.
    Elsewhere,
    /// To a server's own folder, which nobody named.
    Unknown,
}

/// Where a tracker's artifacts are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files {
    /// The folder in which the tracker lies, for paths that are relative or not there any more.
    pub(crate) home: PathBuf,
    /// Folders that hold those of experiments, which go before what a path says: the tracker may be a copy of another one.
    pub(crate) roots: Vec<PathBuf>,
    /// The folder behind `mlflow-artifacts:/`.
    pub(crate) served: Option<PathBuf>,
}

impl Files {
    /// Where `uri` leads.
    pub(crate) fn place(&self, uri: &str) -> Place {
        if let Some(path) = uri.strip_prefix("mlflow-artifacts:") {
            // `mlflow-artifacts://host:port/path` names the server as well.
            let path = path.strip_prefix("//").map_or(path, |rest| rest.split_once('/').map_or("", |(_, path)| path));
            let path = path.trim_start_matches('/');
            return self.served.as_ref().map_or(Place::Unknown, |root| Place::Folder(root.join(path)));
        }
        let path = match uri.strip_prefix("file:") {
            Some(path) => decoded(path.strip_prefix("//").unwrap_or(path)),
            None if uri.contains("://") || is_scheme(uri) => return Place::Elsewhere,
            None => uri.to_owned(),
        };
        Place::Folder(self.moved(Path::new(&path)))
    }

    /// The same folder of the tracker itself, the folder as it is said, or, where the tracker was moved as a whole, the same folder
    /// below its new home.
    fn moved(&self, path: &Path) -> PathBuf {
        let path = if path.is_absolute() { path.to_owned() } else { self.home.join(path) };
        let names: Vec<_> = path.components().collect();
        // Not the last names alone, which are the same in every run.
        let below =
            || (1..names.len().saturating_sub(OWN_NAMES - 1)).map(|first| names[first..].iter().collect::<PathBuf>());
        let own = self.roots.iter().flat_map(|root| below().map(|below| root.join(below)));
        let said = std::iter::once(path.clone());
        let moved = below().map(|below| self.home.join(below));
        own.chain(said).chain(moved).find(|place| place.exists()).unwrap_or(path.clone())
    }
}

/// Whether it begins like `dbfs:/`, and not like a path of Windows.
fn is_scheme(uri: &str) -> bool {
    uri.split_once(":/").is_some_and(|(scheme, _)| scheme.len() > 1 && scheme.chars().all(char::is_alphanumeric))
}

/// A path of a URI, with its signs that are written as `%20`.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_no_text| path.to_owned())
}

/// Copies all files below `folder` into `artifacts`, below `target`; those that are there with the same bytes are left.
pub(crate) async fn copy_in(
    folder: &Path,
    artifacts: &ArtifactStore,
    target: &ArtifactPath,
    counts: &mut FileCounts,
    aside: &mut Aside,
) -> Result<()> {
    for (file, name) in below(folder, aside) {
        let path = match ArtifactPath::parse(&name) {
            Ok(path) => target.join(&path),
            Err(error) => {
                aside.put(file.display(), error);
                continue;
            }
        };
        match copy_file(&file, artifacts, &path).await {
            Ok(None) => counts.unchanged += 1,
            Ok(Some(bytes)) => {
                counts.copied += 1;
                counts.bytes += bytes;
            }
            Err(ExchangeError::Artifact(error @ ArtifactError::Disk { .. })) => return Err(error.into()),
            Err(error) => aside.put(file.display(), error),
        }
    }
    Ok(())
}

/// The bytes that were copied; none when they are there.
async fn copy_file(file: &Path, artifacts: &ArtifactStore, path: &ArtifactPath) -> Result<Option<u64>> {
    let failed = |reason| ExchangeError::File { action: "read", path: file.to_owned(), reason };
    let size = fs::metadata(file).map_err(failed)?.len();
    if let Ok(kept) = artifacts.get(path).await
        && kept.size() == size
        && is_same(file, kept).await.map_err(failed)?
    {
        return Ok(None);
    }
    let opened = fs::File::open(file).map_err(failed)?;
    artifacts.put(path, stream::iter(Pieces(opened)), None).await?;
    Ok(Some(size))
}

/// Whether a file has the bytes of one that was kept.
async fn is_same(file: &Path, kept: ArtifactFile) -> io::Result<bool> {
    let mut file = fs::File::open(file)?;
    let mut pieces = pin!(kept.bytes(None));
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        let mut own = vec![0; piece.len()];
        if file.read_exact(&mut own).is_err() || piece != own {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A file in pieces.
struct Pieces(fs::File);

impl Iterator for Pieces {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut piece = vec![0; PIECE];
        match self.0.read(&mut piece) {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some(Ok(piece.into()))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// Every file below `folder` with its path in it, in order; none where there is no folder. Links are not followed: they could
/// lead anywhere.
pub(crate) fn below(folder: &Path, aside: &mut Aside) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new())];
    while let Some((folder, name)) = open.pop() {
        let Some(entries) = entries(&folder, aside) else { continue };
        for (path, entry) in entries {
            let name = if name.is_empty() { entry } else { format!("{name}/{entry}") };
            match fs::symlink_metadata(&path) {
                Ok(kind) if kind.is_dir() => open.push((path, name)),
                Ok(kind) if kind.is_file() => found.push((path, name)),
                Ok(_) => aside.put(path.display(), "is neither a file nor a folder"),
                Err(error) => aside.put(path.display(), error),
            }
        }
    }
    found.sort();
    found
}

/// What is in a folder by name; none where there is no folder.
pub(crate) fn entries(folder: &Path, aside: &mut Aside) -> Option<Vec<(PathBuf, String)>> {
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            aside.put(folder.display(), error);
            return None;
        }
    };
    let mut found = Vec::new();
    for entry in read {
        let Some(entry) = aside.some(folder.display(), entry) else { continue };
        match entry.file_name().into_string() {
            Ok(name) => found.push((entry.path(), name)),
            Err(_) => aside.put(entry.path().display(), "has a name that is no text"),
        }
    }
    found.sort();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_lead_to_folders_or_elsewhere() {
        let home = tempfile::tempdir().unwrap();
        let moved = home.path().join("mlruns/1/run/artifacts");
        fs::create_dir_all(&moved).unwrap();
        // Of another program, and not what a run kept.
        fs::create_dir_all(home.path().join("artifacts")).unwrap();
        let served = Some(PathBuf::from("/served"));
        let files = Files { home: home.path().to_owned(), served, ..Files::default() };
        assert_eq!(files.place("file:///old%20place/mlruns/1/run/artifacts"), Place::Folder(moved.clone()));
        assert_eq!(files.place("/old/mlruns/1/run/artifacts"), Place::Folder(moved.clone()));
        assert_eq!(
            files.place("./mlruns/1/run/artifacts"),
            Place::Folder(home.path().join("./mlruns/1/run/artifacts"))
        );
        assert_eq!(files.place("/old/1/other/artifacts"), Place::Folder("/old/1/other/artifacts".into()));
        assert_eq!(files.place("mlflow-artifacts:/1/a/artifacts"), Place::Folder("/served/1/a/artifacts".into()));
        assert_eq!(files.place("mlflow-artifacts://host:5000/1/a"), Place::Folder("/served/1/a".into()));
        assert_eq!(Files::default().place("mlflow-artifacts:/1/a"), Place::Unknown);
        let copy = tempfile::tempdir().unwrap();
        let copied = copy.path().join("1/run/artifacts");
        fs::create_dir_all(&copied).unwrap();
        let copy = Files { roots: vec![copy.path().to_owned()], ..files.clone() };
        assert_eq!(copy.place(&moved.display().to_string()), Place::Folder(copied), "a copy has its own files");
        for uri in ["s3://bucket/1/a", "dbfs:/a", "gs://a/b"] {
            assert_eq!(files.place(uri), Place::Elsewhere, "{uri}");
        }
    }
}
