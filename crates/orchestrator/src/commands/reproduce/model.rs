//! Rebuilding a model version: its training set from recorded inputs, then search and fit on it, with the recorded
//! definition.

use std::collections::BTreeMap;

use baton_core::asset::Model;
use baton_core::{Asset, AssetName, Definition, Graph, Kind, Pin};
use baton_engine::table::visible_schema;
use baton_lake::{RowDigest, conform, delta_schema};
use baton_project::Project;

use super::recipe::{Reason, Recipe, recipe, steps_of};
use crate::definitions::recorded_definition;
use crate::error::RunError;
use crate::execution::Execution;
use crate::prepare::Prepared;
use crate::registry::ModelVersion;
use crate::services::Services;
use crate::training::TrainingSet;

/// The environment of a rebuild; no environment can have this name.
pub(super) const NOWHERE: &str = ".reproduce";

/// A model trained again.
pub(super) struct Trained {
    /// Digest of the stored form.
    pub(super) digest: String,
    /// Whether its training set came out the same.
    pub(super) same_rows: bool,
    /// Rows of the training set.
    pub(super) rows: usize,
}

/// Trains `version` again from what it was recorded to be made from.
pub(super) async fn train_again(
    services: &Services,
    version: &ModelVersion,
) -> Result<Result<Trained, Reason>, RunError> {
    let steps = steps_of(services, &version.model).await?;
    let made = steps.iter().find(|(event, step)| {
        step.key.verb == "train"
            && step.output.pin.digest.as_ref() == Some(&version.digest)
            && event.event.as_of == version.as_of
    });
    let Some(made) = made else { return Ok(Err("the step that trained it is not recorded".to_owned())) };
    let recipe = match recipe(services, made).await? {
        Ok(recipe) => recipe,
        Err(reason) => return Ok(Err(reason)),
    };
    let Definition::Model(model) = &recipe.asset.definition else {
        return Ok(Err("it was no model then".to_owned()));
    };
    let model = &of_version(model, version);
    let prepared = match prepared_for(services, &recipe).await? {
        Ok(prepared) => prepared,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut execution = Execution::begin(services, &prepared, NOWHERE, version.as_of, "reproduce").await?;
    execution.working.clone_from(&recipe.inputs);
    let (rows, features, times) = execution.training_rows(&version.model, model).await?;
    let stored = conform(&rows, &delta_schema(&rows.schema())?)?;
    let recorded = services.lake.snapshot(&version.training_set).await?.digest();
    let set = TrainingSet { version: version.training_set.clone(), rows, features, times };
    let fitted = execution.fit(&version.model, model, &set).await?;
    Ok(Ok(Trained {
        digest: fitted.stored.digest(),
        same_rows: RowDigest::of(&stored)? == recorded,
        rows: set.rows.num_rows(),
    }))
}

/// The model as it was declared, whose registered version is the one that came in then, wherever the alias points by now,
/// and whose search has as many trials as time allowed then.
fn of_version(model: &Model, version: &ModelVersion) -> Model {
    let mut model = model.clone();
    if let (Some(reference), Some(origin)) = (&mut model.train.registered, &version.origin) {
        *reference = reference.at(origin.version.number);
    }
    if let (Some(trials), Some(search)) = (version.trials, &mut model.train.search) {
        model.train.trials = trials;
        search.budget = None;
    }
    model
}

/// As much of a project as training reads: the model and its feature views as they were declared then.
async fn prepared_for(services: &Services, recipe: &Recipe) -> Result<Result<Prepared, Reason>, RunError> {
    let mut project = Project::default();
    project.assets.insert(recipe.asset.name.clone(), recipe.asset.clone());
    let views = recipe.inputs.iter().filter(|(_, pin)| pin.kind == Kind::FeatureView);
    for (name, pin) in views {
        let declared = match &pin.definition {
            Some(key) => recorded_definition(services, key).await?,
            None => None,
        };
        let Some(view) = declared else { return Ok(Err(format!("the definition of {name} was not recorded"))) };
        project.assets.insert(name.clone(), view);
    }
    let mut graph = Graph::new();
    graph.insert(recipe.asset.name.clone(), recipe.step.output.pin.inputs.keys().cloned());
    let schemas = schemas_of(services, &project.assets, &recipe.inputs).await?;
    Ok(Ok(Prepared::recorded(project, graph, schemas)))
}

/// The columns of the tables behind the feature views.
pub(super) async fn schemas_of(
    services: &Services,
    assets: &BTreeMap<AssetName, Asset>,
    inputs: &BTreeMap<AssetName, Pin>,
) -> Result<BTreeMap<AssetName, arrow::datatypes::SchemaRef>, RunError> {
    let mut schemas = BTreeMap::new();
    for asset in assets.values() {
        let Definition::FeatureView(view) = &asset.definition else { continue };
        if inputs.contains_key(&view.from) {
            let session = crate::sessions::session_of(services, inputs, [&view.from], None).await?;
            let query = format!("select * from {} limit 0", crate::checks::quoted(&view.from));
            schemas.insert(view.from.clone(), visible_schema(&session.query_stream(&query).await?.schema()));
        }
    }
    Ok(schemas)
}
