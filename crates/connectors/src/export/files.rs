//! Deliveries as files: parts under names of their own, and a manifest that says which of them count, written last.
//!
//! What is not in the manifest does not count. So a delivery that was killed leaves nothing but files that the next one
//! takes away, and readers that go by the manifest see one version whole. A single file is replaced at once instead.

use std::collections::BTreeSet;
use std::path::Path;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::parts::{Form, Parts};
use super::{Change, Delivery, DeliveryMode, Destination, ExportTarget, Mark, Sent};
use crate::ConnectorError;

/// The manifest of a folder.
const MANIFEST: &str = "_delivery.json";
/// What the names of parts begin with.
const PART: &str = "delivery-";
/// What the names of files begin with that are still being written.
pub(crate) const UNFINISHED: &str = ".delivery-";

/// Where files are put.
#[async_trait]
pub(crate) trait Shelf: Send {
    /// What messages call it.
    fn name(&self) -> String;

    /// The content of a small file; `None` when it is not there.
    async fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, ConnectorError>;

    /// Puts a file there under a name: whole or not at all, and durably.
    async fn put(&mut self, name: &str, file: &Path) -> Result<(), ConnectorError>;

    /// The names of files that are there, without those in folders below.
    async fn list(&mut self) -> Result<Vec<String>, ConnectorError>;

    /// Takes a file away; one that is not there is fine.
    async fn remove(&mut self, name: &str) -> Result<(), ConnectorError>;
}

/// One file, or a folder of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A file of this name, which is replaced.
    File(String),
    /// Parts, and a manifest.
    Folder,
}

impl Layout {
    /// Folder and layout of a path: what ends in `/` or has no ending of a known form is a folder.
    pub(crate) fn of(path: &str) -> (String, Self) {
        if path.ends_with('/') || Form::by_ending(path).is_none() {
            return (path.trim_end_matches('/').to_owned(), Self::Folder);
        }
        match path.rsplit_once('/') {
            Some((folder, name)) => (folder.to_owned(), Self::File(name.to_owned())),
            None => (String::new(), Self::File(path.to_owned())),
        }
    }

    fn manifest(&self) -> String {
        match self {
            Self::File(name) => format!("{name}{MANIFEST}"),
            Self::Folder => MANIFEST.to_owned(),
        }
    }
}

/// A file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Listed {
    name: String,
    rows: u64,
}

/// Which files count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    /// Whose they are.
    export: String,
    /// Counts up with every delivery.
    sequence: u64,
    #[serde(flatten)]
    mark: Mark,
    /// In the order in which they were delivered.
    files: Vec<Listed>,
}

/// Files during a delivery.
pub(crate) struct FileDelivery {
    shelf: Box<dyn Shelf>,
    target: ExportTarget,
    layout: Layout,
    form: Form,
    before: Option<Manifest>,
    delivery: Option<Delivery>,
    parts: Option<Parts>,
    next: Option<Manifest>,
    rows: u64,
}

impl FileDelivery {
    pub(crate) fn new(shelf: Box<dyn Shelf>, target: &ExportTarget, layout: Layout, form: Form) -> Self {
        let target = target.clone();
        Self { shelf, target, layout, form, before: None, delivery: None, parts: None, next: None, rows: 0 }
    }

    async fn manifest(&mut self) -> Result<Option<Manifest>, ConnectorError> {
        let Some(content) = self.shelf.read(&self.layout.manifest()).await? else { return Ok(None) };
        let place = self.shelf.name();
        let read = serde_json::from_slice(&content).map_err(|error| ConnectorError::Broken {
            path: format!("{place}/{}", self.layout.manifest()),
            row: None,
            column: None,
            reason: format!("is no manifest of deliveries: {error}"),
            hint: "take it away together with the files beside it, then everything is delivered again".to_owned(),
        })?;
        Ok(Some(read))
    }

    /// The name of a part: in order, and always the same for the same delivery.
    fn part_name(&self, sequence: u64, delivery: &Delivery, number: usize) -> String {
        match &self.layout {
            Layout::File(name) => name.clone(),
            Layout::Folder => {
                format!("{PART}{sequence:08}-{}-{number:05}.{}", delivery.mark.delivery, self.form.ending())
            }
        }
    }

    /// Whether the rows that are there stand on.
    fn keeps(&self, delivery: &Delivery) -> bool {
        self.layout == Layout::Folder && self.target.mode != DeliveryMode::Replace && !delivery.whole
    }

