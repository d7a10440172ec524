//! What a recorded version was made from: steps, definitions, and the exact versions that they read.

use std::collections::BTreeMap;

use baton_core::asset::Table;
use baton_core::{Asset, AssetName, Definition, Event, Fingerprint, IntervalSet, Kind, Pin, TableVersion, Version};

use crate::definitions::recorded_definition;
use crate::error::RunError;
use crate::services::Services;
use crate::steps::{RecordedStep, recorded_steps, version_of};
use crate::stored::is_whole;

/// Why a version cannot be rebuilt, in words; not an error of the machinery.
pub(super) type Reason = String;

/// A recorded step with what is needed to do it again.
pub(super) struct Recipe {
    pub(super) event: Event,
    pub(super) step: RecordedStep,
    /// The definition of then.
    pub(super) asset: Asset,
    /// What its inputs were, by name.
    pub(super) inputs: BTreeMap<AssetName, Pin>,
}

/// All recorded steps of an asset, oldest first.
pub(super) async fn steps_of(services: &Services, asset: &AssetName) -> Result<Vec<(Event, RecordedStep)>, RunError> {
    recorded_steps(services, asset, None, u32::MAX).await
}

/// The step that made a table version.
pub(super) fn step_that_made<'s>(
    steps: &'s [(Event, RecordedStep)],
    version: &TableVersion,
) -> Option<&'s (Event, RecordedStep)> {
    steps.iter().find(|(_, step)| step.output.pin.version == Version::Table(version.clone()))
}

/// Completes a step with its definition and inputs.
pub(super) async fn recipe(
    services: &Services,
    (event, step): &(Event, RecordedStep),
) -> Result<Result<Recipe, Reason>, RunError> {
    let pin = &step.output.pin;
    let definition = match &pin.definition {
        Some(key) => recorded_definition(services, key).await?,
        None => None,
    };
    let Some(asset) = definition else {
        return Ok(Err("its definition was not recorded, or by a version of Baton that wrote it otherwise".to_owned()));
    };
    let inputs = inputs_of_step(step);
    for (name, pin) in &inputs {
        if let Some(version) = pin.version.table().filter(|_| pin.kind == Kind::Table)
            && !is_whole(services, version).await
        {
            return Ok(Err(format!("its input {name} was collected: files of {version} are gone")));
        }
    }
    Ok(Ok(Recipe { event: event.clone(), step: step.clone(), asset, inputs }))
}

/// Completes the step that made a version of a table, with the table as it was defined then.
pub(super) async fn table_recipe(
    services: &Services,
    steps: &[(Event, RecordedStep)],
    version: &TableVersion,
) -> Result<Result<(Recipe, Table), Reason>, RunError> {
    let Some(made) = step_that_made(steps, version) else {
        return Ok(Err(format!("the step that made {version} is not recorded")));
    };
    Ok(match recipe(services, made).await? {
        Ok(recipe) => match recipe.asset.definition.clone() {
            Definition::Table(table) => Ok((recipe, table)),
            _ => Err("it was no table then".to_owned()),
        },
        Err(reason) => Err(reason),
    })
}

/// Recorded pins of views, and pins that stand for the table versions named by the texts of inputs. The key says what
/// was read; the pin of a table that was restated in part keeps the inputs of its other rows.
fn inputs_of_step(step: &RecordedStep) -> BTreeMap<AssetName, Pin> {
    let mut inputs = step.views.clone();
    let read = step.key.inputs.iter().filter_map(|(name, text)| Some((AssetName::parse(name).ok()?, text)));
    let by_views = step.views.values().flat_map(|pin| &pin.inputs).map(|(name, text)| (name.clone(), text));
    for (name, text) in read.chain(by_views) {
        if let Some(version) = version_of(text).filter(|_| !step.views.contains_key(&name)) {
            inputs.entry(name).or_insert_with(|| stored(version));
        }
    }
    inputs
}

fn stored(version: TableVersion) -> Pin {
    Pin {
        kind: Kind::Table,
        fingerprint: Fingerprint::of([&version.location]),
        metadata: None,
        definition: None,
        tagged: BTreeMap::new(),
        columns: BTreeMap::new(),
        version: Version::Table(version),
        intervals: IntervalSet::default(),
        rows: None,
        digest: None,
        known_through: None,
        declared: None,
        inputs: BTreeMap::new(),
    }
}
