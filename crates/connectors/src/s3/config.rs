//! The options of connector `s3`; its doc comments are the reference documentation.

use std::collections::BTreeMap;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use schemars::JsonSchema;

use crate::{ConnectorError, DiscoverRequest};

/// How long a request may be tried again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Files in a store that speaks the protocol of Amazon S3: `path: s3://bucket/folder/*.parquet`. The same formats as
/// `file`; an object is landed once, and again when it has changed.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "its doc comments are the documentation; options come as texts by name")]
pub(super) struct S3Options {
    /// Where the store answers, when it is not Amazon's; only with `http://` it is asked without encryption. Default:
    /// `AWS_ENDPOINT_URL`.
    endpoint: Option<String>,
    /// The region. Default: `AWS_REGION`, else `AWS_DEFAULT_REGION`, else `us-east-1`.
    region: Option<String>,
    /// The key's name. Default: `AWS_ACCESS_KEY_ID`, else what the machine is given by its cloud.
    access_key_id: Option<String>,
    /// The key. Default: `AWS_SECRET_ACCESS_KEY`.
    secret_access_key: Option<String>,
    /// The token of a key for a while. Default: `AWS_SESSION_TOKEN`.
    session_token: Option<String>,
    /// Whether anybody may read, so that requests are not signed; default false.
    anonymous: Option<bool>,
    /// Whether the bucket stands in the path rather than in the host's name; default true with an `endpoint`.
    path_style: Option<bool>,
    /// `parquet`, `csv` or `json`; by default the ending of each name tells.
    format: Option<String>,
    /// `none`, `gzip` or `zstd`; by default the ending of each name tells.
    compression: Option<String>,
    /// What stands between the fields of CSV: one character or `tab`.
    delimiter: Option<String>,
    /// Whether the first record of CSV names the columns; default true.
    header: Option<bool>,
}

/// Options that say how files are read, as connector `file` knows them.
pub(super) const READING: &[&str] = &["format", "compression", "delimiter", "header"];
/// Options that say how the store is reached.
const REACHING: &[&str] =
    &["endpoint", "region", "access_key_id", "secret_access_key", "session_token", "anonymous", "path_style"];

/// Where objects are.
pub(super) struct Place {
    pub(super) bucket: String,
    /// The key or glob.
    pub(super) pattern: String,
}

impl Place {
    /// Takes `s3://bucket/pattern` apart.
    pub(super) fn parse(location: &str) -> Result<Self, ConnectorError> {
        let wrong = |reason: &str| ConnectorError::Option {
            name: "path".to_owned(),
            value: location.to_owned(),
            reason: reason.to_owned(),
        };
        let rest = location.strip_prefix("s3://").ok_or_else(|| wrong("is not `s3://bucket/folder/*.parquet`"))?;
        match rest.split_once('/') {
            Some((bucket, pattern)) if !bucket.is_empty() && !pattern.is_empty() => {
                Ok(Self { bucket: bucket.to_owned(), pattern: pattern.to_owned() })
            }
            _ => Err(wrong("needs a bucket and what to read in it, such as `s3://bucket/*.csv`")),
        }
    }
}

/// Looks at the options without connecting.
pub(super) fn examine(request: &DiscoverRequest) -> Result<(), ConnectorError> {
    Place::parse(&request.location)?;
    for (name, value) in &request.options {
        let wrong = |reason: String| ConnectorError::Option { name: name.clone(), value: "…".to_owned(), reason };
        if !REACHING.contains(&name.as_str()) && !READING.contains(&name.as_str()) {
            let known = REACHING.iter().chain(READING).copied().collect::<Vec<_>>().join(", ");
            return Err(wrong(format!("is unknown to connector `s3`; it knows {known}")));
        }
        let is_flag = ["anonymous", "path_style"].contains(&name.as_str());
        if is_flag && !["true", "false"].contains(&value.as_str()) {
            return Err(wrong("is not true or false".to_owned()));
        }
        if name == "endpoint" && !value.starts_with("${") && !value.starts_with("http") {
            return Err(wrong("does not begin with `https://` or `http://`".to_owned()));
        }
    }
    let has = |name: &str| request.options.contains_key(name);
    if has("access_key_id") != has("secret_access_key") {
        return Err(ConnectorError::Option {
            name: "access_key_id".to_owned(),
            value: "…".to_owned(),
            reason: "goes with `secret_access_key`".to_owned(),
        });
    }
    Ok(())
}

/// What messages call a bucket.
pub(super) fn origin(bucket: &str, options: &BTreeMap<String, String>) -> String {
    match options.get("endpoint") {
        // An endpoint may hold who asks; its host does not.
        Some(endpoint) => {
            let host = endpoint.rsplit_once('@').map_or_else(
                || endpoint.split_once("://").map_or(endpoint.as_str(), |(_, host)| host),
                |(_, host)| host,
            );
            format!("s3 at {}, bucket {bucket}", host.trim_end_matches('/'))
        }
        None => format!("s3, bucket {bucket}"),
    }
}

/// The store of one bucket.
pub(super) fn store(bucket: &str, options: &BTreeMap<String, String>) -> Result<AmazonS3, object_store::Error> {
    let text = |name: &str| options.get(name).filter(|text| !text.is_empty());
    let is_set = |name: &str, otherwise: bool| text(name).map_or(otherwise, |text| text == "true");
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(text("region").map_or("us-east-1", String::as_str))
        .with_skip_signature(is_set("anonymous", false))
        .with_retry(RetryConfig { backoff: BackoffConfig::default(), max_retries: 4, retry_timeout: PATIENCE });
    if let Some(endpoint) = text("endpoint") {
        let is_open = endpoint.starts_with("http://");
        builder = builder
            .with_endpoint(endpoint.trim_end_matches('/'))
            .with_virtual_hosted_style_request(!is_set("path_style", true))
            .with_client_options(ClientOptions::new().with_allow_http(is_open));
    } else {
        builder = builder.with_virtual_hosted_style_request(!is_set("path_style", false));
    }
    if let (Some(name), Some(key)) = (text("access_key_id"), text("secret_access_key")) {
        builder = builder.with_access_key_id(name).with_secret_access_key(key);
    }
    if let Some(token) = text("session_token") {
        builder = builder.with_token(token);
    }
    builder.build()
}
