//! Two versions of a model: on the same rows, and by what they look at.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use baton_core::asset::Model;
use baton_core::{AssetName, Definition, Pin};
use baton_ml::evaluate::evaluate;
use baton_ml::runtime::load;

use super::Declared;
use super::report::{ModelDiff, ModelLine, SameRows};
use crate::checks::quoted;
use crate::error::RunError;
use crate::registry::{ModelVersion, model_version, stored_model};
use crate::services::Services;
use crate::sessions::session;
use crate::training::{CHAMPION, aliases_of, ml_task};
use crate::values::numbers;

/// Compares what a model's aliases stand for on both sides; answers with notes beside it.
pub(super) async fn diff_models(
    services: &Services,
    name: &AssetName,
    (before, after): (Option<&Pin>, Option<&Pin>),
    declared: &Declared,
) -> Result<(ModelDiff, Vec<String>), RunError> {
    let mut notes = Vec::new();
    let old = shown_version(services, name, before).await?;
    let new = shown_version(services, name, after).await?;
    let mut found = ModelDiff {
        aliases: moved_aliases(before, after),
        before: old.as_ref().map(line),
        after: new.as_ref().map(line),
        same_rows: None,
        importance: Vec::new(),
    };
    if let (Some(old), Some(new)) = (&old, &new)
        && old.digest != new.digest
    {
        found.importance = importance(old, new);
        match declared.after.as_ref().or(declared.before.as_ref()).map(|asset| &asset.definition) {
            Some(Definition::Model(model)) => match on_same_rows(services, model, old, new).await {
                Ok(same_rows) => found.same_rows = Some(same_rows),
                Err(error) => notes.push(format!("metrics cannot be compared on the same rows: {error}")),
            },
            _ => notes.push("metrics cannot be compared on the same rows: its definition is not recorded".to_owned()),
        }
    }
    Ok((found, notes))
}

/// The champion of a side, else its newest version.
async fn shown_version(
    services: &Services,
    name: &AssetName,
    pin: Option<&Pin>,
) -> Result<Option<ModelVersion>, RunError> {
    let aliases = aliases_of(pin);
    match aliases.get(CHAMPION).or_else(|| aliases.values().max()) {
        Some(number) => model_version(services, name, *number).await,
        None => Ok(None),
    }
}

fn moved_aliases(before: Option<&Pin>, after: Option<&Pin>) -> BTreeMap<String, (Option<u32>, Option<u32>)> {
    let (old, new) = (aliases_of(before), aliases_of(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let both = names.into_iter().map(|alias| (alias.clone(), (old.get(alias).copied(), new.get(alias).copied())));
    both.filter(|(_, (old, new))| old != new).collect()
}

fn line(version: &ModelVersion) -> ModelLine {
    ModelLine {
        version: version.reference(),
        algorithm: version.algorithm.clone(),
        trained_at: version.as_of,
        rows: version.rows,
        digest: version.digest.clone(),
    }
}

fn importance(old: &ModelVersion, new: &ModelVersion) -> Vec<(String, Option<f64>, Option<f64>)> {
    let by_name = |version: &ModelVersion| -> BTreeMap<String, f64> {
        version.importance.iter().map(|found| (found.feature.clone(), found.importance)).collect()
    };
    let (before, after) = (by_name(old), by_name(new));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut all: Vec<_> =
        names.into_iter().map(|name| (name.clone(), before.get(name).copied(), after.get(name).copied())).collect();
    let weight = |entry: &(String, Option<f64>, Option<f64>)| entry.2.or(entry.1).unwrap_or(0.0);
    all.sort_by(|left, right| weight(right).total_cmp(&weight(left)));
    all
}

/// Scores the test part of the newer version's training set with both.
async fn on_same_rows(
    services: &Services,
    model: &Model,
    old: &ModelVersion,
    new: &ModelVersion,
) -> Result<SameRows, RunError> {
    let newest = if old.as_of > new.as_of { old } else { new };
    let rows = test_rows(services, model, newest).await?;
    let target = rows.column_by_name(&model.labels.target).ok_or_else(|| {
        RunError::Project(format!(
            "the training set of `{}` has no column `{}`",
            newest.reference(),
            model.labels.target
        ))
    })?;
    let labels = numbers(target);
    let before = metrics_on(services, model, old, &rows, &labels).await?;
    let after = metrics_on(services, model, new, &rows, &labels).await?;
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let metrics = names.into_iter().map(|name| (name.clone(), (before.get(name).copied(), after.get(name).copied())));
    Ok(SameRows { test_of: newest.reference(), rows: rows.num_rows() as u64, metrics: metrics.collect() })
}

async fn test_rows(services: &Services, model: &Model, version: &ModelVersion) -> Result<RecordBatch, RunError> {
    let session = session(services, [("training".to_owned(), version.training_set.clone())], None).await?;
    let time = quoted(&model.labels.time);
    let query =
        format!("select * from training where {time} >= to_timestamp_micros({}) order by {time}", version.parts.1);
    let (schema, batches) = session.query(&query).await?;
    concat_batches(&schema, &batches).map_err(RunError::rows(&version.reference()))
}

async fn metrics_on(
    services: &Services,
    model: &Model,
    version: &ModelVersion,
    rows: &RecordBatch,
    labels: &[f64],
) -> Result<BTreeMap<String, f64>, RunError> {
    let stored = stored_model(services, version).await?;
    let scores = load(&stored, &services.models)?.predict(&stored.encoder.encode(rows)?, rows.num_rows())?;
    Ok(evaluate(ml_task(model.task), labels, &scores, &[])?.metrics)
}