    /// Puts the finished parts there.
    async fn put_parts(&mut self, delivery: &Delivery, parts: Parts) -> Result<Manifest, ConnectorError> {
        let sequence = self.before.as_ref().map_or(0, |before| before.sequence) + 1;
        let mut files = match &self.before {
            Some(before) if self.keeps(delivery) => before.files.clone(),
            _ => Vec::new(),
        };
        for (number, (file, rows)) in parts.finish()?.into_iter().enumerate() {
            let name = self.part_name(sequence, delivery, number);
            // A single file takes the place of the one that is there; the same rows come again where the manifest does not.
            self.shelf.put(&name, file.path()).await?;
            files.push(Listed { name, rows });
        }
        Ok(Manifest { export: self.target.identity.clone(), sequence, mark: delivery.mark.clone(), files })
    }

    async fn write_manifest(&mut self, manifest: &Manifest) -> Result<(), ConnectorError> {
        let text = serde_json::to_vec_pretty(manifest).map_err(ConnectorError::sink)?;
        let path = self.layout.manifest();
        let io = |source| ConnectorError::Io { path: path.clone(), action: "write", source };
        let file = tempfile::NamedTempFile::new().map_err(io)?;
        std::fs::write(file.path(), text).map_err(io)?;
        self.shelf.put(&path, file.path()).await
    }

    /// Takes away what earlier deliveries left that does not count.
    async fn remove_leftovers(&mut self, manifest: Option<&Manifest>) -> Result<(), ConnectorError> {
        if self.layout != Layout::Folder {
            return Ok(());
        }
        let listed: BTreeSet<&str> =
            manifest.iter().flat_map(|manifest| &manifest.files).map(|file| file.name.as_str()).collect();
        for name in self.shelf.list().await? {
            let is_part = name.starts_with(PART) || name.starts_with(UNFINISHED);
            if is_part && !listed.contains(name.as_str()) {
                self.shelf.remove(&name).await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Destination for FileDelivery {
    async fn mark(&mut self) -> Result<Option<Mark>, ConnectorError> {
        let found = self.manifest().await?;
        if let Layout::File(name) = self.layout.clone()
            && !self.shelf.list().await?.contains(&name)
        {
            // Somebody took the file away.
            return Ok(None);
        }
        Ok(found.filter(|manifest| manifest.export == self.target.identity).map(|manifest| manifest.mark))
    }

    async fn tidy(&mut self) -> Result<(), ConnectorError> {
        let manifest = self.manifest().await?;
        if manifest.as_ref().is_some_and(|manifest| manifest.export == self.target.identity) {
            self.remove_leftovers(manifest.as_ref()).await?;
        }
        Ok(())
    }

    async fn begin(&mut self, delivery: &Delivery) -> Result<(), ConnectorError> {
        self.before = self.manifest().await?;
        if let Some(other) = self.before.as_ref().filter(|before| before.export != self.target.identity) {
            let conflict = format!("it holds what `{}` delivers: choose another `path`", other.export);
            self.target.conflicts(&self.shelf.name(), vec![conflict])?;
        }
        let before = self.before.clone();
        self.remove_leftovers(before.as_ref()).await?;
        let says_operation = self.target.mode == DeliveryMode::Upsert;
        let is_one = self.layout != Layout::Folder;
        self.parts = Some(Parts::new(self.form, &delivery.schema, says_operation, is_one)?);
        self.delivery = Some(delivery.clone());
        Ok(())
    }

    async fn send(&mut self, change: Change, rows: &RecordBatch) -> Result<(), ConnectorError> {
        self.rows += rows.num_rows() as u64;
        match &mut self.parts {
            Some(parts) => parts.write(change, rows),
            None => Ok(()),
        }
    }

    async fn seal(&mut self) -> Result<(), ConnectorError> {
        let (Some(delivery), Some(parts)) = (self.delivery.clone(), self.parts.take()) else { return Ok(()) };
        self.next = Some(self.put_parts(&delivery, parts).await?);
        Ok(())
    }

    async fn publish(&mut self) -> Result<Sent, ConnectorError> {
        if let Some(next) = self.next.take() {
            if self.manifest().await? != self.before {
                return Err(self.target.overtaken(&self.shelf.name()));
            }
            self.write_manifest(&next).await?;
            self.before = Some(next);
        }
        Ok(Sent { rows: self.rows, ..Sent::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_the_ending_of_a_form_is_a_file() {
        assert_eq!(Layout::of("out/scores.csv"), ("out".to_owned(), Layout::File("scores.csv".to_owned())));
        assert_eq!(Layout::of("out/scores/"), ("out/scores".to_owned(), Layout::Folder));
        assert_eq!(Layout::of("out/v1.2"), ("out/v1.2".to_owned(), Layout::Folder));
        assert_eq!(Layout::of("scores.parquet"), (String::new(), Layout::File("scores.parquet".to_owned())));
    }
}
