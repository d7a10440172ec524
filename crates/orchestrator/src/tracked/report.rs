//! One tracked run in full: what it was tied to, and what has changed since.

use std::collections::BTreeMap;

use baton_core::{AssetName, Commit, Pin};
use baton_tracking::Tag;
use baton_tracking::input::DatasetInput;
use baton_tracking::run::Run;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::environment::{locks, platform};
use super::inputs::{CONTEXT, VERSION};
use super::tie::{AS_OF, ASSET, DEFINITION, ENVIRONMENT, FEATURES, LOCKS, PLATFORM, REVISION, RUN};
use crate::error::RunError;
use crate::prepare::Prepared;
use crate::services::Services;

/// What a run was tied to, and what has changed since.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunTies {
    /// The asset that it is of; none of runs that Baton did not start.
    pub asset: Option<String>,
    /// The environment that it ran in, and whose data is compared.
    pub environment: String,
    /// The id of Baton's own run that it is part of.
    pub run: Option<String>,
    /// The logical clock.
    pub as_of: Option<String>,
    /// The git revision.
    pub revision: Option<String>,
    /// What defined the asset.
    pub definition: Option<String>,
    /// The columns that the model reads.
    pub features: Vec<String>,
    /// What it read.
    pub data: Vec<DataOfRun>,
    /// Where it ran.
    pub runtime: EnvironmentOfRun,
    /// What is otherwise now, a line each; none where it would run on the same again.
    pub changed: Vec<String>,
}

/// A dataset of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataOfRun {
    /// Its name; the asset of a table of Baton's.
    pub name: String,
    /// What it was read for.
    pub context: Option<String>,
    /// The exact version: a table version, else the digest.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// Its rows.
    pub rows: Option<u64>,
    /// The same asset in the environment now; none where it is no asset of it.
    pub now: Option<DataNow>,
}

/// What an asset is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataNow {
    /// Its version.
    pub version: String,
    /// Its rows.
    pub rows: Option<u64>,
    /// Whether its rows are the same.
    pub same: bool,
}

/// The environment that a run worked in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentOfRun {
    /// Lock files with digests.
    pub lock: Option<String>,
    /// Operating system and processor.
    pub platform: Option<String>,
}

/// What a run was tied to. With a project and its environment's head, what has changed since is told, too.
///
/// # Errors
/// Those of the ledger.
pub async fn ties_of_run(
    services: &Services,
    prepared: Option<&Prepared>,
    environment: &str,
    run: &Run,
) -> Result<RunTies, RunError> {
    let tag = |key: &str| text_of(&run.tags, key);
    let environment = tag(ENVIRONMENT).unwrap_or_else(|| environment.to_owned());
    let head = services.ledger.head(&environment).await?;
    let features = tag(FEATURES).unwrap_or_default();
    let features = features.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let data = run.datasets.iter().map(|input| data_of(input, head.as_ref())).collect();
    let mut ties = RunTies {
        asset: tag(ASSET),
        environment,
        run: tag(RUN),
        as_of: tag(AS_OF),
        revision: tag(REVISION),
        definition: tag(DEFINITION),
        features,
        data,
        runtime: EnvironmentOfRun { lock: tag(LOCKS), platform: tag(PLATFORM) },
        changed: Vec::new(),
    };
    ties.changed = ties.changes(services, prepared);
    Ok(ties)
}

fn text_of(tags: &[Tag], key: &str) -> Option<String> {
    tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.clone())
}

fn data_of(input: &DatasetInput, head: Option<&Commit>) -> DataOfRun {
    let dataset = &input.dataset;
    let profile: Value =
        dataset.profile.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let version = text_of(&input.tags, VERSION);
    // Only what Baton tied is known to be the asset of that name.
    let pin = version.as_ref().and_then(|_| head?.assets.get(&AssetName::parse(&dataset.name).ok()?));
    DataOfRun {
        name: dataset.name.clone(),
        context: text_of(&input.tags, CONTEXT),
        now: pin.and_then(|pin| data_now(pin, &dataset.digest, version.as_deref())),
        version: version.unwrap_or_else(|| dataset.digest.clone()),
        digest: dataset.digest.clone(),
        rows: profile.get("num_rows").and_then(Value::as_u64),
    }
}

