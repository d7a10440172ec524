//! Connector `s3`: files in a store that speaks the protocol of Amazon S3, found by glob and read as connector `file` reads.
//!
//! A unit is one object, known by entity tag and size, which a listing brings: nothing is read to know what is new. To be
//! read it is copied to a temporary file, piece by piece, and only in the state that was listed.

mod config;
mod export;
mod folder;

use std::collections::BTreeMap;
use std::future::Future;
use std::io::Write as _;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use futures::TryStreamExt as _;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore as _, ObjectStoreExt as _};

use crate::connector::Remote;
use crate::file::{FileOptions, literal_folder, matcher};
use crate::{Connector, ConnectorError, Contract, DiscoverRequest, FileConnector, ReadReport, Unit};
use config::{Place, READING, S3Options, origin, store};

pub use export::S3Exporter;
pub use folder::{BucketFolder, bucket_folder};

/// The connector for stores of objects.
#[derive(Debug, Clone, Copy)]
pub struct S3Connector;

impl Connector for S3Connector {
    fn kind(&self) -> &'static str {
        "s3"
    }

    fn options(&self) -> Option<schemars::Schema> {
        Some(schemars::schema_for!(S3Options))
    }

    fn incidental(&self) -> &'static [&'static str] {
        &["access_key_id", "secret_access_key", "session_token", "anonymous", "path_style", "region"]
    }

    fn usual_variables(&self, given: &BTreeMap<String, String>) -> Vec<(&'static str, &'static str)> {
        usual_variables(["access_key_id", "anonymous"].iter().any(|name| given.contains_key(*name)))
    }

    fn check(&self, request: &DiscoverRequest) -> Result<Option<String>, ConnectorError> {
        let units = self.discover(request)?;
        let bytes: u64 = units.iter().map(|unit| unit.size).sum();
        let place = Place::parse(&request.location)?;
        let origin = origin(&place.bucket, &request.options);
        Ok(Some(format!("{origin}: {} objects match, {} MiB", units.len(), bytes >> 20)))
    }

    fn discover(&self, request: &DiscoverRequest) -> Result<Vec<Unit>, ConnectorError> {
        config::examine(request)?;
        let place = Place::parse(&request.location)?;
        let read = FileOptions::parse(&reading(&request.options))?;
        let bucket = Bucket::open(&place.bucket, &request.options)?;
        let options = Arc::new(request.options.clone());
        let mut units = Vec::new();
        for object in bucket.objects(&place.pattern)? {
            let path = format!("s3://{}/{}", place.bucket, object.location);
            units.push(Unit {
                root: request.root.clone(),
                size: object.size,
                modified_at: object.last_modified.timestamp_micros(),
                format: read.file_format(&path)?,
                remote: Some(Remote { options: Arc::clone(&options), tag: object.e_tag, copy: None }),
                path,
            });
        }
        units.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Ok(units)
    }

    /// Hashes what tells one state of an object from another; its content stays where it is.
    fn fingerprint(&self, unit: &Unit) -> Result<String, ConnectorError> {
        unit.fingerprint_as_listed().ok_or_else(|| ConnectorError::NotFound {
            path: unit.path.clone(),
            reason: "was not listed; list it first".to_owned(),
        })
    }

    fn read(
        &self,
        unit: &Unit,
        contract: &Contract,
        sink: &mut dyn FnMut(RecordBatch) -> Result<(), ConnectorError>,
    ) -> Result<ReadReport, ConnectorError> {
        let place = Place::parse(&unit.path)?;
        let Some(remote) = &unit.remote else {
            return self.fingerprint(unit).and(Err(ConnectorError::ChangedWhileReading { path: unit.path.clone() }));
        };
        let bucket = Bucket::open(&place.bucket, &remote.options)?;
        let copy = bucket.copy(unit, &place.pattern, remote.tag.clone())?;
        let remote = Remote { copy: Some(copy.path().to_owned()), ..remote.clone() };
        let contract = Contract { options: reading(&remote.options), ..contract.clone() };
        FileConnector.read(&Unit { remote: Some(remote), ..unit.clone() }, &contract, sink)
    }
}

/// Variables that stand for options which are not given.
fn usual_variables(has_key: bool) -> Vec<(&'static str, &'static str)> {
    let place = [("endpoint", "AWS_ENDPOINT_URL"), ("region", "AWS_REGION"), ("region", "AWS_DEFAULT_REGION")].to_vec();
    // A key that is given does not go with the token of another one.
    if has_key {
        return place;
    }
    let key = [
        ("access_key_id", "AWS_ACCESS_KEY_ID"),
        ("secret_access_key", "AWS_SECRET_ACCESS_KEY"),
        ("session_token", "AWS_SESSION_TOKEN"),
    ];
    place.into_iter().chain(key).collect()
}

