//! Trying a source: its deliveries read again under what is declared now, in memory.

use baton_core::asset::Source;
use baton_core::check::Check;
use baton_core::{Asset, Definition};
use baton_plan::{PlannedAsset, Proven};

use super::rows::{Rows, proven};
use super::trial::Trial;
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
        if source.connector != RE_READABLE || !stays_checked(&before, asset, &retyped) {
            return Ok(None);
        }
        let Some(now) = self.landed_again(planned, source).await? else { return Ok(None) };
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
    /// gone or changed, one is at fault as a whole, or there is too much of them.
    async fn landed_again(&mut self, planned: &PlannedAsset, source: &Source) -> Result<Option<Rows>, RunError> {
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
            if schema.as_ref().is_some_and(|known| *known != found) {
                return Ok(None);
            }
            schema = Some(found);
            batches.extend(read);
        }
        Ok(schema.and_then(|schema| Rows::of(&schema, &batches).ok()))
    }
}

/// Whether the checks are those of before, and none looks at a column that is read otherwise: then a delivery that passed
/// them passes them again.
fn stays_checked(before: &Asset, now: &Asset, retyped: &[String]) -> bool {
    let mentions = |check: &Check, column: &String| serde_json::json!(check).to_string().contains(column.as_str());
    before.checks == now.checks && !now.checks.iter().any(|check| retyped.iter().any(|column| mentions(check, column)))
}
