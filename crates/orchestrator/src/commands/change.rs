//! Plan, apply, run: the three commands that compare and move an environment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use baton_core::asset::Materialize;
use baton_core::{Asset, AssetName, Commit, Definition, EventKind, Kind, Pin, Timestamp};
use baton_plan::{
    Change, KeptOtherwise, Plan, PlanInput, PlanOptions, PlannedAsset, Stage, compare, complete_plan, estimate,
    run_stages, stages,
};
use serde_json::json;

use super::past::past;
use super::planned_searches::planned_searches;
use super::rescheduled::reached_schedules;
use crate::definitions::{definition_key, recorded_definition};
use crate::error::RunError;
use crate::evidence::{as_declared, proven};
use crate::execution::{APPLY, Applied, Execution};
use crate::exports::due_stages;
use crate::prepare::Prepared;
use crate::report::RunReport;
use crate::services::Services;
use crate::steps::waiting_deliveries;

/// Compares the project with an environment. Reads, never writes.
pub async fn plan(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    as_of: Timestamp,
) -> Result<Plan, RunError> {
    plan_with(services, prepared, environment, as_of, PlanOptions::default()).await
}

/// As [`plan`], limited as `options` say.
pub(super) async fn plan_with(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    as_of: Timestamp,
    options: PlanOptions,
) -> Result<Plan, RunError> {
    planned(services, prepared, (environment, as_of), options, Detail::All).await
}

/// As [`plan`], as far as it says what happens to each asset: nothing is tried or estimated.
pub(super) async fn changes(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    as_of: Timestamp,
) -> Result<Plan, RunError> {
    planned(services, prepared, (environment, as_of), PlanOptions::default(), Detail::Changes).await
}

/// How much is found out for a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// What happens to each asset, by its definition.
    Changes,
    /// That, what recorded data proves of it, and what the work will come to.
    All,
}

async fn planned(
    services: &Services,
    prepared: &Prepared,
    (environment, as_of): (&str, Timestamp),
    mut options: PlanOptions,
    detail: Detail,
) -> Result<Plan, RunError> {
    let recorded = recorded(services, prepared, environment).await?;
    let (desired, recorded, nothing) = (&prepared.desired, recorded.as_deref(), BTreeMap::new());
    let pins = recorded.map_or(&nothing, |commit| &commit.assets);
    let deliveries = waiting_deliveries(services, prepared, environment, pins, as_of).await?;
    options.needs_approval = owners_approve(prepared, environment);
    options.former_owners = former_owners(services, prepared, pins).await?;
    options.kept_otherwise = kept_otherwise(services, prepared, pins).await?;
    options.as_declared = recorded.map(|commit| as_declared(prepared, commit)).unwrap_or_default();
    let input = PlanInput { environment, as_of, desired, recorded, deliveries: &deliveries, options: &options };
    let assets = compare(input);
    if detail == Detail::Changes {
        return Ok(complete_plan(input, assets));
    }
    options.proven = proven(services, prepared, input, &assets).await?;
    let input = PlanInput { environment, as_of, desired, recorded, deliveries: &deliveries, options: &options };
    let mut plan = complete_plan(input, assets);
    plan.blast_radius.schedules = reached_schedules(prepared, &plan);
    let past = past(services, &plan, pins).await?;
    let has_time = pins.iter().filter(|(_, pin)| !pin.intervals.is_empty());
    let covered = has_time.map(|(name, pin)| (name.clone(), pin.intervals.clone())).collect();
    plan.estimate = estimate(&plan, &past, &covered);
    plan.searches = planned_searches(services, prepared, &plan).await;
    Ok(plan)
}

/// What the environment points at, to be compared with the project.
async fn recorded(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
) -> Result<Option<Arc<Commit>>, RunError> {
    let environments = services.ledger.environments().await?;
    let Some(now) = environments.into_iter().find(|found| found.name == environment) else { return Ok(None) };
    // A commit never changes: the one that the project was resolved against is not read again.
    let known = prepared.head.as_ref().filter(|head| head.id == now.commit).map(Arc::clone);
    let head = match known {
        Some(head) => Some(head),
        None => services.ledger.head(environment).await?.map(Arc::new),
    };
    // Predictions are made by runs; the project does not declare them.
    let predictions = predictions(prepared);
    let is_otherwise = |(name, pin): (&AssetName, &Pin)| predictions.contains(name) || pin.declared.is_some();
    Ok(head.map(|mut head| {
        if head.assets.iter().any(is_otherwise) {
            let assets = &mut Arc::make_mut(&mut head).assets;
            assets.retain(|name, _| !predictions.contains(name));
            as_with_defaults(prepared, assets);
        }
        head
    }))
}

