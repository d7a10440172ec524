//! From one prediction back to the files behind it.

use std::collections::BTreeMap;

use baton_core::{AssetName, Commit, CommitId, Definition, Kind, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::head;
use crate::checks::rows_as_json;
use crate::error::RunError;
use crate::prepare::Prepared;
use crate::registry::model_version;
use crate::services::Services;
use crate::sessions::session_of;
use crate::steps::landed_units;
use crate::watch::predictions_of;

/// A table that a prediction's features came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedTable {
    /// The asset.
    pub asset: String,
    /// Its kind.
    pub kind: Kind,
    /// Its exact version.
    pub version: String,
}

/// What is behind a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceReport {
    /// The logged prediction: keys, features, score.
    pub prediction: Value,
    /// The commit whose data it was made from.
    pub commit: String,
    /// The model version: `arrival_delay@1`.
    pub model: String,
    /// Digest of the model.
    pub model_digest: Option<String>,
    /// The training set's version.
    pub training_set: Option<String>,
    /// Every table and source version upstream of its features.
    pub tables: Vec<TracedTable>,
    /// The deliveries behind the sources: path and content hash.
    pub files: Vec<(String, String)>,
}

/// Follows a scheduled prediction of `environment` back to its files.
pub async fn trace(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    prediction_id: &str,
) -> Result<TraceReport, RunError> {
    let commit = head(services, environment).await?;
    for (name, asset) in &prepared.project.assets {
        let Definition::Endpoint(endpoint) = &asset.definition else { continue };
        let predictions = predictions_of(name);
        if let Some(found) = find(services, &commit, &predictions, prediction_id).await? {
            let commit = commit_of(services, environment, &commit, &predictions, &found).await?;
            let number = found.get("model_version").and_then(Value::as_u64).unwrap_or_default() as u32;
            return describe(services, prepared, &commit, name, (&endpoint.model.model, number), found).await;
        }
    }
    Err(RunError::Missing {
        what: "prediction",
        name: prediction_id.to_owned(),
        environment: environment.to_owned(),
        hint: "`baton query` over the endpoint's predictions table lists the ids there are".to_owned(),
    })
}

/// Follows a prediction that an endpoint answered over HTTP: `prediction` is its record in the prediction log, `at` the
/// clock of the answer.
pub async fn trace_served(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    served: Served<'_>,
    prediction: Value,
) -> Result<TraceReport, RunError> {
    let commit = answering_commit(services, environment, &served).await?;
    // The files may have changed since; the commit says how the endpoint came about then.
    let then = super::served::prepare_commit(services, &prepared.project, &commit).await.ok();
    let prepared = then.as_ref().unwrap_or(prepared);
    let endpoint = super::look::known_asset(prepared, environment, served.endpoint)?.name.clone();
    let model = super::look::known_asset(prepared, environment, served.model)?.name.clone();
    describe(services, prepared, &commit, &endpoint, (&model, served.version), prediction).await
}

/// Which answer is followed.
#[derive(Debug, Clone, Copy)]
pub struct Served<'a> {
    /// The endpoint that answered.
    pub endpoint: &'a str,
    /// The model behind it.
    pub model: &'a str,
    /// The model's version number.
    pub version: u32,
    /// The commit whose models and features answered, where the record names it.
    pub commit: Option<&'a str>,
    /// When it answered, on the server's clock.
    pub at: Timestamp,
}

/// The commit that answered: the one recorded, else the newest that was there at the time.
async fn answering_commit(services: &Services, environment: &str, served: &Served<'_>) -> Result<Commit, RunError> {
    if let Some(id) = served.commit
        && let Some(commit) = services.ledger.read_commit(&CommitId(id.to_owned())).await?
    {
        return Ok(commit);
    }
    let newest = head(services, environment).await?;
    let history = services.ledger.history(environment, u32::MAX).await?;
    Ok(history.into_iter().find(|commit| commit.created_at <= served.at).unwrap_or(newest))
}

async fn find(
    services: &Services,
    commit: &Commit,
    predictions: &AssetName,
    id: &str,
) -> Result<Option<Value>, RunError> {
    if !commit.assets.contains_key(predictions) {
        return Ok(None);
    }
    let session = session_of(services, &commit.assets, [predictions], None).await?;
    let quoted = crate::checks::quoted(predictions);
    let sql = format!("select * from {quoted} where prediction_id = '{}' limit 1", id.replace('\'', "''"));
    let (_, batches) = session.query(&sql).await?;
    Ok(rows_as_json(&batches).map_err(RunError::rows(predictions))?.into_iter().next())
}

/// The commit whose run made the prediction: the oldest that has it.
async fn commit_of(
    services: &Services,
    environment: &str,
    newest: &Commit,
    predictions: &AssetName,
    prediction: &Value,
) -> Result<Commit, RunError> {
    let made_at = prediction.get("predicted_at").and_then(Value::as_str).and_then(parse_instant);
    let Some(made_at) = made_at else { return Ok(newest.clone()) };
    let mut oldest = newest.clone();
    for commit in services.ledger.history(environment, u32::MAX).await? {
        let covers = commit.assets.get(predictions).is_some_and(|pin| pin.intervals.contains(made_at));
        if !covers {
            break;
        }
        oldest = commit;
    }
    Ok(oldest)
}

fn parse_instant(text: &str) -> Option<i64> {
    let zoned = chrono::DateTime::parse_from_rfc3339(text).map(|instant| instant.timestamp_micros());
    let naive = || {
        chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
            .map(|instant| instant.and_utc().timestamp_micros())
    };
    zoned.or_else(|_| naive()).ok()
}

async fn describe(
    services: &Services,
    prepared: &Prepared,
    commit: &Commit,
    endpoint: &AssetName,
    (model, number): (&AssetName, u32),
    prediction: Value,
) -> Result<TraceReport, RunError> {
    let version = model_version(services, model, number).await?;
    let mut tables = Vec::new();
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for asset in prepared.graph.upstream(endpoint) {
        let Some(pin) = commit.assets.get(&asset) else { continue };
        let Some(table) = pin.version.table() else { continue };
        if pin.kind == Kind::Source {
            let landed = landed_units(services, &prepared.landings, table).await?;
            files.extend(landed.values().map(|unit| (unit.path.clone(), unit.hash.clone())));
        }
        tables.push(TracedTable { asset: asset.to_string(), kind: pin.kind, version: table.to_string() });
    }
    Ok(TraceReport {
        prediction,
        commit: commit.id.0.clone(),
        model: format!("{model}@{number}"),
        model_digest: version.as_ref().map(|found| found.digest.clone()),
        training_set: version.map(|found| found.training_set.to_string()),
        tables,
        files: files.into_iter().collect(),
    })
}
