//! Destination `file`: rows as files on this machine.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::ConnectorError;
use crate::export::{DeliveryMode, Destination, ExportTarget, Exporter, FileDelivery, Form, Layout, Shelf, UNFINISHED};

/// Files on the machine that Baton runs on, Parquet, CSV or JSON lines.
///
/// A path that ends in `.parquet`, `.csv` or `.jsonl` is one file, which each delivery replaces as a whole; it needs mode
/// `replace`. Any other path is a folder of parts with the manifest `_delivery.json`, which is written last and names the
/// files that count. With mode `upsert` parts hold changes, in the column `_operation`: `upsert` or `delete`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FileDestination {
    /// The file or folder, relative to the project or absolute: `exports/scores.csv`, `exports/scores/`.
    path: String,
    /// `parquet`, `csv` or `json`; by default the ending of a file tells, and folders get `parquet`.
    #[serde(default)]
    format: Option<String>,
}

/// The destination for files.
#[derive(Debug, Clone, Copy)]
pub struct FileExporter;

/// Layout and form of a path; `folder` is where its files are.
pub(crate) fn layout_of(
    target: &ExportTarget,
    path: &str,
    format: Option<&str>,
) -> Result<(String, Layout, Form), ConnectorError> {
    let (folder, layout) = Layout::of(path);
    let form = match format {
        Some(word) => Form::parse(word)
            .ok_or_else(|| target.wrong(&format!("`format: {word}` is unknown"), "write `parquet`, `csv` or `json`"))?,
        None => Form::by_ending(path).unwrap_or(Form::Parquet),
    };
    if layout != Layout::Folder && target.mode != DeliveryMode::Replace {
        let reason = format!("`{path}` is one file, which can only be replaced");
        return Err(target.wrong(&reason, "set `mode: replace`, or name a folder, such as `exports/scores/`"));
    }
    Ok((folder, layout, form))
}

impl FileDestination {
    fn parse(target: &ExportTarget) -> Result<(Self, PathBuf, Layout, Form), ConnectorError> {
        let options: Self = target.parse("file")?;
        let path = Path::new(&options.path);
        if path.is_relative() && path.components().any(|part| part == Component::ParentDir) {
            return Err(ConnectorError::OutsideProject { path: options.path });
        }
        let (folder, layout, form) = layout_of(target, &options.path, options.format.as_deref())?;
        let folder = if folder.is_empty() && options.path.starts_with('/') { "/".to_owned() } else { folder };
        let folder = target.root.join(folder);
        Ok((options, folder, layout, form))
    }
}

#[async_trait]
impl Exporter for FileExporter {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn options(&self) -> schemars::Schema {
        schemars::schema_for!(FileDestination)
    }

    fn examine(&self, target: &ExportTarget) -> Result<(), ConnectorError> {
        FileDestination::parse(target).map(drop)
    }

    async fn check(&self, target: &ExportTarget) -> Result<String, ConnectorError> {
        let (options, folder, _, _) = FileDestination::parse(target)?;
        let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
        let io = |source| ConnectorError::Io { path: there.display().to_string(), action: "write to", source };
        tempfile::NamedTempFile::new_in(there).map(drop).map_err(io)?;
        Ok(format!("{} can be written", options.path))
    }

    async fn open(&self, target: &ExportTarget) -> Result<Box<dyn Destination>, ConnectorError> {
        let (options, folder, layout, form) = FileDestination::parse(target)?;
        let shelf = LocalFolder { folder, name: options.path };
        Ok(Box::new(FileDelivery::new(Box::new(shelf), target, layout, form)))
    }
}

/// A folder on this machine.
struct LocalFolder {
    folder: PathBuf,
    /// As the project says it.
    name: String,
}

impl LocalFolder {
    fn failed(&self, action: &'static str, name: &str) -> impl Fn(io::Error) -> ConnectorError + use<> {
        let path = self.folder.join(name).display().to_string();
        move |source| ConnectorError::Io { path: path.clone(), action, source }
    }

    /// Writes aside, syncs, and moves into place.
    fn put_now(&self, name: &str, file: &Path) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let unfinished = self.folder.join(format!("{UNFINISHED}{name}"));
        // The file aside is for its owner alone; this one is for whom the folder is.
        let mut written = File::create(&unfinished)?;
        io::copy(&mut File::open(file)?, &mut written)?;
        written.sync_all()?;
        fs::rename(&unfinished, self.folder.join(name))?;
        File::open(&self.folder)?.sync_all()
    }
}

#[async_trait]
impl Shelf for LocalFolder {
    fn name(&self) -> String {
        format!("`{}`", self.name)
    }

    async fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, ConnectorError> {
        match fs::read(self.folder.join(name)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", name)(error)),
        }
    }

    async fn put(&mut self, name: &str, file: &Path) -> Result<(), ConnectorError> {
        self.put_now(name, file).map_err(self.failed("write", name))
    }

    async fn list(&mut self) -> Result<Vec<String>, ConnectorError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed("list", "")(error)),
        };
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect::<io::Result<_>>().map_err(self.failed("list", ""))
    }

    async fn remove(&mut self, name: &str) -> Result<(), ConnectorError> {
        match fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed("remove", name)(error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
