//! Sources: which columns they have, before anything is landed too.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use baton_connectors::ConnectorError;
use baton_core::asset::Source;
use baton_core::{AssetName, Fingerprint};
use baton_diagnostics::{Diagnostic, codes};
use baton_engine::TableFingerprints;
use baton_engine::fingerprint::Upstream;
use baton_engine::table::visible_schema;
use baton_lake::delta_schema;

use super::diagnose::at;
use super::{Resolver, identity};
use crate::error::RunError;
use crate::steps::{arrived_units, contract_of, described_schema, examine};

impl Resolver<'_> {
    /// Resolves a source whose columns are landed, described by its origin, in its first delivery, or declared.
    pub(super) async fn source(&mut self, name: &AssetName, source: &Source) -> Result<TableFingerprints, RunError> {
        let rows = identity::source(source);
        let schema = match self.landed_schema(name, &rows).await? {
            Some(schema) => schema,
            None => match self.schema_to_land(name, source).await {
                Ok(schema) => schema,
                Err(error) => {
                    let asset = self.project.assets.get(name);
                    self.diagnostics.push(at(asset, Diagnostic::error(codes::UNREADABLE_DELIVERY, error.to_string())));
                    contract_schema(source)
                }
            },
        };
        let read = identity::source_rows(source);
        let columns = identity::source_columns(&read, source, &schema);
        let fingerprints = TableFingerprints { columns, rows: read };
        self.insert_upstream(name, Upstream { schema, fingerprints: fingerprints.clone() });
        self.check_source(name, source);
        Ok(TableFingerprints { columns: identity::declared_columns(&fingerprints, source), rows })
    }

    /// The columns of what is landed, when it was landed under this contract.
    async fn landed_schema(&self, name: &AssetName, contract: &Fingerprint) -> Result<Option<SchemaRef>, RunError> {
        let Some(table) = self.head.and_then(|commit| commit.assets.get(name)).and_then(|pin| pin.version.table())
        else {
            return Ok(None);
        };
        if !table.location.ends_with(contract.as_str()) {
            return Ok(None);
        }
        Ok(Some(visible_schema(self.services.lake.snapshot(table).await?.schema())))
    }

    /// The columns that a first landing would make.
    async fn schema_to_land(&mut self, name: &AssetName, source: &Source) -> Result<SchemaRef, RunError> {
        let Some(pull) = &source.pull else { return self.delivered_schema(source) };
        if let Err(error) = examine(self.services, name, source, pull) {
            let asset = self.project.assets.get(name);
            self.diagnostics.push(at(asset, Diagnostic::error(codes::INVALID_VALUE, error.to_string())));
            return Ok(contract_schema(source));
        }
        match described_schema(self.services, name, source, pull).await {
            // What is declared can be planned with while the origin cannot be reached.
            Err(_) if !source.columns.is_empty() => Ok(contract_schema(source)),
            outcome => outcome,
        }
    }

    /// The columns of the first delivery, read no further than its first rows; the contract's when nothing arrived.
    fn delivered_schema(&self, source: &Source) -> Result<SchemaRef, RunError> {
        let (connector, units) = match arrived_units(self.services, source, self.as_of) {
            // What is declared can be planned with while the store cannot be reached.
            Err(RunError::Connector(ConnectorError::Origin { .. })) if !source.columns.is_empty() => {
                return Ok(contract_schema(source));
            }
            outcome => outcome?,
        };
        let Some(unit) = units.first() else { return Ok(contract_schema(source)) };
        let mut first: Option<SchemaRef> = None;
        let outcome = connector.read(unit, &contract_of(source), &mut |batch| {
            first = Some(batch.schema());
            Err(ConnectorError::sink("the first rows are enough".to_owned()))
        });
        match (first, outcome) {
            (Some(schema), _) => Ok(Arc::new(delta_schema(&schema)?.as_ref().clone())),
            (None, Ok(report)) => Ok(Arc::new(delta_schema(&report.schema)?.as_ref().clone())),
            // A broken delivery is set aside when it is landed; the contract says the columns.
            (None, Err(_)) => Ok(contract_schema(source)),
        }
    }
}

fn contract_schema(source: &Source) -> SchemaRef {
    let contract = contract_of(source);
    let landed = contract.columns.iter().filter(|column| contract.selects(&column.name));
    let fields = landed.map(|column| Field::new(&column.name, column.data_type.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}
