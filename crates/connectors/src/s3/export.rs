//! Destination `s3`: rows as objects of a store.

use std::collections::BTreeMap;
use std::path::Path as FilePath;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutPayload, WriteMultipart};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::io::AsyncReadExt as _;

use super::config::{origin, store};
use super::refused;
use crate::ConnectorError;
use crate::export::{Destination, ExportTarget, Exporter, FileDelivery, Form, Layout, Shelf};
use crate::file::layout_of;

/// Objects of this size and larger are sent in parts of it.
const PART_BYTES: usize = 8 << 20;
/// Parts on their way at a time.
const PARTS_AT_ONCE: usize = 4;

/// A store that speaks the protocol of Amazon S3: `path: s3://bucket/folder/`. The same forms and layouts as `file`.
///
/// Objects are put whole; the manifest `_delivery.json` is put last. The key needs the rights to read, list, put and
/// delete below the path.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct S3Destination {
    /// `s3://bucket/folder/`, or one object: `s3://bucket/folder/scores.parquet`.
    path: String,
    /// `parquet`, `csv` or `json`; by default the ending of an object tells, and folders get `parquet`.
    #[serde(default)]
    format: Option<String>,
    /// Where the store answers, when it is not Amazon's; only with `http://` it is asked without encryption. Default:
    /// `AWS_ENDPOINT_URL`.
    #[serde(default)]
    endpoint: Option<String>,
    /// The region. Default: `AWS_REGION`, else `AWS_DEFAULT_REGION`, else `us-east-1`.
    #[serde(default)]
    region: Option<String>,
    /// The key's name, by reference. Default: `AWS_ACCESS_KEY_ID`, else what the machine is given by its cloud.
    #[serde(default)]
    access_key_id: Option<String>,
    /// The key, by reference. Default: `AWS_SECRET_ACCESS_KEY`.
    #[serde(default)]
    secret_access_key: Option<String>,
    /// The token of a key for a while, by reference. Default: `AWS_SESSION_TOKEN`.
    #[serde(default)]
    session_token: Option<String>,
    /// Whether the bucket stands in the path rather than in the host's name; default true with an `endpoint`.
    #[serde(default)]
    path_style: Option<bool>,
}

/// The destination for stores.
#[derive(Debug, Clone, Copy)]
pub struct S3Exporter;

/// What the options say.
struct Parsed {
    options: S3Destination,
    bucket: String,
    folder: String,
    layout: Layout,
    form: Form,
}

impl S3Destination {
    fn parse(target: &ExportTarget) -> Result<Parsed, ConnectorError> {
        let options: Self = target.parse("s3")?;
        let wrong = || target.wrong(&format!("`path: {}` is no place", options.path), "write `s3://bucket/folder/`");
        let (bucket, key) =
            options.path.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
        if bucket.is_empty() || key.trim_matches('/').is_empty() {
            return Err(wrong());
        }
        if options.access_key_id.is_some() != options.secret_access_key.is_some() {
            return Err(target.wrong("`access_key_id` goes with `secret_access_key`", "give both, or neither"));
        }
        let (folder, layout, form) = layout_of(target, key, options.format.as_deref())?;
        let bucket = bucket.to_owned();
        Ok(Parsed { options, bucket, folder, layout, form })
    }

    /// How the store is reached, by the names of the connector.
    fn reaching(&self) -> BTreeMap<String, String> {
        let path_style = self.path_style.map(|is_set| is_set.to_string());
        let all = [
            ("endpoint", &self.endpoint),
            ("region", &self.region),
            ("access_key_id", &self.access_key_id),
            ("secret_access_key", &self.secret_access_key),
            ("session_token", &self.session_token),
            ("path_style", &path_style),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect()
    }
}

impl Parsed {
    fn open(&self) -> Result<StoreFolder, ConnectorError> {
        let reaching = self.options.reaching();
        let origin = origin(&self.bucket, &reaching);
        let store = store(&self.bucket, &reaching).map_err(|error| refused(&origin, &error))?;
        Ok(StoreFolder { store, origin, folder: Path::from(self.folder.as_str()) })
    }
}

#[async_trait]
impl Exporter for S3Exporter {
    fn kind(&self) -> &'static str {
        "s3"
    }

