//! Reproduce: rebuild versions from what they were recorded to be made from, and compare digests. Nothing of an
//! environment is touched, and the project's files do not count: recorded definitions do.

mod kept;
mod model;
mod prediction;
mod recipe;
mod report;
mod scratch;
mod source;
mod table;

use std::time::Instant;

use baton_core::{AssetName, Commit, Definition, Kind, Pin, TableVersion, Version};

pub use report::{ReproduceReport, Reproduced, Reproduction};

use super::diff::{RowOptions, RowSide, diff_rows};
use super::environments::resolve_commit;
use crate::error::RunError;
use crate::registry::{ModelVersion, model_version, model_versions};
use crate::services::Services;
use recipe::{recipe, step_that_made, steps_of};
use scratch::Scratch;

/// Rows of each sample of a difference.
const SAMPLE: usize = 5;

/// What to rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Every source and table of the environment, and every version of its models.
    All,
    /// One version of an asset: a model's number or a table's Delta version; `None` is the one in the environment.
    Version(AssetName, Option<u64>),
}

/// A version that can be rebuilt.
enum Work {
    Table(AssetName, Kind, TableVersion),
    Model(Box<ModelVersion>),
}

/// Rebuilds what `targets` name in `environment` (or a tag or commit), one after the other.
///
/// # Errors
/// When a target is not there, and those of lake, ledger and engine.
pub async fn reproduce(
    services: &Services,
    environment: &str,
    targets: &[Target],
) -> Result<ReproduceReport, RunError> {
    let commit = resolve_commit(services, environment).await?;
    let mut report = ReproduceReport::default();
    for work in work_of(services, &commit, environment, targets).await? {
        let (asset, kind, version) = match &work {
            Work::Table(asset, kind, version) => (asset.clone(), *kind, format!("v{}", version.version)),
            Work::Model(version) => (version.model.clone(), Kind::Model, version.reference()),
        };
        let began = Instant::now();
        services.progress.started("reproduce", &asset);
        let found = match work {
            Work::Table(asset, Kind::Source, version) => source_again(services, &asset, &version).await?,
            Work::Table(asset, _, version) if prediction::endpoint_of(&commit, &asset).is_some() => {
                predictions_again(services, &commit, &asset, &version).await?
            }
            Work::Table(asset, _, version) => table_again(services, &asset, &version).await?,
            Work::Model(version) => model_again(services, &version).await?,
        };
        let took = began.elapsed();
        services.progress.finished("reproduce", &asset, &found.detail, took);
        report.versions.push(Reproduced {
            asset,
            kind,
            version,
            outcome: found.outcome,
            recorded: found.recorded,
            rebuilt: found.rebuilt,
            detail: found.detail,
            rows: found.rows,
            seconds: took.as_secs_f64(),
        });
    }
    Ok(report)
}

async fn work_of(
    services: &Services,
    commit: &Commit,
    environment: &str,
    targets: &[Target],
) -> Result<Vec<Work>, RunError> {
    let mut work = Vec::new();
    for target in targets {
        match target {
            Target::All => work.extend(all_of(services, commit).await?),
            Target::Version(asset, number) => {
                let missing = || RunError::Missing {
                    what: "version of",
                    name: number.map_or_else(|| asset.to_string(), |number| format!("{asset}@{number}")),
                    environment: environment.to_owned(),
                    hint: "`baton show` lists versions of sources, tables and models".to_owned(),
                };
                work.push(one_of(services, commit, asset, *number).await?.ok_or_else(missing)?);
            }
        }
    }
    Ok(work)
}

async fn all_of(services: &Services, commit: &Commit) -> Result<Vec<Work>, RunError> {
    let mut work = Vec::new();
    for (name, pin) in &commit.assets {
        match &pin.version {
            Version::Table(version) => work.push(Work::Table(name.clone(), pin.kind, version.clone())),
            Version::Model { .. } => {
                let versions = model_versions(services, name).await?;
                work.extend(versions.into_iter().map(|version| Work::Model(Box::new(version))));
            }
            _ => {}
        }
    }
    work.sort_by_key(|work| match work {
        Work::Table(_, kind, _) => *kind,
        Work::Model(_) => Kind::Model,
    });
    Ok(work)
}

async fn one_of(
    services: &Services,
    commit: &Commit,
    asset: &AssetName,
    number: Option<u64>,
) -> Result<Option<Work>, RunError> {
    let Some(pin) = commit.assets.get(asset) else { return Ok(None) };
    match &pin.version {
        Version::Table(version) => {
            let version = TableVersion { version: number.unwrap_or(version.version), ..version.clone() };
            Ok(Some(Work::Table(asset.clone(), pin.kind, version)))
        }
        Version::Model { aliases } => {
            let shown = aliases.get(crate::training::CHAMPION).or_else(|| aliases.values().max());
            let Some(number) = number.and_then(|number| u32::try_from(number).ok()).or(shown.copied()) else {
                return Ok(None);
            };
            Ok(model_version(services, asset, number).await?.map(|version| Work::Model(Box::new(version))))
        }
        other => Err(RunError::Project(nothing_stored(asset, other, pin))),
    }
}

/// What to rebuild instead of an asset that has no rows and no bytes of its own.
fn nothing_stored(asset: &AssetName, version: &Version, pin: &Pin) -> String {
    let read: Vec<&str> = pin.inputs.keys().map(|input| input.as_str()).collect();
    let (what, instead) = match version {
        Version::View { .. } => ("a view", read.join(" ")),
        Version::FeatureView { .. } => ("a feature view", read.join(" ")),
        Version::Endpoint { .. } => ("an endpoint", format!("{}_predictions", asset)),
        _ => ("a definition", read.join(" ")),
    };
    format!(
        "`{asset}` is {what}, which stores nothing to compare; rebuild what it shows with `baton reproduce {instead}`"
    )
}

