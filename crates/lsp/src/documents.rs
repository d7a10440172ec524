//! The texts that the editor has open, and what their addresses mean in the project's folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use lsp_types::Uri;
use url::Url;

/// Open texts by path relative to the project folder.
pub(crate) struct Documents {
    folder: PathBuf,
    unsaved: BTreeMap<String, String>,
}

impl Documents {
    /// None open yet; `folder` is the project's.
    pub(crate) fn new(folder: &Path) -> Self {
        let absolute = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Self { folder: absolute, unsaved: BTreeMap::new() }
    }

    /// Texts that stand in place of files.
    pub(crate) fn unsaved(&self) -> &BTreeMap<String, String> {
        &self.unsaved
    }

    /// Takes a text in.
    pub(crate) fn put(&mut self, uri: &Uri, text: String) {
        if let Some(file) = self.file(uri) {
            self.unsaved.insert(file, text);
        }
    }

    /// Forgets a text: from here on the file counts.
    pub(crate) fn close(&mut self, uri: &Uri) {
        if let Some(file) = self.file(uri) {
            self.unsaved.remove(&file);
        }
    }

    /// The path relative to the project folder, with `/` between parts; `None` outside of it.
    pub(crate) fn file(&self, uri: &Uri) -> Option<String> {
        let path = Url::parse(uri.as_str()).ok()?.to_file_path().ok()?;
        // The editor may name the folder through a link.
        let path = match (path.parent().and_then(|parent| parent.canonicalize().ok()), path.file_name()) {
            (Some(parent), Some(name)) => parent.join(name),
            _ => path,
        };
        let relative = path.strip_prefix(&self.folder).ok()?;
        let parts: Vec<String> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        Some(parts.join("/"))
    }

    /// The address of a file of the project.
    pub(crate) fn uri(&self, file: &str) -> Option<Uri> {
        let url = Url::from_file_path(self.folder.join(file)).ok()?;
        Uri::from_str(url.as_str()).ok()
    }
}