fn data_now(pin: &Pin, digest: &str, version: Option<&str>) -> Option<DataNow> {
    let table = pin.version.table()?.to_string();
    // A dataset's digest holds the first digits only.
    let has_digest = pin.digest.as_ref().is_some_and(|now| !digest.is_empty() && now.starts_with(digest));
    let same = Some(table.as_str()) == version || has_digest;
    Some(DataNow { version: table, rows: pin.rows, same })
}

impl RunTies {
    fn changes(&self, services: &Services, prepared: Option<&Prepared>) -> Vec<String> {
        let mut changes: Vec<String> = self.data.iter().filter_map(DataOfRun::change).collect();
        changes.extend(self.definition_change(prepared));
        changes.extend(self.revision_change(services));
        changes.extend(self.lock_change(services));
        if let Some(then) = self.runtime.platform.as_ref().filter(|then| **then != platform()) {
            changes.push(format!("platform: {then} then, {} now", platform()));
        }
        changes
    }

    fn definition_change(&self, prepared: Option<&Prepared>) -> Option<String> {
        let (asset, then, prepared) = (self.asset.as_ref()?, self.definition.as_ref()?, prepared?);
        let name = AssetName::parse(asset).ok()?;
        match prepared.desired.assets.get(&name) {
            None => Some(format!("definition: `{asset}` is no longer declared")),
            Some(now) if now.content().to_string() != *then => {
                Some(format!("definition: what decides `{asset}` was changed"))
            }
            Some(_) => None,
        }
    }

    fn revision_change(&self, services: &Services) -> Option<String> {
        let (then, now) = (self.revision.as_ref()?, services.git_revision.as_ref()?);
        (then != now).then(|| format!("code: {} then, {} now", short(then), short(now)))
    }

    fn lock_change(&self, services: &Services) -> Option<String> {
        // A run that Baton did not start says nothing of locks.
        self.asset.as_ref()?;
        let then = parse_locks(self.runtime.lock.as_deref().unwrap_or_default());
        let now = locks(&services.folder, then.keys().map(String::as_str));
        let mut changed: Vec<String> = Vec::new();
        for (name, digest) in &then {
            match now.get(name) {
                None => changed.push(format!("{name} is gone")),
                Some(new) if new != digest => changed.push(format!("{name} was changed")),
                Some(_) => {}
            }
        }
        changed.extend(now.keys().filter(|name| !then.contains_key(*name)).map(|name| format!("{name} is new")));
        (!changed.is_empty()).then(|| format!("environment: {}", changed.join(", ")))
    }
}

impl DataOfRun {
    fn change(&self) -> Option<String> {
        let now = self.now.as_ref().filter(|now| !now.same)?;
        let rows = match (self.rows, now.rows) {
            (Some(then), Some(now)) if then != now => format!(" ({then} rows then, {now} now)"),
            _ => String::new(),
        };
        Some(format!("data: `{}` has a newer version{rows}", self.name))
    }
}

fn short(revision: &str) -> &str {
    revision.get(..10).unwrap_or(revision)
}

/// The inverse of [`super::environment::in_a_line`].
fn parse_locks(line: &str) -> BTreeMap<String, String> {
    let pair = |part: &str| part.split_once(' ').map(|(name, digest)| (name.to_owned(), digest.to_owned()));
    line.split(", ").filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracked::environment::in_a_line;

    #[test]
    fn locks_are_read_back_from_their_line() {
        let locks: BTreeMap<String, String> =
            [("uv.lock", "0123"), ("requirements.txt", "4567")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        assert_eq!(parse_locks(&in_a_line(&locks)), locks);
        assert!(parse_locks("").is_empty());
    }

    #[test]
    fn a_newer_version_with_other_rows_is_a_change_and_the_same_rows_are_none() {
        let now = |same| Some(DataNow { version: "tables/a/b@4".to_owned(), rows: Some(9), same });
        let data = DataOfRun {
            name: "flights".to_owned(),
            context: None,
            version: "tables/a/b@3".to_owned(),
            digest: String::new(),
            rows: Some(5),
            now: now(false),
        };
        let told = data.change().unwrap();
        assert_eq!(told, "data: `flights` has a newer version (5 rows then, 9 now)");
        assert_eq!(DataOfRun { now: now(true), ..data.clone() }.change(), None);
        assert_eq!(DataOfRun { now: None, ..data }.change(), None);
    }
}