    fn options(&self) -> schemars::Schema {
        schemars::schema_for!(S3Destination)
    }

    fn incidental(&self) -> &'static [&'static str] {
        &["access_key_id", "secret_access_key", "session_token", "path_style"]
    }

    fn usual_variables(&self, given: &Map<String, Value>) -> Vec<(&'static str, &'static str)> {
        super::usual_variables(given.contains_key("access_key_id"))
    }

    fn examine(&self, target: &ExportTarget) -> Result<(), ConnectorError> {
        S3Destination::parse(target).map(drop)
    }

    async fn check(&self, target: &ExportTarget) -> Result<String, ConnectorError> {
        let mut folder = S3Destination::parse(target)?.open()?;
        let there = folder.list().await?;
        Ok(format!("{}: {} objects are there", folder.name(), there.len()))
    }

    async fn open(&self, target: &ExportTarget) -> Result<Box<dyn Destination>, ConnectorError> {
        let parsed = S3Destination::parse(target)?;
        let shelf = Box::new(parsed.open()?);
        Ok(Box::new(FileDelivery::new(shelf, target, parsed.layout, parsed.form)))
    }
}

/// A folder of a bucket.
struct StoreFolder {
    store: AmazonS3,
    origin: String,
    folder: Path,
}

impl StoreFolder {
    fn path(&self, name: &str) -> Path {
        self.folder.clone().join(name)
    }

    async fn put_in_parts(&self, path: &Path, file: &mut tokio::fs::File) -> Result<(), ConnectorError> {
        let failed = |error: object_store::Error| refused(&self.origin, &error);
        let upload = self.store.put_multipart(path).await.map_err(failed)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let mut piece = vec![0; PART_BYTES];
        loop {
            let length = file.read(&mut piece).await.map_err(|source| self.unreadable(source))?;
            if length == 0 {
                break;
            }
            upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(failed)?;
            upload.write(&piece[..length]);
        }
        upload.finish().await.map(drop).map_err(failed)
    }

    fn unreadable(&self, source: std::io::Error) -> ConnectorError {
        ConnectorError::Io { path: format!("what goes to {}", self.origin), action: "read", source }
    }
}

#[async_trait]
impl Shelf for StoreFolder {
    fn name(&self) -> String {
        format!("{}, folder {}", self.origin, self.folder)
    }

    async fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, ConnectorError> {
        let found = match self.store.get(&self.path(name)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(refused(&self.origin, &error)),
        };
        let content = found.bytes().await.map_err(|error| refused(&self.origin, &error))?;
        Ok(Some(content.to_vec()))
    }

    async fn put(&mut self, name: &str, file: &FilePath) -> Result<(), ConnectorError> {
        let path = self.path(name);
        let mut file = tokio::fs::File::open(file).await.map_err(|source| self.unreadable(source))?;
        let size = file.metadata().await.map_err(|source| self.unreadable(source))?.len();
        if size >= PART_BYTES as u64 {
            return self.put_in_parts(&path, &mut file).await;
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content).await.map_err(|source| self.unreadable(source))?;
        let put = self.store.put(&path, PutPayload::from(content)).await;
        put.map(drop).map_err(|error| refused(&self.origin, &error))
    }

    async fn list(&mut self) -> Result<Vec<String>, ConnectorError> {
        let listed = self.store.list(Some(&self.folder));
        let found: Vec<_> = listed.try_collect().await.map_err(|error| refused(&self.origin, &error))?;
        let is_here = |location: &Path| {
            location.prefix_matches(&self.folder) && location.parts().count() == self.folder.parts().count() + 1
        };
        let here = found.iter().filter(|object| is_here(&object.location));
        Ok(here.filter_map(|object| object.location.filename().map(str::to_owned)).collect())
    }

    async fn remove(&mut self, name: &str) -> Result<(), ConnectorError> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(refused(&self.origin, &error)),
        }
    }
}

#[cfg(test)]
mod tests;
