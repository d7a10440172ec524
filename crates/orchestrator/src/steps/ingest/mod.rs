//! Landing a source: every new delivery aside, checked, then all good ones in one version.

mod land;
mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{FieldRef, Schema, SchemaRef};
use baton_connectors::{Connector, Unit};
use baton_core::asset::{Load, Source};
use baton_core::check::{Check, CheckResult};
use baton_core::{AssetName, Fingerprint, TableVersion};
use baton_lake::{StagedFile, TableLocation, delta_schema};

use super::key::StepKey;
use super::landed::{LandedUnit, arrived_units, landed_units, looks_landed, refusal_key, refused_keys, terms_of};
use super::output::{RecordedStep, Rejected};
use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::report::counted;

/// A delivery that passed, staged and not visible yet.
struct Staged {
    unit: LandedUnit,
    files: Vec<StagedFile>,
    schema: SchemaRef,
    checks: Vec<CheckResult>,
    /// Undeclared columns that would be of another type by this delivery alone.
    held: Vec<String>,
}

/// What has arrived and is not landed.
struct Waiting {
    connector: &'static dyn Connector,
    units: Vec<(Unit, String)>,
    /// How many were refused before and are not tried again.
    refused: usize,
    /// Why the last of them was.
    reason: String,
}

/// A landing in progress.
struct Arrivals<'a> {
    source: &'a Source,
    location: TableLocation,
    base: Option<TableVersion>,
    /// The columns of the base and of what is staged, as they are stored.
    usual: Option<SchemaRef>,
    checks: Vec<Check>,
    terms: Fingerprint,
    key: StepKey,
    staged: Vec<Staged>,
    rejected: Vec<Rejected>,
}

impl Arrivals<'_> {
    /// Keeps a good delivery; the next ones are held to the types of its columns.
    fn take(&mut self, staged: Staged) -> Result<(), RunError> {
        let found = delta_schema(&staged.schema)?;
        let usual = self.usual.iter().flat_map(|usual| usual.fields());
        let is_new = |field: &&FieldRef| self.usual.iter().all(|usual| usual.field_with_name(field.name()).is_err());
        let fields: Vec<FieldRef> = usual.chain(found.fields().iter().filter(is_new)).cloned().collect();
        self.usual = Some(Arc::new(Schema::new(fields)));
        self.staged.push(staged);
        Ok(())
    }
}

