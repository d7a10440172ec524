//! Plans that are limited to a selection: the rest of the project stands as the environment has it.
//!
//! What is not selected is taken with its recorded definition, so that types, lineage and fingerprints of what is
//! selected are those of what it will be built on, and a later plan of the whole project sees that it was.

use std::collections::BTreeSet;

use baton_core::{AssetName, Commit, Timestamp};
use baton_diagnostics::Severity;
use baton_plan::{Change, HeldAsset, LastRun, Plan, PlanOptions, PlanScope, SavedPlan, Selected, Selection, Unmatched};
use baton_project::Project;

use super::change::{changes, plan_with};
use super::resuming::last_run;
use super::selecting::resolve;
use crate::definitions::{definition_key, recorded_definition};
use crate::error::RunError;
use crate::prepare::{Prepared, prepare};
use crate::services::Services;

/// What a caller asks of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanRequest {
    /// Only these assets, in the grammar of selections; empty means all.
    pub select: Vec<String>,
    /// Not these.
    pub exclude: Vec<String>,
    /// Whether incremental tables are made from nothing.
    pub full_refresh: bool,
    /// Stateful tables that are made from nothing.
    pub recreate: BTreeSet<AssetName>,
}

/// A plan and the project that it is executed with.
pub struct PlannedChange {
    /// The plan, sealed.
    pub saved: SavedPlan,
    /// The project as planned: for a selection, with the recorded definitions of the rest.
    pub prepared: Prepared,
    /// Expressions of the selection that match nothing.
    pub unmatched: Vec<Unmatched>,
}

impl PlanRequest {
    /// The request that a plan was made for.
    pub fn of(plan: &Plan) -> Self {
        let scope = plan.scope.clone().unwrap_or_default();
        Self { select: scope.select, exclude: scope.exclude, ..Self::default() }
    }
}

/// Plans what `request` asks for. Reads, never writes.
///
/// # Errors
/// Those of the stores, of the selection, and [`RunError::Project`] when what is selected cannot stand on the rest.
pub async fn plan_change(
    services: &Services,
    prepared: Prepared,
    environment: &str,
    as_of: Timestamp,
    request: &PlanRequest,
) -> Result<PlannedChange, RunError> {
    let options = PlanOptions {
        full_refresh: request.full_refresh,
        recreate: request.recreate.clone(),
        ..PlanOptions::default()
    };
    let fingerprint = prepared.desired.fingerprint();
    let seal = |plan: Plan| {
        SavedPlan::given(&prepared.project.name, fingerprint.clone(), services.asked.parameters.clone(), plan)
    };
    let selection = Selection::parse(&request.select)?.excluding(&request.exclude)?;
    if selection.is_everything() {
        let plan = plan_with(services, &prepared, environment, as_of, options).await?;
        return Ok(PlannedChange { saved: seal(plan), prepared, unmatched: Vec::new() });
    }
    let whole = changes(services, &prepared, environment, as_of).await?;
    let last_run = match selection.needs_run() {
        true => last_run(services, environment).await?,
        false => LastRun::default(),
    };
    let Selected { assets: selected, unmatched } = resolve(&prepared, &selection, Some(&whole), Some(&last_run))?;
    let project = limited_project(services, &prepared, environment, &selected).await?;
    let (limited, diagnostics) = prepare(services, project, environment, as_of).await?;
    let Some(mut limited) = limited else {
        let errors = diagnostics.iter().filter(|found| found.severity == Severity::Error);
        let messages: Vec<&str> = errors.map(|found| found.message.as_str()).collect();
        return Err(RunError::Project(format!(
            "the selection cannot stand on what environment `{environment}` has of the rest: {}; select what it reads too, as with `+x`",
            messages.join("; ")
        )));
    };
    limited.declared.clone_from(&prepared.declared);
    let held = whole.assets.iter().filter(|asset| !selected.contains(&asset.name) && asset.change != Change::Unchanged);
    let held = held.map(|asset| HeldAsset { name: asset.name.clone(), kind: asset.kind, change: asset.change });
    let scope = PlanScope { select: request.select.clone(), exclude: request.exclude.clone(), held: held.collect() };
    let options = PlanOptions { scope: Some((scope, selected)), ..options };
    let plan = plan_with(services, &limited, environment, as_of, options).await?;
    Ok(PlannedChange { saved: seal(plan), prepared: limited, unmatched })
}

/// The project with recorded definitions of what is not selected, and without what is new there.
async fn limited_project(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    selected: &BTreeSet<AssetName>,
) -> Result<Project, RunError> {
    let head = services.ledger.head(environment).await?;
    let mut project = Project::clone(&prepared.project);
    let is_held_new = |name: &AssetName| {
        !selected.contains(name) && !head.as_ref().is_some_and(|commit| commit.assets.contains_key(name))
    };
    refuse_missing_inputs(prepared, selected, is_held_new)?;
    project.assets.retain(|name, _| !is_held_new(name));
    for (name, key) in recorded_keys(head.as_ref(), selected) {
        let declared = project.assets.get(&name).map(definition_key);
        if declared.as_ref() != Some(&key)
            && let Some(recorded) = recorded_definition(services, &key).await?
        {
            project.assets.insert(name, recorded);
        }
    }
    Ok(project)
}

/// Definitions in the environment of what is not selected.
fn recorded_keys(head: Option<&Commit>, selected: &BTreeSet<AssetName>) -> Vec<(AssetName, baton_core::Fingerprint)> {
    let pins = head.iter().flat_map(|commit| &commit.assets).filter(|(name, _)| !selected.contains(*name));
    pins.filter_map(|(name, pin)| Some((name.clone(), pin.definition.clone()?))).collect()
}

/// What is selected can be built on recorded versions only where there are some.
fn refuse_missing_inputs(
    prepared: &Prepared,
    selected: &BTreeSet<AssetName>,
    is_held_new: impl Fn(&AssetName) -> bool,
) -> Result<(), RunError> {
    for name in selected {
        let lacking: Vec<String> =
            prepared.graph.inputs(name).filter(|input| is_held_new(input)).map(|input| format!("`{input}`")).collect();
        if !lacking.is_empty() {
            return Err(RunError::Project(format!(
                "`{name}` is selected and reads {}, which the environment does not have yet and which is not selected; select it too, as with `+{name}`",
                lacking.join(", ")
            )));
        }
    }
    Ok(())
}
