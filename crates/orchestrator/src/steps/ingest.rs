//! Landing a source: every new delivery aside, checked, then all good ones in one version.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{Schema, SchemaRef};
use baton_connectors::{Connector, ReadReport, SchemaChange, Unit};
use baton_core::asset::{Load, Source};
use baton_core::check::{Check, CheckResult};
use baton_core::{AssetName, EventKind, Fingerprint, Kind, TableVersion, Version, failpoint};
use baton_engine::AVAILABLE_AT;
use baton_lake::{Change, StagedFile, TableLocation};
use serde_json::json;

use super::key::StepKey;
use super::landed::{
    LandedUnit, Landing, arrived_units, landed_units, looks_landed, refusal_key, refused_keys, terms_of,
};
use super::output::{RecordedStep, Rejected, StepOutput};
use super::unit::{Destination, FILE, keep_rejected, stage_unit};
use crate::checks::{checks_of_pass, judge, merged};
use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::report::{counted, rows_of};
use crate::sessions::newest_in;

/// A delivery that passed, staged and not visible yet.
struct Staged {
    unit: LandedUnit,
    files: Vec<StagedFile>,
    schema: SchemaRef,
    checks: Vec<CheckResult>,
}

/// What has arrived and is not landed.
struct Waiting {
    connector: &'static dyn Connector,
    units: Vec<(Unit, String)>,
    /// How many were refused before and are not tried again.
    refused: usize,
}