impl Execution<'_> {
    /// Lands what has arrived since; a bad delivery is named and set aside, the others go on.
    pub(crate) async fn ingest(&mut self, asset: &AssetName, source: &Source) -> Result<StepOutcome, RunError> {
        let Some(contract) = self.prepared.desired.assets.get(asset).map(|desired| desired.rows.clone()) else {
            return Ok(StepOutcome::up_to_date());
        };
        let location = TableLocation::new(asset.as_str(), contract.as_str())?;
        let previous = self.version_at(asset, &location);
        let checks = self.checks_of(asset);
        let terms = terms_of(&contract, &checks);
        let waiting = self.waiting_units(asset, source, &terms, previous.as_ref()).await?;
        if waiting.units.is_empty() {
            return match previous {
                Some(_) => self.audit_again(asset, &checks).await,
                None if waiting.refused > 0 => Err(all_refused(asset, waiting.refused, &waiting.reason)),
                None => Err(nothing_arrived(asset, source, self.as_of)),
            };
        }
        let base = if source.load == Load::Append { previous.clone() } else { None };
        let key = landing_key(&terms, base.as_ref(), &waiting.units);
        if self.take_recorded(asset, &key).await?.is_some() || self.take_landed(asset, &key, &waiting.units).await? {
            return Ok(StepOutcome::reused(deliveries(waiting.units.len())));
        }
        let usual = match &base {
            Some(base) => Some(self.services.lake.snapshot(base).await?.schema().clone()),
            None => None,
        };
        let (staged, rejected) = (Vec::new(), Vec::new());
        let mut landing = Arrivals { source, location, base, usual, checks, terms, key, staged, rejected };
        for (unit, hash) in &waiting.units {
            self.services.progress.advanced(asset, landing.staged.len() as u64, waiting.units.len() as u64);
            let outcome = self.stage(asset, waiting.connector, unit, hash, &landing).await;
            self.sort_out(asset, unit, hash, outcome, &mut landing)?;
        }
        if landing.staged.is_empty() {
            return match previous {
                Some(_) => Ok(StepOutcome::done(format!("{} set aside", deliveries(landing.rejected.len())))),
                None => {
                    let reason = landing.rejected.last().map_or("", |rejected| &rejected.reason);
                    Err(all_refused(asset, landing.rejected.len(), reason))
                }
            };
        }
        self.land(asset, landing).await
    }

    /// Takes a version that holds exactly these deliveries, landed in another order or in several runs.
    async fn take_landed(
        &mut self,
        asset: &AssetName,
        key: &StepKey,
        units: &[(Unit, String)],
    ) -> Result<bool, RunError> {
        if key.base.is_some() {
            return Ok(false);
        }
        let wanted: BTreeMap<&String, (&String, i64)> =
            units.iter().map(|(unit, hash)| (&unit.path, (hash, unit.modified_at))).collect();
        let mut same = BTreeSet::new();
        let steps = self.newest_steps(asset).await?;
        for (_, step) in &steps {
            let Some(version) = step.output.pin.version.table() else { continue };
            let landed = landed_units(self.services, &self.prepared.landings, version).await?;
            let held: BTreeMap<&String, (&String, i64)> =
                landed.iter().map(|(path, unit)| (path, (&unit.hash, unit.arrived_at))).collect();
            if held == wanted && step.output.rejected.is_empty() {
                same.insert(version.clone());
            }
        }
        let is_same = |step: &RecordedStep| {
            let holds = step.output.pin.version.table().is_some_and(|version| same.contains(version));
            holds && (&step.key.verb, &step.key.content, &step.key.code) == (&key.verb, &key.content, &key.code)
        };
        Ok(self.take_same(asset, key, steps, is_same).is_some())
    }

    fn version_at(&self, asset: &AssetName, location: &TableLocation) -> Option<TableVersion> {
        let table = self.working.get(asset)?.version.table()?;
        (table.location == location.to_string()).then(|| table.clone())
    }

    /// Deliveries to land with their content hashes: all of them when the newest stands for the whole.
    async fn waiting_units(
        &self,
        asset: &AssetName,
        source: &Source,
        terms: &Fingerprint,
        previous: Option<&TableVersion>,
    ) -> Result<Waiting, RunError> {
        let (connector, units) = arrived_units(self.services, source, self.as_of)?;
        let landed = match previous {
            Some(version) => landed_units(self.services, &self.prepared.landings, version).await?,
            None => Default::default(),
        };
        let mut waiting = Waiting { connector, units: Vec::new(), refused: 0, reason: String::new() };
        if units.iter().all(|unit| looks_landed(unit, &landed)) {
            return Ok(waiting);
        }
        let refused = refused_keys(self.services, &self.environment, asset).await?;
        let mut any_new = false;
        for unit in units {
            let hash = connector.fingerprint(&unit)?;
            let known = landed.get(&unit.path).is_some_and(|known| known.hash == hash);
            if let Some(reason) = refused.get(&refusal_key(terms, &unit.path, &hash)) {
                waiting.refused += 1;
                waiting.reason.clone_from(reason);
                continue;
            }
            any_new |= !known;
            if !known || source.load == Load::Replace {
                waiting.units.push((unit, hash));
            }
        }
        if !any_new {
            waiting.units.clear();
        }
        Ok(waiting)
    }
}

fn deliveries(number: usize) -> String {
    counted(number as u64, "delivery", "deliveries")
}

fn all_refused(asset: &AssetName, deliveries: usize, reason: &str) -> RunError {
    let all = match deliveries {
        1 => format!("the one delivery of `{asset}` that has arrived was set aside"),
        _ => format!("all {deliveries} deliveries of `{asset}` that have arrived were set aside, the last"),
    };
    RunError::Project(format!("{all}: {reason}; mend it or the checks"))
}

/// What a landing depends on: contract and checks, the version that it is added to, and each delivery's content and
/// arrival.
fn landing_key(terms: &Fingerprint, base: Option<&TableVersion>, waiting: &[(Unit, String)]) -> StepKey {
    let mut key = StepKey::new("ingest", terms);
    key.base = base.map(ToString::to_string);
    key.inputs =
        waiting.iter().map(|(unit, hash)| (unit.path.clone(), format!("{hash} of {}", unit.modified_at))).collect();
    key
}

fn nothing_arrived(asset: &AssetName, source: &Source, as_of: baton_core::Timestamp) -> RunError {
    RunError::Project(format!(
        "nothing has arrived for source `{asset}` by {}: no file at `{}` is that old; deliver one, or move --as-of",
        as_of.format("%Y-%m-%d %H:%M UTC"),
        source.path
    ))
}
