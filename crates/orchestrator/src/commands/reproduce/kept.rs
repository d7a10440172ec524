//! Rebuilding a table whose rows outlast what its inputs say: every recorded step from its beginning on, in order, in a
//! scratch table. Each step's rows are held against those that it was recorded to make, so that the first one that
//! comes out otherwise is named.

use baton_core::asset::Table;
use baton_core::{AssetName, Event, TableVersion};
use baton_lake::{Change, CommitInfo, RowDigest};
use serde_json::json;

use super::recipe::{Reason, Recipe, table_recipe};
use super::scratch::Scratch;
use crate::commands::diff::RowSide;
use crate::commands::environments::{MergedRows, RowMerge};
use crate::error::RunError;
use crate::services::Services;
use crate::sessions::inputs_of;
use crate::steps::{Batch, RecordedStep, version_of};

/// A recorded step of a table.
struct Link {
    recipe: Recipe,
    table: Table,
    /// Set when a promotion made the version, of the rows of both sides.
    merged: Option<MergedRows>,
}

/// The recorded steps that led to a version, oldest first.
pub(super) struct Chain {
    links: Vec<Link>,
}

/// A table that was kept again.
pub(super) struct Kept {
    pub(super) digest: RowDigest,
    pub(super) side: RowSide,
    /// How it went, in words.
    pub(super) detail: String,
}

impl Chain {
    /// The grain of the newest definition.
    pub(super) fn grain(&self) -> Vec<String> {
        self.links.last().map(|link| link.table.grain.clone()).unwrap_or_default()
    }

    /// Takes all steps again into `scratch`.
    pub(super) async fn keep_again(
        &self,
        services: &Services,
        asset: &AssetName,
        scratch: &Scratch,
    ) -> Result<Kept, RunError> {
        let (mut stored, mut first_other) = (None, None);
        for (done, link) in self.links.iter().enumerate() {
            services.progress.advanced(asset, done as u64, self.links.len() as u64);
            let version = step_again(services, asset, link, stored, scratch).await?;
            let digest = services.lake.snapshot(&version).await?.digest().to_string();
            let pin = &link.recipe.step.output.pin;
            if pin.digest.as_deref().is_some_and(|recorded| recorded != digest) {
                first_other.get_or_insert_with(|| pin.version.to_string());
            }
            stored = Some(version);
        }
        let Some(version) = stored else { return Err(RunError::Project("there is nothing to rebuild".to_owned())) };
        let snapshot = services.lake.snapshot(&version).await?;
        let steps = match self.links.len() {
            1 => "its one recorded step taken again".to_owned(),
            steps => format!("{steps} recorded steps taken again in order"),
        };
        let detail = match first_other {
            Some(first) => format!("{steps}, and {first} is the first that comes out otherwise"),
            None => steps,
        };
        let side = RowSide { schema: snapshot.schema().clone(), files: snapshot.files().to_vec(), clock: None };
        Ok(Kept { digest: snapshot.digest(), side, detail })
    }
}

/// Walks back from a version to the one that was made from nothing. `None` for a version of a table that its inputs
/// decide.
pub(super) async fn chain_of(
    services: &Services,
    steps: &[(Event, RecordedStep)],
    version: &TableVersion,
) -> Result<Result<Option<Chain>, Reason>, RunError> {
    let (mut links, mut next) = (Vec::new(), Some(version.clone()));
    while let Some(version) = next.take() {
        let (recipe, table) = match table_recipe(services, steps, &version).await? {
            Ok(found) => found,
            Err(reason) => return Ok(Err(reason)),
        };
        let merged = MergedRows::recorded(&recipe.step.key);
        match (table.materialize.is_stateful(), &merged) {
            (true, _) => next = recipe.step.key.base.as_deref().and_then(version_of),
            // What the rows were merged onto is made of its inputs: it stands for itself.
            (false, Some(_)) => {}
            (false, None) => return Ok(Ok(None)),
        }
        links.push(Link { recipe, table, merged });
    }
    links.reverse();
    Ok(Ok(Some(Chain { links })))
}

async fn step_again(
    services: &Services,
    asset: &AssetName,
    link: &Link,
    stored: Option<TableVersion>,
    scratch: &Scratch,
) -> Result<TableVersion, RunError> {
    let as_of = link.recipe.event.event.as_of;
    let info = CommitInfo { operation: "WRITE".to_owned(), at: as_of, metadata: json!({"reproduces": asset}) };
    if let Some(merged) = &link.merged {
        return merge_again(services, merged.clone(), stored, scratch, &info).await;
    }
    let batch = Batch {
        asset,
        table: &link.table,
        stored,
        location: scratch.location.clone(),
        since: link.recipe.step.key.interval.map(|interval| interval.start),
        as_of,
        run: None,
        tie: None,
        checks: Vec::new(),
        spill_joins: false,
    };
    let inputs = inputs_of(services, &link.recipe.inputs, link.recipe.inputs.keys()).await?;
    let outcome = batch.meet(services, inputs).await?;
    batch.publish(services, outcome, &info).await
}

/// The rows of a promotion, merged onto what was rebuilt so far.
async fn merge_again(
    services: &Services,
    merged: MergedRows,
    stored: Option<TableVersion>,
    scratch: &Scratch,
    info: &CommitInfo,
) -> Result<TableVersion, RunError> {
    let base = stored.as_ref().map(|stored| stored.version);
    let merged = MergedRows { target: stored.unwrap_or_else(|| merged.target.clone()), ..merged };
    let stream = RowMerge::open(services, merged).await?.stream().await?;
    let schema = stream.schema();
    let files = scratch.keep(services, base, stream).await?;
    Ok(services.lake.commit(&scratch.location, &schema, base, Change::Replace(files), info).await?)
}
