//! What a plan says of the searches of its trainings.

use baton_core::asset::{Model, SearchPruning};
use baton_core::{AssetName, Definition};
use baton_ml::search::Pruning;
use baton_plan::{Change, Plan, PlannedSearch, Stage, stages};

use super::search::MOST_TRIALS;
use crate::prepare::Prepared;
use crate::services::Services;
use crate::tracked::known_trials;
use crate::training::pruning;

/// The searches of the models that the plan trains and whose search the project describes. What is tracked of them is told
/// where it can be read; a plan does not depend on it.
pub(super) async fn planned_searches(services: &Services, prepared: &Prepared, plan: &Plan) -> Vec<PlannedSearch> {
    let mut searches = Vec::new();
    for stage in stages(plan) {
        let Stage::Train { asset, .. } = stage else { continue };
        let found = prepared.project.assets.get(asset.as_str()).map(|found| &found.definition);
        let Some(Definition::Model(model)) = found else { continue };
        let Some(mut search) = planned_search(&asset, model, plan) else { continue };
        search.known_trials = known_trials(services, &prepared.project.name, &asset).await;
        searches.push(search);
    }
    searches
}

fn planned_search(asset: &AssetName, model: &Model, plan: &Plan) -> Option<PlannedSearch> {
    let train = &model.train;
    let said = train.search.as_ref()?;
    let prune = match pruning(said) {
        Pruning::Off => SearchPruning::None,
        Pruning::Half => SearchPruning::Half,
        Pruning::Median { .. } => SearchPruning::Median,
        Pruning::Halving { .. } => SearchPruning::Halving,
    };
    let planned = plan.asset(asset.as_str());
    Some(PlannedSearch {
        model: asset.clone(),
        algorithm: train.algorithm.clone(),
        metric: train.metric.clone(),
        method: said.method,
        prune,
        trials: (train.trials < MOST_TRIALS).then_some(train.trials),
        budget_seconds: said.budget,
        patience: said.patience,
        parallel: said.parallel,
        known_trials: None,
        has_new_data: planned.is_some_and(|planned| planned.takes_data || planned.change == Change::Data),
    })
}