/// Takes what a run made with values of parameters for what it would be with their defaults, as far as the project asks for
/// that: the next run makes it so, and nobody changed anything.
fn as_with_defaults(prepared: &Prepared, pins: &mut BTreeMap<AssetName, Pin>) {
    for (name, pin) in pins.iter_mut().filter(|(_, pin)| pin.declared.is_some()) {
        let Some(desired) = prepared.desired.assets.get(name) else { continue };
        if pin.is_declared(&desired.content()) {
            pin.fingerprint.clone_from(&desired.rows);
            pin.columns.clone_from(&desired.columns);
            pin.definition = prepared.project.assets.get(name).map(definition_key);
        }
    }
}

/// The project's policy: whether owners agree to what breaks in `environment` before it moves, whichever way it moves.
pub(super) fn owners_approve(prepared: &Prepared, environment: &str) -> bool {
    prepared.project.policies.owners_approve_breaking
        && prepared.project.environments.get(environment).is_some_and(|found| found.protected)
}

/// Who answered for what the project no longer has.
async fn former_owners(
    services: &Services,
    prepared: &Prepared,
    pins: &BTreeMap<AssetName, Pin>,
) -> Result<BTreeMap<AssetName, String>, RunError> {
    let mut owners = BTreeMap::new();
    let gone = pins.iter().filter(|(name, _)| !prepared.desired.assets.contains_key(*name));
    for (name, key) in gone.filter_map(|(name, pin)| Some((name, pin.definition.as_ref()?))) {
        let owner = recorded_definition(services, key).await?.and_then(|asset| asset.owner);
        owners.extend(owner.map(|owner| (name.clone(), owner)));
    }
    Ok(owners)
}

/// Stateful tables of the environment that the project would keep in another way, or have as something else.
async fn kept_otherwise(
    services: &Services,
    prepared: &Prepared,
    pins: &BTreeMap<AssetName, Pin>,
) -> Result<BTreeMap<AssetName, KeptOtherwise>, RunError> {
    let mut found = BTreeMap::new();
    for (name, pin) in pins.iter().filter(|(_, pin)| pin.kind == Kind::Table) {
        let (Some(asset), Some(key)) = (prepared.project.assets.get(name), &pin.definition) else { continue };
        // How rows are kept is part of what decides which there are.
        let has_same_rows = prepared.desired.assets.get(name).is_some_and(|desired| desired.rows == pin.fingerprint);
        if has_same_rows || *key == definition_key(asset) {
            continue;
        }
        let Some(recorded) = recorded_definition(services, key).await? else { continue };
        let (before, now) = (kept_as(&recorded), kept_as(asset));
        if before != now && is_stateful(&recorded) {
            found.insert(name.clone(), KeptOtherwise { before, now });
        }
    }
    Ok(found)
}

fn is_stateful(asset: &Asset) -> bool {
    matches!(&asset.definition, Definition::Table(table) if table.materialize.is_stateful())
}

/// How an asset's rows are kept, with the key where it decides which rows there are; for what is no table, its kind.
fn kept_as(asset: &Asset) -> String {
    match &asset.definition {
        Definition::Table(table) => match table.materialize {
            Materialize::Merge | Materialize::History => {
                format!("{} by {}", table.materialize.word(), table.grain.join(", "))
            }
            other => other.word().to_owned(),
        },
        _ => asset.kind().to_string(),
    }
}

/// The tables that endpoints write their predictions to.
fn predictions(prepared: &Prepared) -> BTreeSet<AssetName> {
    let endpoints = prepared.desired.assets.iter().filter(|(_, desired)| desired.kind == Kind::Endpoint);
    endpoints.map(|(endpoint, _)| crate::watch::predictions_of(endpoint)).collect()
}

/// Executes a plan; refused when the environment has moved since it was made.
///
/// # Errors
/// Those of the stores, and [`RunError::Project`] when a part of the plan is refused.
pub async fn apply(services: &Services, prepared: &Prepared, plan: &Plan) -> Result<RunReport, RunError> {
    refuse(plan)?;
    let execution = Execution::begin(services, prepared, &plan.environment, plan.as_of, APPLY).await?;
    let found = execution.base.as_ref().map(|commit| commit.id.clone());
    if found != plan.base {
        let show = |id: Option<&baton_core::CommitId>| id.map_or("no commit".to_owned(), |id| id.short().to_owned());
        return Err(RunError::Ledger(baton_core::ports::LedgerError::Moved {
            environment: plan.environment.clone(),
            expected: show(plan.base.as_ref()),
            found: show(found.as_ref()),
        }));
    }
    let mut execution = execution;
    execution.applied = applied(plan);
    if !plan.is_empty() {
        let event = baton_core::NewEvent {
            at: services.clock.now(),
            as_of: plan.as_of,
            environment: plan.environment.clone(),
            run: Some(execution.run.clone()),
            asset: None,
            kind: EventKind::ProjectApplied,
            key: plan.environment.clone(),
            body: json!({"plan": plan, "author": services.author}),
        };
        execution.pending.push(event);
    }
    let mut stages = stages(plan);
    if !stages.is_empty() {
        // What was held back by the plan's limits is not applied, which the step sees.
        stages.extend(due_stages(&prepared.project, &plan.environment, &services.asked, |_| true));
    }
    execution.execute(&stages).await
}

