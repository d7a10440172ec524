//! A schema registry: schemas of Avro by their number. What a number stands for never changes, so it is asked for once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use reqwest::{Certificate, Client, StatusCode, Url};
use serde::Deserialize;

use super::config::Registry;
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
    references: Vec<serde_json::Value>,
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
        let answer = ask(client, registry, &base, *id, &origin).await?;
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

async fn ask(
    client: &Client,
    registry: &Registry,
    base: &Url,
    id: u32,
    origin: &str,
) -> Result<Result<String, String>, ConnectorError> {
    let path = format!("{}/schemas/ids/{id}", base.path().trim_end_matches('/'));
    let mut url = base.clone();
    url.set_path(&path);
    let mut request = client.get(url).header("Accept", "application/vnd.schemaregistry.v1+json, application/json");
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
        StatusCode::OK => Ok(usable(id, &body)),
        StatusCode::NOT_FOUND => Ok(Err(format!("the registry has no schema {id}"))),
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

/// The schema in an answer, where messages can be read with it alone.
fn usable(id: u32, body: &[u8]) -> Result<String, String> {
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|error| format!("the registry's answer for schema {id} is none: {error}"))?;
    match answer.schema_type.as_deref() {
        None | Some("AVRO") if answer.references.is_empty() => Ok(answer.schema),
        None | Some("AVRO") => Err(format!("schema {id} refers to other schemas, which are not followed")),
        Some(other) => Err(format!("schema {id} is one of {}, not of Avro", other.to_lowercase())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_taken_where_messages_can_be_read_with_them_alone() {
        let told = |body: &str| usable(7, body.as_bytes()).unwrap_or_else(|reason| reason);
        assert_eq!(told(r#"{"schema": "\"string\""}"#), "\"string\"");
        assert_eq!(told(r#"{"schema": "{}", "schemaType": "PROTOBUF"}"#), "schema 7 is one of protobuf, not of Avro");
        let referring = r#"{"schema": "{}", "references": [{"name": "a", "subject": "a", "version": 1}]}"#;
        assert_eq!(told(referring), "schema 7 refers to other schemas, which are not followed");
        assert!(told("<html>").starts_with("the registry's answer for schema 7 is none"));
    }
}