/// A landing in progress.
struct Arrivals<'a> {
    source: &'a Source,
    location: TableLocation,
    base: Option<TableVersion>,
    checks: Vec<Check>,
    terms: Fingerprint,
    key: StepKey,
    staged: Vec<Staged>,
    rejected: Vec<Rejected>,
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
                None if waiting.refused > 0 => Err(all_refused(asset, waiting.refused)),
                None => Err(nothing_arrived(asset, source, self.as_of)),
            };
        }
        let base = if source.load == Load::Append { previous.clone() } else { None };
        let key = landing_key(&terms, base.as_ref(), &waiting.units);
        if self.take_recorded(asset, &key).await?.is_some() || self.take_landed(asset, &key, &waiting.units).await? {
            return Ok(StepOutcome::reused(deliveries(waiting.units.len())));
        }
        let mut landing =
            Arrivals { source, location, base, checks, terms, key, staged: Vec::new(), rejected: Vec::new() };
        for (unit, hash) in &waiting.units {
            self.services.progress.advanced(asset, landing.staged.len() as u64, waiting.units.len() as u64);
            let outcome = self.stage(asset, waiting.connector, unit, hash, &landing).await;
            self.sort_out(asset, unit, hash, outcome, &mut landing)?;
        }
        if landing.staged.is_empty() {
            return match previous {
                Some(_) => Ok(StepOutcome::done(format!("{} set aside", deliveries(landing.rejected.len())))),
                None => Err(all_refused(asset, landing.rejected.len())),
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
        let mut waiting = Waiting { connector, units: Vec::new(), refused: 0 };
        if units.iter().all(|unit| looks_landed(unit, &landed)) {
            return Ok(waiting);
        }
        let refused = refused_keys(self.services, &self.environment, asset).await?;
        let mut any_new = false;
        for unit in units {
            let hash = connector.fingerprint(&unit)?;
            let known = landed.get(&unit.path).is_some_and(|known| known.hash == hash);
            if refused.contains(&refusal_key(terms, &unit.path, &hash)) {
                waiting.refused += 1;
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

    async fn stage(
        &self,
        asset: &AssetName,
        connector: &'static dyn Connector,
        unit: &Unit,
        hash: &str,
        landing: &Arrivals<'_>,
    ) -> Result<(Staged, ReadReport), RunError> {
        let destination = Destination {
            asset,
            location: &landing.location,
            base: landing.base.as_ref().map(|table| table.version),
            checks: &checks_of_pass(&landing.checks, false),
            now: self.as_of,
        };
        let (written, schema, report) =
            stage_unit(self.services, connector, unit, landing.source, &destination).await?;
        judge(asset, &written.checks)?;
        failpoint::reach("ingest.unit_staged");
        let landed = LandedUnit {
            path: unit.path.clone(),
            hash: hash.to_owned(),
            size: unit.size,
            arrived_at: unit.modified_at,
            rows: written.rows,
            rejected: report.rejected_total,
            schema_changes: Vec::new(),
            differs: report.schema_changes.iter().filter(|change| !is_added(change)).map(ToString::to_string).collect(),
        };
        Ok((Staged { unit: landed, files: written.files, schema, checks: written.checks }, report))
    }

    /// Keeps a good delivery; names a bad one, and rows that were set aside.
    fn sort_out(
        &mut self,
        asset: &AssetName,
        unit: &Unit,
        hash: &str,
        outcome: Result<(Staged, ReadReport), RunError>,
        landing: &mut Arrivals<'_>,
    ) -> Result<(), RunError> {
        let key = refusal_key(&landing.terms, &unit.path, hash);
        let path = unit.path.clone();
        let rejected = match outcome {
            Ok((staged, report)) => {
                landing.staged.push(staged);
                if report.rejected_total == 0 {
                    return Ok(());
                }
                let folder = self.services.lake.warehouse().join("quarantine").join(asset.as_str());
                keep_rejected(&folder, hash, &report)?;
                let first: Vec<String> = report.rejected.iter().take(5).map(ToString::to_string).collect();
                let reason = format!("{path}: {} set aside: {}", rows_of(report.rejected_total), first.join("; "));
                Rejected { key, whole: false, path, rows: Some(report.rejected_total), reason }
            }
            Err(error) if is_delivery_at_fault(&error) => {
                let reason = error.to_string();
                self.services.progress.failed("set aside", &path, &reason);
                Rejected { key, whole: true, path, rows: None, reason }
            }
            Err(error) => return Err(error),
        };
        self.note_rejected(asset, &rejected);
        landing.rejected.push(rejected);
        Ok(())
    }

    async fn land(&mut self, asset: &AssetName, mut landing: Arrivals<'_>) -> Result<StepOutcome, RunError> {
        self.note_schema_changes(asset, &mut landing.staged).await?;
        let schema = union_schema(&landing.staged).map_err(RunError::rows(asset))?;
        let change = self.change_of(&landing).await?;
        failpoint::reach("ingest.before_commit");
        let info = self.commit_info(&landing.key.fingerprint());
        let base = landing.base.as_ref().map(|table| table.version);
        let version = self.services.lake.commit(&landing.location, &schema, base, change, &info).await?;
        failpoint::reach("ingest.after_commit");
        let snapshot = self.services.lake.snapshot(&version).await?;
        let mut pin = self.bare_pin(asset, Kind::Source, Version::Table(version.clone()));
        pin.rows = Some(snapshot.rows());
        pin.digest = Some(snapshot.digest().to_string());
        pin.known_through = newest_in(&snapshot, AVAILABLE_AT);
        let by_row = merged(landing.staged.iter_mut().map(|part| std::mem::take(&mut part.checks)));
        let units: Vec<LandedUnit> = landing.staged.into_iter().map(|part| part.unit).collect();
        let checks = self.audit(asset, &pin, &landing.checks, by_row, None).await;
        let checks = checks.map_err(|error| waits(error, units.len()))?;
        let rows: u64 = units.iter().map(|unit| unit.rows).sum();
        let detail = format!("{}, {}", deliveries(units.len()), rows_of(rows));
        let body = json!(Landing { base: landing.base, units });
        let event = self.event(EventKind::FileLanded, asset, &version.to_string(), body);
        let output = StepOutput { pin: pin.clone(), checks, rejected: landing.rejected };
        self.record_output(asset, &landing.key, &output, vec![event]).await?;
        self.working.insert(asset.clone(), pin);
        Ok(StepOutcome::done(detail).with_rows(rows))
    }

    /// New deliveries come to those of the base; one that was landed before takes the place of its former self.
    async fn change_of(&self, landing: &Arrivals<'_>) -> Result<Change, RunError> {
        let files: Vec<StagedFile> = landing.staged.iter().flat_map(|part| part.files.iter().cloned()).collect();
        let Some(base) = &landing.base else { return Ok(Change::Replace(files)) };
        let landed = landed_units(self.services, &self.prepared.landings, base).await?;
        let corrects = landing.staged.iter().any(|part| landed.contains_key(&part.unit.path));
        Ok(if corrects { Change::Merge { keys: vec![FILE.to_owned()], files } } else { Change::Append(files) })
    }

    /// Compares each delivery's columns with those landed before, so that a change is a recorded fact.
    async fn note_schema_changes(&self, asset: &AssetName, staged: &mut [Staged]) -> Result<(), RunError> {
        let Some(before) = self.working.get(asset).and_then(|pin| pin.version.table()) else { return Ok(()) };
        let landed = landed_units(self.services, &self.prepared.landings, before).await?;
        let usual: BTreeSet<&String> = landed.values().flat_map(|unit| &unit.differs).collect();
        let before = self.services.lake.snapshot(before).await?.schema().clone();
        for part in staged {
            part.unit.schema_changes = schema_changes(&before, &part.schema);
            // A declared column that is missing lands as nulls: the schema of what is landed does not show it.
            let differs = part.unit.differs.iter().filter(|differs| !usual.contains(*differs));
            part.unit.schema_changes.extend(differs.cloned());
        }
        Ok(())
    }
}

fn deliveries(number: usize) -> String {
    counted(number as u64, "delivery", "deliveries")
}

/// A check on the table as a whole did not hold, so no delivery can be named: all of them wait.
fn waits(error: RunError, deliveries: usize) -> RunError {
    match error {
        RunError::Checks { asset, failed, summary } => {
            let all = if deliveries == 1 {
                "1 new delivery waits".to_owned()
            } else {
                format!("{deliveries} new deliveries wait")
            };
            RunError::Checks { asset, failed, summary: format!("{summary}; {all} until it holds") }
        }
        other => other,
    }
}

fn all_refused(asset: &AssetName, deliveries: usize) -> RunError {
    RunError::Project(format!(
        "every delivery of `{asset}` that has arrived was set aside ({deliveries}); `baton log` says why; mend it or the checks"
    ))
}

fn schema_changes(before: &Schema, now: &Schema) -> Vec<String> {
    let names =
        |schema: &Schema| -> BTreeSet<String> { schema.fields().iter().map(|field| field.name().clone()).collect() };
    let (old, new) = (names(before), names(now));
    let added = new.difference(&old).map(|column| format!("new column {column}"));
    let removed = old.difference(&new).map(|column| format!("column {column} is missing"));
    added.chain(removed).collect()
}

/// A column that is not declared: it lands, so [`schema_changes`] sees it where it is new.
fn is_added(change: &SchemaChange) -> bool {
    matches!(change, SchemaChange::Added { .. })
}

fn union_schema(staged: &[Staged]) -> Result<Schema, arrow::error::ArrowError> {
    Schema::try_merge(staged.iter().map(|part| part.schema.as_ref().clone()))
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
