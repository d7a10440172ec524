//! A schema registry: schemas of Avro by their number. What a number stands for never changes, so it is asked for once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use reqwest::{Certificate, Client, StatusCode, Url};
use serde::Deserialize;

use super::config::Registry;
use super::references::inlined;
use super::session::{PATIENCE, origin_error};
use crate::ConnectorError;
use crate::report::shorten;

/// Schemas by the registry's address and their number.
static KNOWN: Mutex<BTreeMap<(String, u32), String>> = Mutex::new(BTreeMap::new());

/// What a registry answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    schema: String,
    /// Left out for Avro.
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

/// A schema that another one refers to; what it is called there is its own name.
#[derive(Deserialize)]
struct Reference {
    subject: String,
    version: u32,
}

/// The schemas of these numbers, or why there is none that messages could be read with.
///
/// # Errors
/// The registry does not answer, or refuses: then nothing is known of any message.
pub(super) async fn schemas(
    registry: &Registry,
    ids: &BTreeSet<u32>,
) -> Result<BTreeMap<u32, Result<String, String>>, ConnectorError> {
    let base: Url = registry.url.parse().map_err(|error| {
        origin_error(
            "the `url` of a schema registry",
            format!("cannot be read: {error}"),
            "write `https://host`",
            false,
        )
    })?;
    let origin = format!("schema registry at {}", base.host_str().unwrap_or_default());
    let mut found = BTreeMap::new();
    let mut client = None;
    for id in ids {
        let key = (registry.url.clone(), *id);
        let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(schema) = known {
            found.insert(*id, Ok(schema));
            continue;
        }
        let client = match &client {
            Some(client) => client,
            None => client.insert(connected(registry, &origin)?),
        };
        let answer = Asked { client, registry, base: &base, origin: &origin }.schema(*id).await?;
        if let Ok(schema) = &answer {
            KNOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(key, schema.clone());
        }
        found.insert(*id, answer);
    }
    Ok(found)
}

fn connected(registry: &Registry, origin: &str) -> Result<Client, ConnectorError> {
    let mut builder = Client::builder().timeout(PATIENCE).user_agent("baton");
    if let Some(authority) = &registry.certificate_authority {
        let certificates = Certificate::from_pem_bundle(authority.as_bytes()).map_err(|_| {
            let reason = "cannot be verified: the text of its authority is no certificate in PEM".to_owned();
            origin_error(origin, reason, "mend `certificate_authority`", false)
        })?;
        builder = builder.tls_certs_only(certificates);
    }
    builder.build().map_err(|error| origin_error(origin, format!("cannot be asked: {error}"), "see the reason", false))
}

/// A registry that is asked.
struct Asked<'r> {
    client: &'r Client,
    registry: &'r Registry,
    base: &'r Url,
    origin: &'r str,
}

impl Asked<'_> {
    /// The schema of a number with all that it refers to.
    async fn schema(&self, id: u32) -> Result<Result<String, String>, ConnectorError> {
        let mut answer = match self.get(&["schemas", "ids", &id.to_string()]).await? {
            Some(body) => match usable(&format!("schema {id}"), &body) {
                Ok(answer) => answer,
                Err(reason) => return Ok(Err(reason)),
            },
            None => return Ok(Err(format!("the registry has no schema {id}"))),
        };
        let mut open = std::mem::take(&mut answer.references);
        let (mut seen, mut definitions) = (BTreeSet::new(), Vec::new());
        while let Some(reference) = open.pop() {
            if !seen.insert((reference.subject.clone(), reference.version)) {
                continue;
            }
            let Reference { subject, version } = &reference;
            let what = format!("version {version} of `{subject}`");
            let Some(body) = self.get(&["subjects", subject, "versions", &version.to_string()]).await? else {
                return Ok(Err(format!("schema {id} refers to {what}, which the registry does not have")));
            };
            match usable(&what, &body) {
                Ok(found) => {
                    open.extend(found.references);
                    definitions.push(found.schema);
                }
                Err(reason) => return Ok(Err(reason)),
            }
        }
        if definitions.is_empty() {
            return Ok(Ok(answer.schema));
        }
        Ok(inlined(&answer.schema, &definitions).map_err(|reason| format!("schema {id} cannot be read: {reason}")))
    }

    /// What the registry answers at a path; `None` where it has nothing.
    async fn get(&self, path: &[&str]) -> Result<Option<Bytes>, ConnectorError> {
        let (origin, registry) = (self.origin, self.registry);
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(path);
        }
        let accept = "application/vnd.schemaregistry.v1+json, application/json";
        let mut request = self.client.get(url).header("Accept", accept);
        if let Some(user) = &registry.username {
            request = request.basic_auth(user, registry.password.as_ref());
        }
        let unreachable = |error: reqwest::Error| {
            let reason = format!("cannot be reached: {}", error.without_url());
            origin_error(origin, reason, "look whether it runs and `url` leads there", true)
        };
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(unreachable)?;
        match status {
            StatusCode::OK => Ok(Some(body)),
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let reason = format!("refuses with {status}");
                Err(origin_error(origin, reason, "mend `username` and `password` of `schema_registry`", false))
            }
            _ => {
                let reason = format!("answers with {status}: {}", shorten(&String::from_utf8_lossy(&body)));
                Err(origin_error(origin, reason, "look whether it is well", status.is_server_error()))
            }
        }
    }
}

/// An answer that is a schema of Avro.
fn usable(what: &str, body: &[u8]) -> Result<Answer, String> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|error| format!("the registry's answer for {what} is none: {error}"))?;
    match answer.schema_type.as_deref() {
        None | Some("AVRO") => Ok(answer),
        Some(other) => Err(format!("{what} is one of {}, not of Avro", other.to_lowercase())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_where_they_are_schemas_of_avro() {
        let told =
            |body: &str| usable("schema 7", body.as_bytes()).map_or_else(|reason| reason, |answer| answer.schema);
        assert_eq!(told(r#"{"schema": "\"string\""}"#), "\"string\"");
        assert_eq!(told(r#"{"schema": "{}", "schemaType": "PROTOBUF"}"#), "schema 7 is one of protobuf, not of Avro");
        let referring = r#"{"schema": "{}", "references": [{"name": "a", "subject": "b", "version": 1}]}"#;
        let references = usable("schema 7", referring.as_bytes()).unwrap().references;
        assert_eq!((references[0].subject.as_str(), references[0].version), ("b", 1));
        assert!(told("<html>").starts_with("the registry's answer for schema 7 is none"));
    }
}