/// How one rebuild came out.
struct Found {
    outcome: Reproduction,
    recorded: Option<String>,
    rebuilt: Option<String>,
    detail: String,
    rows: Option<super::diff::RowDiff>,
}

impl Found {
    fn impossible(reason: impl Into<String>) -> Self {
        let detail = reason.into();
        Self { outcome: Reproduction::Impossible, recorded: None, rebuilt: None, detail, rows: None }
    }

    fn compared(recorded: &str, rebuilt: &str, detail: String) -> Self {
        let outcome = if recorded == rebuilt { Reproduction::Same } else { Reproduction::Different };
        let (recorded, rebuilt) = (Some(recorded.to_owned()), Some(rebuilt.to_owned()));
        Self { outcome, recorded, rebuilt, detail, rows: None }
    }
}

async fn source_again(services: &Services, asset: &AssetName, version: &TableVersion) -> Result<Found, RunError> {
    let steps = steps_of(services, asset).await?;
    let Some(made) = step_that_made(&steps, version) else {
        return Ok(Found::impossible("the step that landed it is not recorded"));
    };
    let recipe = match recipe(services, made).await? {
        Ok(recipe) => recipe,
        Err(reason) => return Ok(Found::impossible(reason)),
    };
    let Definition::Source(source) = &recipe.asset.definition else {
        return Ok(Found::impossible("it was no source then"));
    };
    let scratch = Scratch::new(services, asset)?;
    let landed = match source::land_again(services, asset, source, version, &scratch).await? {
        Ok(landed) => landed,
        Err(reason) => return Ok(Found::impossible(reason)),
    };
    let recorded = services.lake.snapshot(version).await?.digest().to_string();
    let deliveries = landed.deliveries;
    let detail = format!("{deliveries} {} landed again", if deliveries == 1 { "delivery" } else { "deliveries" });
    let mut found = Found::compared(&recorded, &landed.digest.to_string(), detail);
    if found.outcome == Reproduction::Different {
        found.rows = Some(difference(services, version, landed.side, &[]).await?);
    }
    Ok(found)
}

async fn table_again(services: &Services, asset: &AssetName, version: &TableVersion) -> Result<Found, RunError> {
    let steps = steps_of(services, asset).await?;
    match kept::chain_of(services, &steps, version).await? {
        Ok(Some(chain)) => return kept_again(services, asset, version, &chain).await,
        Ok(None) => {}
        Err(reason) => return Ok(Found::impossible(reason)),
    }
    let replay = match table::replay_of(services, &steps, version).await? {
        Ok(replay) => replay,
        Err(reason) => return Ok(Found::impossible(reason)),
    };
    let recorded = services.lake.snapshot(version).await?.digest().to_string();
    let rebuilt = replay.digest(services, asset).await?.to_string();
    let mut found = Found::compared(&recorded, &rebuilt, replay.describe());
    if found.outcome == Reproduction::Different {
        let scratch = Scratch::new(services, asset)?;
        let side = replay.rows(services, &scratch).await?;
        found.rows = Some(difference(services, version, side, &replay.grain()).await?);
    }
    Ok(found)
}

async fn kept_again(
    services: &Services,
    asset: &AssetName,
    version: &TableVersion,
    chain: &kept::Chain,
) -> Result<Found, RunError> {
    let recorded = services.lake.snapshot(version).await?.digest().to_string();
    let scratch = Scratch::new(services, asset)?;
    let kept = chain.keep_again(services, asset, &scratch).await?;
    let mut found = Found::compared(&recorded, &kept.digest.to_string(), kept.detail);
    if found.outcome == Reproduction::Different {
        found.rows = Some(difference(services, version, kept.side, &chain.grain()).await?);
    }
    Ok(found)
}

async fn predictions_again(
    services: &Services,
    commit: &Commit,
    asset: &AssetName,
    version: &TableVersion,
) -> Result<Found, RunError> {
    let Some(endpoint) = prediction::endpoint_of(commit, asset) else {
        return Ok(Found::impossible("no endpoint makes it"));
    };
    let predicted = match prediction::predict_again(services, commit, &endpoint, version).await? {
        Ok(predicted) => predicted,
        Err(reason) => return Ok(Found::impossible(reason)),
    };
    let recorded = services.lake.snapshot(version).await?.digest().to_string();
    let detail = format!("{} ticks scored again", predicted.ticks);
    Ok(Found::compared(&recorded, &predicted.digest.to_string(), detail))
}

async fn difference(
    services: &Services,
    version: &TableVersion,
    rebuilt: RowSide,
    grain: &[String],
) -> Result<super::diff::RowDiff, RunError> {
    let snapshot = services.lake.snapshot(version).await?;
    let recorded = RowSide { schema: snapshot.schema().clone(), files: snapshot.files().to_vec(), clock: None };
    let options = RowOptions { limit: SAMPLE, columns: Vec::new() };
    Ok(diff_rows(services, recorded, rebuilt, grain, &options).await?.0)
}

async fn model_again(services: &Services, version: &ModelVersion) -> Result<Found, RunError> {
    let trained = match model::train_again(services, version).await? {
        Ok(trained) => trained,
        Err(reason) => return Ok(Found::impossible(reason)),
    };
    let rows = if trained.same_rows { "the same" } else { "another" };
    let detail = format!("trained again on {rows} training set of {} rows", trained.rows);
    let mut found = Found::compared(&version.digest, &trained.digest, detail);
    if !trained.same_rows {
        found.outcome = Reproduction::Different;
    }
    Ok(found)
}
