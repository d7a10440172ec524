//! All good deliveries in one version: how its columns differ from those before, committed, checked, recorded.

use std::collections::BTreeSet;

use arrow::datatypes::Schema;
use baton_core::{AssetName, EventKind, Kind, Version, failpoint};
use baton_lake::{Change, StagedFile};
use serde_json::json;

use super::{Arrivals, Staged, deliveries};
use crate::checks::merged;
use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::extent::measured;
use crate::report::rows_of;
use crate::steps::landed::{LandedUnit, Landing, landed_units};
use crate::steps::output::StepOutput;
use crate::steps::unit::FILE;

impl Execution<'_> {
    pub(super) async fn land(&mut self, asset: &AssetName, mut landing: Arrivals<'_>) -> Result<StepOutcome, RunError> {
        self.note_schema_changes(asset, &mut landing.staged).await?;
        let schema = union_schema(&landing.staged).map_err(RunError::rows(asset))?;
        let change = self.change_of(&landing).await?;
        failpoint::reach("ingest.before_commit");
        let info = self.commit_info(&landing.key.fingerprint());
        let base = landing.base.as_ref().map(|table| table.version);
        let version = self.services.lake.commit(&landing.location, &schema, base, change, &info).await?;
        failpoint::reach("ingest.after_commit");
        let snapshot = self.services.lake.snapshot(&version).await?;
        let pin = measured(self.bare_pin(asset, Kind::Source, Version::Table(version.clone())), &snapshot);
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