/// Names everything that would lose rows at once, before anything is done.
fn refuse(plan: &Plan) -> Result<(), RunError> {
    let refused = plan.assets.iter().filter_map(|asset| Some(format!("`{}`: {}", asset.name, asset.refused.as_ref()?)));
    let refused: Vec<String> = refused.collect();
    if refused.is_empty() { Ok(()) } else { Err(RunError::Project(refused.join("\n"))) }
}

/// What an execution must know of the plan beside its stages.
fn applied(plan: &Plan) -> Applied {
    let names = |wanted: &dyn Fn(&PlannedAsset) -> bool| -> BTreeSet<AssetName> {
        plan.assets.iter().filter(|asset| wanted(asset)).map(|asset| asset.name.clone()).collect()
    };
    let is_kept = |asset: &PlannedAsset| {
        matches!(asset.change, Change::Unchanged | Change::MetadataOnly)
            && matches!(asset.kind, Kind::Table | Kind::FeatureView)
    };
    Applied {
        redefined: names(&|asset| matches!(asset.change, Change::Additive | Change::Breaking)),
        kept: names(&is_kept),
        from_nothing: names(&|asset| asset.from_nothing),
        ..Applied::default()
    }
}

/// One tick of the schedule: data forward, rows scored, endpoints watched, policies followed.
pub async fn run(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    as_of: Timestamp,
) -> Result<RunReport, RunError> {
    tick(services, prepared, (environment, as_of), |_| true, true).await
}

/// As [`run`], for a replay of what was: only `is_last`, where the environment stays, delivers to systems outside.
pub(super) async fn run_again(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    as_of: Timestamp,
    is_last: bool,
) -> Result<RunReport, RunError> {
    tick(services, prepared, (environment, as_of), |_| true, is_last).await
}

/// As [`run`], for these assets only: what they read is taken as it stands.
pub async fn run_selected(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    as_of: Timestamp,
    selected: &BTreeSet<AssetName>,
) -> Result<RunReport, RunError> {
    tick(services, prepared, (environment, as_of), |name| selected.contains(name), true).await
}

async fn tick(
    services: &Services,
    prepared: &Prepared,
    (environment, as_of): (&str, Timestamp),
    is_wanted: impl Fn(&AssetName) -> bool,
    delivers: bool,
) -> Result<RunReport, RunError> {
    let commit = super::head(services, environment).await?;
    let mut execution = Execution::begin(services, prepared, environment, as_of, "run").await?;
    let mut assets: Vec<(AssetName, Kind)> = Vec::new();
    for name in prepared.desired.order.iter().filter(|name| is_wanted(name)) {
        let Some(desired) = prepared.desired.assets.get(name) else { continue };
        if commit.assets.get(name).is_some_and(|pin| is_applied(pin, name, prepared)) {
            assets.push((name.clone(), desired.kind));
        } else {
            execution.note_unapplied(name);
        }
    }
    let mut stages = run_stages(&assets);
    if delivers {
        // Those that are not applied were noted above.
        let is_new = |stage: &Stage| stage.asset().is_some_and(|asset| !execution.failed.contains(asset));
        let due = due_stages(&prepared.project, environment, &services.asked, is_wanted);
        stages.extend(due.into_iter().filter(is_new));
    }
    execution.execute(&stages).await
}

/// Whether an asset in the environment is what the project says: a run does not bring changes of the project along.
/// The values of parameters that either was made with are no change of the project.
pub(crate) fn is_applied(pin: &Pin, name: &AssetName, prepared: &Prepared) -> bool {
    let Some(desired) = prepared.desired.assets.get(name) else { return false };
    let is_same = pin.fingerprint == desired.rows && pin.columns == desired.columns;
    let declared = prepared.declared.get(name).cloned();
    pin.kind == desired.kind && (is_same || pin.is_declared(&declared.unwrap_or_else(|| desired.content())))
}
