//! Tables that one command makes together: it is run for the first of them, and what it wrote for the others is staged and
//! written down, so that their own steps only take it.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use baton_core::asset::{CommandStep, Table};
use baton_core::check::Check;
use baton_core::{AssetName, Definition, failpoint};
use baton_engine::{BuildOptions, SessionInput, TableInput};
use baton_lake::TableLocation;

use crate::checks::checks_of_pass;
use crate::error::RunError;
use crate::execution::Execution;
use crate::program::rows_of_all;
use crate::python::{TableCall, returned_schema};
use crate::sessions::inputs_of;
use crate::steps::StepKey;
use crate::write::{Place, Written, write_stream};

/// A table that a command makes, beside others or as one of them.
pub(super) struct Shared<'s> {
    pub(super) asset: &'s AssetName,
    pub(super) table: &'s Table,
    pub(super) step: &'s CommandStep,
    pub(super) location: &'s TableLocation,
    pub(super) base: Option<u64>,
    pub(super) checks: &'s [Check],
}

impl Execution<'_> {
    /// Whether the command of a table makes others, too.
    pub(super) fn is_shared(&self, asset: &AssetName, step: &CommandStep) -> bool {
        self.made_beside(asset, step).next().is_some()
    }

    /// The tables that the command of `asset` makes beside it.
    fn made_beside<'m>(
        &'m self,
        asset: &'m AssetName,
        step: &'m CommandStep,
    ) -> impl Iterator<Item = (&'m AssetName, &'m Table, &'m CommandStep)> {
        let first = step.of.as_ref().unwrap_or(asset);
        self.prepared.project.assets.iter().filter_map(move |(name, found)| match &found.definition {
            Definition::Table(table) if name != asset => {
                let is_of = |step: &&CommandStep| name == first || step.of.as_ref() == Some(first);
                Some((name, table, table.command.as_deref().filter(is_of)?))
            }
            _ => None,
        })
    }

    /// Writes the rows of one of several tables: those that are staged for it, else what its command makes, with those of
    /// the others.
    pub(super) async fn write_shared(&self, making: &Shared<'_>) -> Result<(Written, SchemaRef), RunError> {
        let schema = returned_schema(making.table);
        if let Some(key) = self.key_of_part(making.asset, making.checks)
            && let Some(written) = self.recorded_part(making.location, &key, &schema).await?
        {
            return Ok((written, schema));
        }
        let inputs = inputs_of(self.services, &self.working, &making.step.inputs).await?;
        let call = self.call_of(making.asset, making.table);
        let beside: Vec<(&AssetName, &Table, &CommandStep)> = self.made_beside(making.asset, making.step).collect();
        let calls: Vec<TableCall<'_>> = beside.iter().map(|(name, table, _)| self.call_of(name, table)).collect();
        let others: Vec<(&TableCall<'_>, &CommandStep)> =
            calls.iter().zip(&beside).map(|(call, (.., step))| (call, *step)).collect();
        let (rows, found) = rows_of_all(&call, making.step, inputs, &others).await?;
        for ((name, table, _), rows) in beside.iter().zip(found) {
            if let Some(rows) = rows {
                self.stage_beside(name, table, rows).await?;
            }
        }
        self.write_batches(making.table, rows, (making.location, making.base), making.checks).await
    }

    fn call_of<'c>(&'c self, asset: &'c AssetName, table: &'c Table) -> TableCall<'c> {
        let (services, as_of, run) = (self.services, self.as_of, Some(self.run.as_str()));
        TableCall { services, asset, table, as_of, interval: None, run, tie: self.tracked.tie.as_ref(), each: None }
    }

    /// Stages the rows of a table for its own step.
    async fn stage_beside(&self, asset: &AssetName, table: &Table, rows: Vec<RecordBatch>) -> Result<(), RunError> {
        let Some(desired) = self.prepared.desired.assets.get(asset) else { return Ok(()) };
        let checks = self.checks_of(asset);
        let Some(key) = self.key_of_part(asset, &checks) else { return Ok(()) };
        let location = TableLocation::new(asset.as_str(), desired.content().as_str())?;
        let (written, _) = self.write_batches(table, rows, (&location, None), &checks).await?;
        self.record_part(&key, None, &written).await?;
        failpoint::reach("build.beside_staged");
        Ok(())
    }

    /// What the rows of one of several tables depend on, whichever step runs the command.
    fn key_of_part(&self, asset: &AssetName, checks: &[Check]) -> Option<StepKey> {
        let desired = self.prepared.desired.assets.get(asset)?;
        let key = StepKey::new("build", &desired.content()).checked_by(checks).reading(&self.input_versions(asset));
        Some(key.with("part", "one of several outputs"))
    }

    async fn write_batches(
        &self,
        table: &Table,
        batches: Vec<RecordBatch>,
        (location, base): (&TableLocation, Option<u64>),
        checks: &[Check],
    ) -> Result<(Written, SchemaRef), RunError> {
        let rows = TableInput::Batches { schema: returned_schema(table), batches };
        let tables = BTreeMap::from([(CommandStep::ROWS.to_owned(), rows)]);
        let session = self.services.engine.session(SessionInput { tables, as_of: Some(self.as_of) })?;
        let options = BuildOptions { track_availability: true, ..BuildOptions::default() };
        let stream = session.execute(&table.sql, &options).await?;
        let schema = stream.schema();
        let place = Place { location, base, checks: &checks_of_pass(checks, true) };
        Ok((write_stream(self.services, place, stream, self.as_of).await?, schema))
    }
}