/// The options that say how files are read.
fn reading(options: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_reading = |(name, _): &(&String, &String)| READING.contains(&name.as_str());
    options.iter().filter(is_reading).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A bucket, and what messages call it.
struct Bucket {
    store: AmazonS3,
    origin: String,
}

impl Bucket {
    fn open(bucket: &str, options: &BTreeMap<String, String>) -> Result<Self, ConnectorError> {
        let origin = origin(bucket, options);
        let opened = store(bucket, options);
        let store = opened.map_err(|error| refused(&origin, &error))?;
        Ok(Self { store, origin })
    }

    /// The objects that a key or glob means. A glob that matches nothing is no error: files may arrive later.
    fn objects(&self, pattern: &str) -> Result<Vec<ObjectMeta>, ConnectorError> {
        let Some(folder) = literal_folder(pattern) else {
            let key = Path::from(pattern);
            return Ok(vec![self.wait_for(self.store.head(&key))?]);
        };
        let (matcher, prefix) = (matcher(pattern)?, Path::from(folder));
        let takes_hidden = pattern.rsplit('/').next().is_some_and(|name| name.starts_with('.'));
        let is_meant = |object: &ObjectMeta| {
            let is_hidden = object.location.filename().is_some_and(|name| name.starts_with('.'));
            matcher.is_match(object.location.as_ref()) && (takes_hidden || !is_hidden)
        };
        // The store answers page after page; only what matches is kept.
        let listed = self.store.list(Some(&prefix)).try_filter(|object| futures::future::ready(is_meant(object)));
        self.wait_for(listed.try_collect())
    }

    /// Copies an object in the state that was listed.
    fn copy(&self, unit: &Unit, key: &str, listed: Option<String>) -> Result<tempfile::NamedTempFile, ConnectorError> {
        let io = |source| ConnectorError::Io { path: unit.path.clone(), action: "copy", source };
        let file = tempfile::NamedTempFile::new().map_err(io)?;
        let key = Path::from(key);
        let copying = async {
            let options = GetOptions { if_match: listed, ..GetOptions::default() };
            let mut pieces = self.store.get_opts(&key, options).await?.into_stream();
            while let Some(piece) = pieces.try_next().await? {
                file.as_file()
                    .write_all(&piece)
                    .map_err(|error| object_store::Error::Generic { store: "temporary file", source: error.into() })?;
            }
            Ok(())
        };
        match self.wait_for_answer(copying)? {
            Ok(()) => Ok(file),
            Err(object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. }) => {
                Err(ConnectorError::ChangedWhileReading { path: unit.path.clone() })
            }
            Err(error) => Err(refused(&self.origin, &error)),
        }
    }

    fn wait_for<T: Send>(
        &self,
        answer: impl Future<Output = Result<T, object_store::Error>> + Send,
    ) -> Result<T, ConnectorError> {
        self.wait_for_answer(answer)?.map_err(|error| refused(&self.origin, &error))
    }

    /// Waits on a thread of its own: the caller's may be one that must not block, or belong to another runtime.
    fn wait_for_answer<T: Send>(&self, answer: impl Future<Output = T> + Send) -> Result<T, ConnectorError> {
        let broken = |reason: String| ConnectorError::Origin {
            origin: self.origin.clone(),
            reason,
            hint: "run again".to_owned(),
            is_transient: true,
        };
        let waiting = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(answer))
        };
        let waited = std::thread::scope(|scope| scope.spawn(waiting).join());
        let waited = waited.map_err(|_| broken("could not be asked: its client gave up".to_owned()))?;
        waited.map_err(|error| broken(format!("cannot be asked: {error}")))
    }
}

/// A refusal in words.
fn refused(origin: &str, error: &object_store::Error) -> ConnectorError {
    let told = error.to_string();
    let has = |part: &str| told.contains(part);
    let (reason, hint, is_transient) = match error {
        _ if has("NoSuchBucket") => ("has no such bucket".to_owned(), "mend `path`, or `endpoint` and `region`", false),
        object_store::Error::NotFound { path, .. } => (format!("has no object `{path}`"), "mend `path`", false),
        _ if has("InvalidAccessKeyId") || has("SignatureDoesNotMatch") || has("403") || has("AccessDenied") => {
            let hint = "mend `access_key_id` and `secret_access_key`, or what they may do";
            (format!("refuses: {}", first_line(&told)), hint, false)
        }
        object_store::Error::Unauthenticated { .. } | object_store::Error::PermissionDenied { .. } => {
            (format!("refuses: {}", first_line(&told)), "mend the key, or what it may do", false)
        }
        _ => (
            format!("cannot be asked: {}", first_line(&told)),
            "look whether `endpoint` and `region` lead there, and whether a key is given",
            true,
        ),
    };
    ConnectorError::Origin { origin: origin.to_owned(), reason, hint: hint.to_owned(), is_transient }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
