//! Which files a location means: a path or a glob, within the project unless it is absolute.
//!
//! Names and sizes only; no file is opened. Invariant: units are sorted by path, byte by byte.

use std::fs::{self, Metadata};
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use globset::{GlobBuilder, GlobMatcher};
use walkdir::{DirEntry, WalkDir};

use super::options::FileOptions;
use crate::{ConnectorError, DiscoverRequest, Unit};

/// Lists the files at the request's location. A glob that matches nothing is no error: files may arrive later; a
/// folder or a single file that is not there is one. Files whose name begins with `.` match only if it is spelled out.
pub(super) fn discover(request: &DiscoverRequest) -> Result<Vec<Unit>, ConnectorError> {
    let options = FileOptions::parse(&request.options)?;
    let pattern = request.location.trim_start_matches("./");
    let is_absolute = Path::new(pattern).is_absolute();
    let leads_up = Path::new(pattern).components().any(|part| part == Component::ParentDir);
    if leads_up && !is_absolute {
        return Err(ConnectorError::OutsideProject { path: pattern.to_owned() });
    }
    let mut units = Vec::new();
    for path in matching_paths(&request.root, pattern)? {
        if !is_absolute {
            check_inside(&request.root, &path)?;
        }
        units.push(unit(request, &path, &options)?);
    }
    Ok(units)
}

fn matching_paths(root: &Path, pattern: &str) -> Result<Vec<String>, ConnectorError> {
    let Some(folder) = literal_folder(pattern) else {
        check_is_file(root, pattern)?;
        return Ok(vec![pattern.to_owned()]);
    };
    let start = root.join(folder);
    if !start.is_dir() {
        let reason = "is not a folder; create it, or mend the path of the source".to_owned();
        return Err(ConnectorError::NotFound { path: folder.to_owned(), reason });
    }
    let matcher = matcher(pattern)?;
    let takes_hidden = pattern.rsplit('/').next().is_some_and(|name| name.starts_with('.'));
    let mut paths = Vec::new();
    for entry in WalkDir::new(&start).follow_links(true) {
        let entry = entry.map_err(|error| list_error(folder, error))?;
        let path = project_path(root, &entry)?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".") && !takes_hidden;
        if entry.file_type().is_file() && !is_hidden && matcher.is_match(&path) {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

/// Returns the folder before the first part with a wildcard; `None` if there is no wildcard.
pub(crate) fn literal_folder(pattern: &str) -> Option<&str> {
    let wildcard = pattern.find(['*', '?', '[', '{'])?;
    let end = pattern[..wildcard].rfind('/');
    Some(match end {
        None => "",
        Some(0) => "/",
        Some(end) => &pattern[..end],
    })
}

/// What a pattern matches; `*` stays within one folder.
pub(crate) fn matcher(pattern: &str) -> Result<GlobMatcher, ConnectorError> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher())
        .map_err(|error| ConnectorError::Pattern { pattern: pattern.to_owned(), reason: error.kind().to_string() })
}

fn check_is_file(root: &Path, path: &str) -> Result<(), ConnectorError> {
    let full_path = root.join(path);
    let reason = if full_path.is_dir() {
        format!("is a folder; write `{}/*` or a narrower pattern", path.trim_end_matches('/'))
    } else if !full_path.exists() {
        "does not exist; mend the path of the source, or use a pattern if files arrive later".to_owned()
    } else {
        return Ok(());
    };
    Err(ConnectorError::NotFound { path: path.to_owned(), reason })
}

/// Links are followed, but not out of the project.
fn check_inside(root: &Path, path: &str) -> Result<(), ConnectorError> {
    let canonical = |full_path: PathBuf| {
        full_path.canonicalize().map_err(|source| ConnectorError::Io { path: path.to_owned(), action: "open", source })
    };
    if canonical(root.join(path))?.starts_with(canonical(root.to_owned())?) {
        return Ok(());
    }
    Err(ConnectorError::OutsideProject { path: path.to_owned() })
}

fn project_path(root: &Path, entry: &DirEntry) -> Result<String, ConnectorError> {
    let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
    path.to_str().map(|path| path.replace('\\', "/")).ok_or_else(|| ConnectorError::NotFound {
        path: path.to_string_lossy().into_owned(),
        reason: "has a name that is not UTF-8; rename it".to_owned(),
    })
}

fn unit(request: &DiscoverRequest, path: &str, options: &FileOptions) -> Result<Unit, ConnectorError> {
    let format = options.file_format(path)?;
    let metadata = fs::metadata(request.root.join(path)).map_err(|source| ConnectorError::Io {
        path: path.to_owned(),
        action: "open",
        source,
    })?;
    Ok(Unit {
        root: request.root.clone(),
        path: path.to_owned(),
        size: metadata.len(),
        modified_at: modified_at(&metadata),
        format,
        remote: None,
    })
}

/// Microseconds since 1970; 0 where the file system keeps no times, negative before 1970.
fn modified_at(metadata: &Metadata) -> i64 {
    let Ok(time) = metadata.modified() else { return 0 };
    let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    time.duration_since(UNIX_EPOCH).map_or_else(|before| -micros(before.duration()), micros)
}

fn list_error(folder: &str, error: walkdir::Error) -> ConnectorError {
    let source = error.into_io_error().unwrap_or_else(|| std::io::Error::other("a link leads back to its own folder"));
    ConnectorError::Io { path: folder.to_owned(), action: "list", source }
}
