//! A folder of a bucket, for who keeps objects there by himself.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use serde_json::Map;

use super::config::{origin, store};
use super::{refused, usual_variables};
use crate::{ConnectorError, Variables, resolve_secrets};

/// A bucket, and where in it.
#[derive(Debug, Clone)]
pub struct BucketFolder {
    /// The bucket.
    pub store: Arc<dyn ObjectStore>,
    /// What keys begin with, without slashes around it; empty for the whole bucket.
    pub prefix: String,
}

/// Opens `s3://bucket/folder`, asking nothing of it yet. `options` are those that connector `s3` is reached by; they may refer to secrets,
/// and what they do not say stands in the usual variables. Relative files start at `root`.
///
/// # Errors
/// A location that is none, a secret that is not there, or options that do not go together.
pub fn bucket_folder(
    location: &str,
    options: &BTreeMap<String, String>,
    root: &Path,
    variables: Variables<'_>,
) -> Result<BucketFolder, ConnectorError> {
    let wrong = || ConnectorError::Option {
        name: "artifacts".to_owned(),
        value: location.to_owned(),
        reason: "is no place in a bucket; write `s3://bucket/folder`".to_owned(),
    };
    let rest = location.strip_prefix("s3://").ok_or_else(wrong)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(wrong());
    }
    let options = resolved(options, root, variables)?;
    let opened = store(bucket, &options).map_err(|error| refused(&origin(bucket, &options), &error))?;
    Ok(BucketFolder { store: Arc::new(opened), prefix: prefix.trim_matches('/').to_owned() })
}

fn resolved(
    options: &BTreeMap<String, String>,
    root: &Path,
    variables: Variables<'_>,
) -> Result<BTreeMap<String, String>, ConnectorError> {
    let given: Map<_, _> = options.iter().map(|(name, text)| (name.clone(), text.clone().into())).collect();
    let text = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let given = resolve_secrets(&given, root, variables)?;
    let mut options: BTreeMap<String, String> = given.into_iter().map(|(name, value)| (name, text(value))).collect();
    for (option, variable) in usual_variables(options.contains_key("access_key_id")) {
        if let Some(value) = variables(variable) {
            options.entry(option.to_owned()).or_insert(value);
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use baton_testkit::moto::TestMoto;
    use object_store::ObjectStoreExt as _;

    use super::*;

    #[tokio::test]
    async fn keys_are_given_by_reference_or_by_the_usual_variables() {
        let moto = TestMoto::shared();
        let bucket = moto.bucket();
        moto.put(&bucket, "a/b/c.txt", b"c");
        let url = moto.url();
        let usual = move |name: &str| match name {
            "AWS_ENDPOINT_URL" => Some(url.clone()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "OWN" => Some("key".to_owned()),
            _ => None,
        };
        let given = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let own = [given("access_key_id", "${env:OWN}"), given("secret_access_key", "${env:OWN}")];
        for options in [BTreeMap::new(), BTreeMap::from(own)] {
            let folder = bucket_folder(&format!("s3://{bucket}/a/b/"), &options, Path::new(""), &usual).unwrap();
            assert_eq!(folder.prefix, "a/b");
            let content = folder.store.get(&"a/b/c.txt".into()).await.unwrap().bytes().await.unwrap();
            assert_eq!(&content[..], b"c");
        }
        let missing = BTreeMap::from([given("access_key_id", "${env:NOWHERE}")]);
        let told = bucket_folder("s3://b/f", &missing, Path::new(""), &usual).unwrap_err().to_string();
        assert!(told.contains("${env:NOWHERE}"), "{told}");
        let told = bucket_folder("gs://b/f", &BTreeMap::new(), Path::new(""), &usual).unwrap_err().to_string();
        assert_eq!(told, "option `artifacts: gs://b/f` is no place in a bucket; write `s3://bucket/folder`");
    }
}
