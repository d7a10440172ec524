//! A view: nothing is stored. Its pin holds the query and the exact versions that it reads; its checks are held on
//! what it yields.

use baton_core::asset::Table;
use baton_core::{AssetName, Fingerprint, Kind, Version};

use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::steps::StepKey;
use crate::steps::output::Made;

impl Execution<'_> {
    /// Pins a view to the versions of its inputs.
    pub(super) async fn build_view(
        &mut self,
        asset: &AssetName,
        table: &Table,
        content: &Fingerprint,
    ) -> Result<StepOutcome, RunError> {
        let checks = self.checks_of(asset);
        let mut pin = self.bare_pin(asset, Kind::Table, Version::View { sql: table.sql.clone() });
        pin.inputs = self.input_versions(asset);
        pin.known_through = pin.inputs.keys().filter_map(|input| self.working.get(input)?.known_through).max();
        let previous = self.working.get(asset).cloned();
        let is_same = |before: &baton_core::Pin| {
            (&before.version, &before.inputs, &before.columns) == (&pin.version, &pin.inputs, &pin.columns)
        };
        if previous.as_ref().is_some_and(is_same) && !self.clock_decides(asset) {
            return self.audit_again(asset, &checks).await;
        }
        if let Some(previous) = previous {
            let moved = self.moved_since(asset, &previous).await?;
            self.moved_from.extend(moved.map(|moved| (asset.clone(), moved)));
        }
        let clock = self.reads_clock(asset).then_some(self.as_of);
        let mut key = StepKey::new("build", content).checked_by(&checks).reading(&pin.inputs);
        key.clock = clock;
        if self.take_recorded(asset, &key).await?.is_some() {
            return Ok(StepOutcome::reused("view"));
        }
        let made = Made { pin, checks: &checks, by_the_way: Vec::new(), new_rows: None };
        self.accept(asset, &key, made).await?;
        Ok(StepOutcome::done("view"))
    }
}
