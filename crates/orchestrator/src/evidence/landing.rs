//! Trying a source: its deliveries read again under what is declared now, in memory.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use baton_core::asset::Source;
use baton_core::{Asset, Definition, Timestamp};
use baton_engine::is_system_column;
use baton_plan::{PlannedAsset, Proven};
use baton_stats::checks::RowChecker;

use super::rows::{Rows, proven};
use super::trial::Trial;
use crate::checks::{checks_of_pass, judge};
use crate::definitions::recorded_definition;
use crate::error::RunError;
use crate::prepare::retyped;
use crate::steps::{arrived_units, is_landed, landed_units, read_unit};

/// Deliveries larger than this, all together, are not read for a plan.
const MOST_BYTES: u64 = 32 << 20;
/// The connector whose deliveries stay where they are, so that they can be read again.
const RE_READABLE: &str = "file";

impl Trial<'_> {
    /// What reading the deliveries of a source again proves; `None` when it cannot be tried or nothing stays.
    pub(super) async fn land(&mut self, planned: &PlannedAsset) -> Result<Option<Proven>, RunError> {
        let name = &planned.name;
        let (Some(pin), Some(asset)) = (self.pins.get(name), self.prepared.project.assets.get(name)) else {
            return Ok(None);
        };
        let (Definition::Source(source), Some(key)) = (&asset.definition, &pin.definition) else { return Ok(None) };
        let Some(before) = recorded_definition(self.services, key).await? else { return Ok(None) };
        let Definition::Source(landed_as) = &before.definition else { return Ok(None) };
        let retyped = retyped(landed_as, source);
        if source.connector != RE_READABLE {
            return Ok(None);
        }
        let Some(now) = self.landed_again(planned, asset, source).await? else { return Ok(None) };
        let Some(recorded) = self.recorded(name).await.ok().flatten() else { return Ok(None) };
        let mut changes = planned.columns.clone();
        // The rest bears other fingerprints because its rows may be others, which is what is asked here.
        changes.changed.retain(|column| retyped.contains(column));
        let found = proven(&recorded, &now, &changes).map(|found| {
            let rest = planned.columns.changed.iter().filter(|column| !retyped.contains(column)).cloned();
            let columns = found.columns.into_iter().chain(rest).collect();
            Proven { rows: true, columns, proof: "tried on what was delivered".to_owned() }
        });
        self.keep(name, now);
        Ok(found)
    }

    /// All deliveries that the recorded version was landed from, read again; `None` when others have arrived, some are
    /// gone or changed, one is at fault as a whole or breaks a check, or there is too much of them.
    async fn landed_again(
        &mut self,
        planned: &PlannedAsset,
        asset: &Asset,
        source: &Source,
    ) -> Result<Option<Rows>, RunError> {
        let Some(version) = self.pins.get(&planned.name).and_then(|pin| pin.version.table()) else { return Ok(None) };
        let landed = landed_units(self.services, &self.prepared.landings, version).await?;
        let Ok((connector, units)) = arrived_units(self.services, source, self.as_of) else { return Ok(None) };
        let bytes: u64 = units.iter().map(|unit| unit.size).sum();
        let rows = self.rows_of(&planned.name).saturating_mul(2);
        let is_same = units.len() == landed.len() && units.iter().all(|unit| is_landed(connector, unit, &landed));
        if !is_same || bytes > MOST_BYTES || self.spend(rows).is_none() {
            return Ok(None);
        }
        let (mut schema, mut batches) = (None, Vec::new());
        for unit in &units {
            let Ok((found, read)) = read_unit(self.services, connector, unit, source).await else { return Ok(None) };
            let is_other = schema.as_ref().is_some_and(|known| *known != found);
            if is_other || !passes(asset, &found, &read, self.as_of).is_ok_and(|passed| passed) {
                return Ok(None);
            }
            schema = Some(found);
            batches.extend(read);
        }
        Ok(schema.and_then(|schema| Rows::of(&schema, &batches).ok()))
    }
}

/// Whether the delivery would pass the checks of its rows, as it must to land.
fn passes(asset: &Asset, schema: &SchemaRef, batches: &[RecordBatch], now: Timestamp) -> Result<bool, RunError> {
    let visible: Vec<usize> =
        (0..schema.fields().len()).filter(|index| !is_system_column(schema.field(*index).name())).collect();
    let seen = schema.project(&visible).map_err(RunError::rows(&asset.name))?;
    let mut checker = RowChecker::new(&checks_of_pass(&asset.checks, false), &seen)?;
    for batch in batches {
        checker.update(&batch.project(&visible).map_err(RunError::rows(&asset.name))?, None)?;
    }
    Ok(judge(&asset.name, &checker.finish(now)).is_ok())
}
