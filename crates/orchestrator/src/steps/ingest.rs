//! Landing a source: every new delivery aside, checked, then all good ones in one version.

use std::collections::BTreeSet;

use arrow::datatypes::{Schema, SchemaRef};
use baton_connectors::{Connector, ReadReport, Unit};
use baton_core::asset::{Load, Source};
use baton_core::check::Check;
use baton_core::{AssetName, EventKind, Fingerprint, Kind, NewEvent, Pin, TableVersion, Version, failpoint};
use baton_engine::AVAILABLE_AT;
use baton_lake::{Change, StagedFile, TableLocation};
use serde_json::json;

use super::landed::{LandedUnit, Landing, arrived_units, landed_units, looks_landed, refusal_key, refused_hashes};
use super::unit::{Destination, keep_rejected, stage_unit};
use crate::checks::judge;
use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::sessions::newest_in;

/// A delivery that passed, staged and not visible yet.
struct Staged {
    unit: LandedUnit,
    files: Vec<StagedFile>,
    schema: SchemaRef,
}

impl Execution<'_> {
    /// Lands what has arrived since; a bad delivery is named and set aside, the others go on.
    pub(crate) async fn ingest(&mut self, asset: &AssetName, source: &Source) -> Result<StepOutcome, RunError> {
        let Some(contract) = self.prepared.desired.assets.get(asset).map(|desired| desired.rows.clone()) else {
            return Ok(StepOutcome::up_to_date());
        };
        let location = TableLocation::new(asset.as_str(), contract.as_str())?;
        let previous = self.version_at(asset, &location);
        let (connector, waiting) = self.waiting_units(asset, source, &contract, previous.as_ref()).await?;
        if waiting.is_empty() {
            return match previous {
                Some(_) => Ok(StepOutcome::up_to_date()),
                None => Err(nothing_arrived(asset, source, self.as_of)),
            };
        }
        let base = if source.load == Load::Append { previous.clone() } else { None };
        let key = landing_key(&contract, base.as_ref(), &waiting);
        if let Some(output) = self.recorded_output(&key).await?
            && let Ok(pin) = serde_json::from_value::<Pin>(output)
        {
            self.working.insert(asset.clone(), pin);
            return Ok(StepOutcome::reused(format!("{} deliveries", waiting.len())));
        }
        let checks = self.checks_of(asset);
        let mut staged = Vec::new();
        let mut events = Vec::new();
        for (unit, hash) in &waiting {
            self.services.progress.advanced(asset, staged.len() as u64, waiting.len() as u64);
            let destination = Destination {
                asset,
                location: &location,
                base: base.as_ref().map(|table| table.version),
                checks: &checks,
                now: self.as_of,
            };
            let outcome = self.stage(connector, unit, hash, source, &destination).await;
            staged.extend(self.sort_out(asset, &contract, unit, hash, outcome, &mut events)?);
        }
        if staged.is_empty() {
            self.services.ledger.append(events).await?;
            return match previous {
                Some(_) => Ok(StepOutcome::done(format!("{} deliveries set aside", waiting.len()))),
                None => Err(RunError::Project(format!("every delivery of `{asset}` was set aside; see `baton log`"))),
            };
        }
        self.land(asset, &location, base, staged, &key, &checks, events).await
    }

    fn version_at(&self, asset: &AssetName, location: &TableLocation) -> Option<TableVersion> {
        let table = self.working.get(asset)?.version.table()?;
        (table.location == location.to_string()).then(|| table.clone())
    }

    fn checks_of(&self, asset: &AssetName) -> Vec<Check> {
        self.prepared.project.assets.get(asset).map(|found| found.checks.clone()).unwrap_or_default()
    }

    /// Deliveries to land with their content hashes: all of them when the newest stands for the whole.
    async fn waiting_units(
        &self,
        asset: &AssetName,
        source: &Source,
        contract: &Fingerprint,
        previous: Option<&TableVersion>,
    ) -> Result<(&'static dyn Connector, Vec<(Unit, String)>), RunError> {
        let (connector, units) = arrived_units(self.services, source, self.as_of)?;
        let landed = match previous {
            Some(version) => landed_units(self.services, &self.prepared.landings, version).await?,
            None => Default::default(),
        };
        if units.iter().all(|unit| looks_landed(unit, &landed)) {
            return Ok((connector, Vec::new()));
        }
        let refused = refused_hashes(self.services, asset).await?;
        let mut waiting = Vec::new();
        let mut any_new = false;
        for unit in units {
            let hash = connector.fingerprint(&unit)?;
            let known = landed.get(&unit.path).is_some_and(|known| known.hash == hash);
            let is_refused = refused.contains(&refusal_key(contract, &unit.path, &hash));
            any_new |= !known && !is_refused;
            if !is_refused && (!known || source.load == Load::Replace) {
                waiting.push((unit, hash));
            }
        }
        Ok((connector, if any_new { waiting } else { Vec::new() }))
    }

    async fn stage(
        &self,
        connector: &'static dyn Connector,
        unit: &Unit,
        hash: &str,
        source: &Source,
        destination: &Destination<'_>,
    ) -> Result<(Staged, ReadReport), RunError> {
        let (written, schema, report) = stage_unit(self.services, connector, unit, source, destination).await?;
        judge(destination.asset, &written.checks)?;
        failpoint::reach("ingest.unit_staged");
        let landed = LandedUnit {
            path: unit.path.clone(),
            hash: hash.to_owned(),
            size: unit.size,
            arrived_at: unit.modified_at,
            rows: written.rows,
            rejected: report.rejected_total,
            schema_changes: Vec::new(),
        };
        Ok((Staged { unit: landed, files: written.files, schema }, report))
    }

    /// Keeps a good delivery; names a bad one, and rows that were set aside, in the ledger.
    fn sort_out(
        &mut self,
        asset: &AssetName,
        contract: &Fingerprint,
        unit: &Unit,
        hash: &str,
        outcome: Result<(Staged, ReadReport), RunError>,
        events: &mut Vec<NewEvent>,
    ) -> Result<Option<Staged>, RunError> {
        let key = refusal_key(contract, &unit.path, hash);
        match outcome {
            Ok((staged, report)) => {
                if report.rejected_total > 0 {
                    let folder = self.services.lake.warehouse().join("quarantine").join(asset.as_str());
                    keep_rejected(&folder, &hash[..hash.len().min(16)], &report)?;
                    let first: Vec<String> = report.rejected.iter().take(5).map(ToString::to_string).collect();
                    let reason =
                        format!("{}: {} rows set aside: {}", unit.path, report.rejected_total, first.join("; "));
                    events.push(self.event(
                        EventKind::FileRejected,
                        asset,
                        &key,
                        json!({"whole": false, "path": unit.path, "rows": report.rejected_total, "reason": reason}),
                    ));
                    self.raise_rejected(asset, &reason);
                }
                Ok(Some(staged))
            }
            Err(error) if is_delivery_at_fault(&error) => {
                let reason = error.to_string();
                events.push(self.event(
                    EventKind::FileRejected,
                    asset,
                    &key,
                    json!({"whole": true, "path": unit.path, "reason": reason}),
                ));
                self.services.progress.failed("set aside", &unit.path, &reason);
                self.raise_rejected(asset, &reason);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; the arguments are the step's whole state")]
    async fn land(
        &mut self,
        asset: &AssetName,
        location: &TableLocation,
        base: Option<TableVersion>,
        mut staged: Vec<Staged>,
        key: &Fingerprint,
        checks: &[Check],
        mut events: Vec<NewEvent>,
    ) -> Result<StepOutcome, RunError> {
        self.note_schema_changes(asset, &mut staged).await?;
        let schema = union_schema(&staged).map_err(RunError::rows(asset))?;
        let files: Vec<StagedFile> = staged.iter().flat_map(|part| part.files.iter().cloned()).collect();
        let change = if base.is_some() { Change::Append(files) } else { Change::Replace(files) };
        failpoint::reach("ingest.before_commit");
        let info = self.commit_info(key);
        let version = self
            .services
            .lake
            .commit(location, &schema, base.as_ref().map(|table| table.version), change, &info)
            .await?;
        failpoint::reach("ingest.after_commit");
        let snapshot = self.services.lake.snapshot(&version).await?;
        let mut pin = self.bare_pin(asset, Kind::Source, Version::Table(version.clone()));
        pin.rows = Some(snapshot.rows());
        pin.digest = Some(snapshot.digest().to_string());
        pin.known_through = newest_in(&snapshot, AVAILABLE_AT);
        self.audit(asset, &pin, checks, Vec::new(), None).await?;
        let units: Vec<LandedUnit> = staged.into_iter().map(|part| part.unit).collect();
        let rows: u64 = units.iter().map(|unit| unit.rows).sum();
        let detail = format!("{} deliveries, {rows} rows", units.len());
        events.push(self.event(EventKind::FileLanded, asset, &version.to_string(), json!(Landing { base, units })));
        self.record_output(asset, key, json!(pin), events).await?;
        self.working.insert(asset.clone(), pin);
        Ok(StepOutcome::done(detail))
    }

    /// Compares each delivery's columns with those landed before, so that a change is a recorded fact.
    async fn note_schema_changes(&self, asset: &AssetName, staged: &mut [Staged]) -> Result<(), RunError> {
        let Some(before) = self.working.get(asset).and_then(|pin| pin.version.table()) else { return Ok(()) };
        let before = self.services.lake.snapshot(before).await?.schema().clone();
        for part in staged {
            part.unit.schema_changes = schema_changes(&before, &part.schema);
        }
        Ok(())
    }
}

fn schema_changes(before: &Schema, now: &Schema) -> Vec<String> {
    let names =
        |schema: &Schema| -> BTreeSet<String> { schema.fields().iter().map(|field| field.name().clone()).collect() };
    let (old, new) = (names(before), names(now));
    let added = new.difference(&old).map(|column| format!("new column {column}"));
    let removed = old.difference(&new).map(|column| format!("column {column} is missing"));
    added.chain(removed).collect()
}

fn union_schema(staged: &[Staged]) -> Result<Schema, arrow::error::ArrowError> {
    Schema::try_merge(staged.iter().map(|part| part.schema.as_ref().clone()))
}

fn landing_key(contract: &Fingerprint, base: Option<&TableVersion>, waiting: &[(Unit, String)]) -> Fingerprint {
    let mut parts = vec!["ingest".to_owned(), contract.as_str().to_owned()];
    parts.extend(base.map(ToString::to_string));
    parts.extend(
        waiting.iter().flat_map(|(unit, hash)| [unit.path.clone(), hash.clone(), unit.modified_at.to_string()]),
    );
    Fingerprint::of(parts)
}

/// Faults of the delivery itself: it is set aside and the others go on.
fn is_delivery_at_fault(error: &RunError) -> bool {
    match error {
        RunError::Connector(error) => error.is_unit_at_fault(),
        RunError::Checks { .. } => true,
        _ => false,
    }
}

fn nothing_arrived(asset: &AssetName, source: &Source, as_of: baton_core::Timestamp) -> RunError {
    RunError::Project(format!(
        "nothing has arrived for source `{asset}` by {}: no file at `{}` is that old; deliver one, or move --as-of",
        as_of.format("%Y-%m-%d %H:%M UTC"),
        source.path
    ))
}
