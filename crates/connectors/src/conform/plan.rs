//! Which column of the contract comes from which column of the unit, and how the two differ.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::convert::{can_convert, reads_as};
use super::type_name;
use crate::{ConnectorError, Contract, ContractColumn, OnSchemaChange, SchemaChange};

/// A column found in a unit.
pub(crate) struct Found {
    /// Its name; found names are distinct.
    pub(crate) name: String,
    /// The type in stored batches.
    pub(crate) stored: DataType,
    /// The type it lands in where the contract does not name it.
    pub(crate) inferred: DataType,
    /// Whether stored values are texts without types (CSV), so that only values, not the column, can be of a wrong type.
    pub(crate) is_untyped: bool,
}

impl Found {
    /// A column of a typed format; it lands in its own type, without dictionaries and large or view variants.
    pub(crate) fn typed(name: &str, stored: &DataType) -> Self {
        let inferred = plain_type(stored);
        Self { name: name.to_owned(), stored: stored.clone(), inferred, is_untyped: false }
    }

    /// A column of type `natural` whose values are handed over as `stored`: in that type, or as text.
    pub(crate) fn written_as(name: &str, natural: &DataType, stored: &DataType) -> Self {
        let is_untyped = stored != natural && *stored == DataType::Utf8;
        Self { name: name.to_owned(), stored: stored.clone(), inferred: plain_type(natural), is_untyped }
    }
}

/// How every batch of a unit is turned into one that keeps to the contract.
pub(super) struct Plan {
    pub(super) targets: Vec<Target>,
    pub(super) schema: SchemaRef,
}

impl Plan {
    /// The schema with null allowed everywhere.
    pub(super) fn nullable_schema(&self) -> SchemaRef {
        let fields = self.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// One column to land.
pub(super) struct Target {
    pub(super) name: String,
    /// Its index in stored batches; `None` if the unit lacks it.
    pub(super) source: Option<usize>,
    pub(super) data_type: DataType,
    pub(super) nullable: bool,
}

/// Plans the landing of `found` columns under `contract`: promised columns first, new ones behind in stored order.
pub(super) fn plan(
    path: &str,
    found: &[Found],
    contract: &Contract,
) -> Result<(Plan, Vec<SchemaChange>), ConnectorError> {
    check_selection(path, found, contract)?;
    let changes = schema_changes(found, contract);
    if !changes.is_empty() {
        let path = path.to_owned();
        match contract.on_schema_change {
            OnSchemaChange::Evolve => {}
            OnSchemaChange::Freeze => return Err(ConnectorError::SchemaFrozen { path, changes }),
            OnSchemaChange::Quarantine => return Err(ConnectorError::Quarantined { path, changes }),
        }
    }
    let mut targets = Vec::new();
    for column in contract.columns.iter().filter(|column| contract.selects(&column.name)) {
        targets.push(promised_target(path, found, column)?);
    }
    targets.extend(new_columns(found, contract).map(|(source, column)| Target {
        name: column.name.clone(),
        source: Some(source),
        data_type: column.inferred.clone(),
        nullable: true,
    }));
    let fields = targets.iter().map(|target| Field::new(&target.name, target.data_type.clone(), target.nullable));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok((Plan { targets, schema }, changes))
}

fn check_selection(path: &str, found: &[Found], contract: &Contract) -> Result<(), ConnectorError> {
    let selected = contract.select.iter().flatten();
    for name in selected.filter(|name| contract.column(name).is_none()) {
        if !found.iter().any(|column| column.name == **name) {
            return Err(ConnectorError::broken(
                path,
                "the column is selected, but neither the file nor the contract has it",
                "mend the name, or take it out of the selected columns",
            )
            .at(None, Some(name)));
        }
    }
    Ok(())
}

fn promised_target(path: &str, found: &[Found], column: &ContractColumn) -> Result<Target, ConnectorError> {
    let source = found.iter().position(|other| other.name == column.name);
    let broken = |reason: String| {
        let hint = "mend the file, or change the column's entry in the source";
        Err(ConnectorError::broken(path, reason, hint).at(None, Some(&column.name)))
    };
    match source.map(|source| &found[source].stored) {
        None if !column.nullable => {
            return broken("the column is missing, and the contract allows no null in it".to_owned());
        }
        Some(stored) if !can_convert(stored, &column.data_type) => {
            let (stored, promised) = (type_name(stored), type_name(&column.data_type));
            return broken(format!("the file holds {stored}, which cannot be read as {promised}"));
        }
        _ => {}
    }
    Ok(Target { name: column.name.clone(), source, data_type: column.data_type.clone(), nullable: column.nullable })
}

fn new_columns<'a>(found: &'a [Found], contract: &'a Contract) -> impl Iterator<Item = (usize, &'a Found)> {
    found
        .iter()
        .enumerate()
        .filter(|(_, column)| contract.column(&column.name).is_none() && contract.selects(&column.name))
}

fn schema_changes(found: &[Found], contract: &Contract) -> Vec<SchemaChange> {
    if contract.columns.is_empty() {
        return Vec::new();
    }
    let promised = contract.columns.iter().filter(|column| contract.selects(&column.name));
    let mut changes: Vec<SchemaChange> = promised.filter_map(|column| change_of(found, column)).collect();
    changes.extend(new_columns(found, contract).map(|(_, column)| SchemaChange::Added {
        column: column.name.clone(),
        data_type: type_name(&column.inferred),
    }));
    changes
}

fn change_of(found: &[Found], column: &ContractColumn) -> Option<SchemaChange> {
    let promised = type_name(&column.data_type);
    let Some(stored) = found.iter().find(|other| other.name == column.name) else {
        return Some(SchemaChange::Removed { column: column.name.clone(), data_type: promised });
    };
    let is_same = stored.is_untyped || reads_as(&stored.stored, &column.data_type);
    (!is_same).then(|| SchemaChange::TypeChanged {
        column: column.name.clone(),
        from: promised,
        to: type_name(&stored.stored),
    })
}

fn plain_type(stored: &DataType) -> DataType {
    match stored {
        DataType::Dictionary(_, value) => plain_type(value),
        // A column of nothing but nulls has no type of its own, and a table cannot hold "no type".
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}
