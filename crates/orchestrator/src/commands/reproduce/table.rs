//! Rebuilding a table: its recorded query over its recorded inputs, interval by interval, into a digest. Rows are kept
//! only when the digest is another one and the difference has to be shown.

use baton_core::asset::{Materialize, Table};
use baton_core::{AssetName, Event, Interval, IntervalSet, TableVersion};
use baton_engine::{BatchStream, BuildOptions};
use baton_lake::{RowDigest, conform, delta_schema};
use futures::TryStreamExt as _;

use super::recipe::{Reason, Recipe, table_recipe};
use super::scratch::Scratch;
use crate::commands::diff::RowSide;
use crate::commands::environments::MergedRows;
use crate::error::RunError;
use crate::for_each::query;
use crate::python::{TableCall, session_for};
use crate::services::Services;
use crate::sessions::inputs_of;
use crate::steps::RecordedStep;

/// What is to be computed to come to a version: recorded steps, each with the part of its time that no later step
/// computed again. Newest first.
pub(super) struct Replay {
    parts: Vec<(Recipe, Table, Option<Interval>)>,
    steps: usize,
}

impl Replay {
    /// How it is done, in words.
    pub(super) fn describe(&self) -> String {
        match self.steps {
            1 => "computed from recorded inputs".to_owned(),
            steps => format!("{steps} recorded steps replayed in {} intervals", self.parts.len()),
        }
    }

    /// The grain of the recorded definition.
    pub(super) fn grain(&self) -> Vec<String> {
        self.parts.first().map(|(_, table, _)| table.grain.clone()).unwrap_or_default()
    }

    /// The digest of all rows.
    pub(super) async fn digest(&self, services: &Services, asset: &AssetName) -> Result<RowDigest, RunError> {
        let mut digest = RowDigest::default();
        for (recipe, table, interval) in &self.parts {
            let mut stream = rows_of(services, recipe, table, *interval).await?;
            let schema = delta_schema(&stream.schema())?;
            while let Some(batch) = stream.try_next().await? {
                digest = digest.and(RowDigest::of(&conform(&batch, &schema)?)?);
                services.progress.advanced(asset, 0, 0);
            }
        }
        Ok(digest)
    }

    /// The rows themselves, aside.
    pub(super) async fn rows(&self, services: &Services, scratch: &Scratch) -> Result<RowSide, RunError> {
        let mut side: Option<RowSide> = None;
        for (recipe, table, interval) in &self.parts {
            let stream = rows_of(services, recipe, table, *interval).await?;
            let schema = delta_schema(&stream.schema())?;
            let files = scratch.keep(services, None, stream).await?;
            side.get_or_insert_with(|| RowSide { schema, files: Vec::new(), clock: None }).files.extend(files);
        }
        side.ok_or_else(|| RunError::Project("there is nothing to rebuild".to_owned()))
    }
}

/// Walks back from a version along the versions that it was added to.
pub(super) async fn replay_of(
    services: &Services,
    steps: &[(Event, RecordedStep)],
    version: &TableVersion,
) -> Result<Result<Replay, Reason>, RunError> {
    let mut replay = Replay { parts: Vec::new(), steps: 0 };
    let (mut next, mut covered) = (Some(version.clone()), IntervalSet::default());
    while let Some(version) = next.take() {
        let (recipe, table) = match table_recipe(services, steps, &version).await? {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        };
        if MergedRows::recorded(&recipe.step.key).is_some() {
            return Ok(Err(format!(
                "rows of {version} were merged by a promotion, and the steps since went on from them; reproduce {version} itself"
            )));
        }
        next = recipe.step.key.base.as_deref().and_then(crate::steps::version_of);
        replay.steps += 1;
        match recipe.step.key.interval.filter(|_| table.materialize == Materialize::Incremental) {
            None => replay.parts.push((recipe, table, None)),
            Some(interval) => {
                let left = IntervalSet::of(interval).difference(&covered);
                covered = covered.union(&IntervalSet::of(interval));
                let mut of_step = left.ranges().to_vec();
                // The oldest step is never left out: it says the columns of a table without rows.
                if of_step.is_empty() && next.is_none() {
                    of_step.push(Interval { start: interval.start, end: interval.start });
                }
                for range in of_step {
                    replay.parts.push((again(&recipe), table.clone(), Some(range)));
                }
            }
        }
    }
    Ok(Ok(replay))
}

fn again(recipe: &Recipe) -> Recipe {
    Recipe {
        event: recipe.event.clone(),
        step: recipe.step.clone(),
        asset: recipe.asset.clone(),
        inputs: recipe.inputs.clone(),
    }
}

async fn rows_of(
    services: &Services,
    recipe: &Recipe,
    table: &Table,
    interval: Option<Interval>,
) -> Result<BatchStream, RunError> {
    let as_of = recipe.event.event.as_of;
    let tables = inputs_of(services, &recipe.inputs, recipe.inputs.keys()).await?;
    let call =
        TableCall { services, asset: &recipe.asset.name, table, as_of, interval, run: None, tie: None, each: None };
    let session = session_for(&call, tables).await?;
    let options =
        BuildOptions { time_column: table.time.clone(), interval, track_availability: true, ..BuildOptions::default() };
    Ok(session.execute(&query(table, None)?, &options).await?)
}
