//! Plan, apply, run: the three commands that compare and move an environment.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::asset::Materialize;
use baton_core::{Asset, AssetName, Definition, EventKind, Kind, Pin, Timestamp};
use baton_plan::{
    Change, DesiredAsset, KeptOtherwise, Plan, PlanInput, PlanOptions, PlannedAsset, build_plan, estimate, run_stages,
    stages,
};
use serde_json::json;

use super::past::past;
use crate::definitions::{definition_key, recorded_definition};
use crate::error::RunError;
use crate::evidence::{as_declared, proven};
use crate::execution::{APPLY, Applied, Execution};
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
    mut options: PlanOptions,
) -> Result<Plan, RunError> {
    let mut recorded = services.ledger.head(environment).await?;
    if let Some(commit) = &mut recorded {
        // Predictions are made by runs; the project does not declare them.
        let predictions = predictions(prepared);
        commit.assets.retain(|name, _| !predictions.contains(name));
    }
    let pins = recorded.as_ref().map(|commit| commit.assets.clone()).unwrap_or_default();
    let deliveries = waiting_deliveries(services, prepared, environment, &pins, as_of).await?;
    options.needs_approval = owners_approve(prepared, environment);
    options.former_owners = former_owners(services, prepared, &pins).await?;
    options.kept_otherwise = kept_otherwise(services, prepared, &pins).await?;
    options.as_declared = recorded.as_ref().map(|commit| as_declared(prepared, commit)).unwrap_or_default();
    let (desired, recorded) = (&prepared.desired, recorded.as_ref());
    let input = PlanInput { environment, as_of, desired, recorded, deliveries: &deliveries, options: &options };
    let mut plan = build_plan(input);
    let proven = proven(services, prepared, input, &plan).await?;
    if !proven.is_empty() {
        options.proven = proven;
        plan =
            build_plan(PlanInput { environment, as_of, desired, recorded, deliveries: &deliveries, options: &options });
    }
    let past = past(services, &plan, &pins).await?;
    let covered = pins.into_iter().map(|(name, pin)| (name, pin.intervals)).collect();
    plan.estimate = estimate(&plan, &past, &covered);
    Ok(plan)
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
        if *key == definition_key(asset) {
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
    execution.execute(&stages(plan)).await
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
    tick(services, prepared, (environment, as_of), |_| true).await
}

/// As [`run`], for these assets only: what they read is taken as it stands.
pub async fn run_selected(
    services: &Services,
    prepared: &Prepared,
    environment: &str,
    as_of: Timestamp,
    selected: &BTreeSet<AssetName>,
) -> Result<RunReport, RunError> {
    tick(services, prepared, (environment, as_of), |name| selected.contains(name)).await
}

async fn tick(
    services: &Services,
    prepared: &Prepared,
    (environment, as_of): (&str, Timestamp),
    is_wanted: impl Fn(&AssetName) -> bool,
) -> Result<RunReport, RunError> {
    let commit = super::head(services, environment).await?;
    let mut execution = Execution::begin(services, prepared, environment, as_of, "run").await?;
    let mut assets: Vec<(AssetName, Kind)> = Vec::new();
    for name in prepared.desired.order.iter().filter(|name| is_wanted(name)) {
        let Some(desired) = prepared.desired.assets.get(name) else { continue };
        if commit.assets.get(name).is_some_and(|pin| is_applied(pin, desired)) {
            assets.push((name.clone(), desired.kind));
        } else {
            execution.note_unapplied(name);
        }
    }
    execution.execute(&run_stages(&assets)).await
}

/// Whether an asset in the environment is what the project says: a run does not bring changes of the project along.
pub(super) fn is_applied(pin: &Pin, desired: &DesiredAsset) -> bool {
    pin.kind == desired.kind && pin.fingerprint == desired.rows && pin.columns == desired.columns
}
