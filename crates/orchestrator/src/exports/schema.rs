//! The columns that an export delivers, and what they are called there.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use baton_core::AssetName;
use baton_core::asset::{Export, ExportMode};
use baton_engine::is_system_column;

use crate::error::RunError;

/// A column on its way.
#[derive(Debug, Clone)]
pub(super) struct Exported {
    /// Its name here.
    pub(super) column: String,
    /// What it is called there, with its type.
    pub(super) field: Field,
    /// Whether it is part of the key.
    pub(super) is_key: bool,
}

/// The delivered columns of rows of `schema`, in their order there: as `select` says, else as they stand here.
///
/// # Errors
/// Everything that the rows lack, at once.
pub(super) fn exported(name: &AssetName, export: &Export, schema: &Schema) -> Result<Vec<Exported>, RunError> {
    let visible = schema.fields().iter().filter(|field| !is_system_column(field.name()));
    let all: Vec<String> = visible.map(|field| field.name().clone()).collect();
    let wanted = if export.select.is_empty() { &all } else { &export.select };
    let named = wanted.iter().chain(&export.key).chain(export.rename.keys());
    let mut missing: Vec<String> =
        named.filter(|column| !all.contains(column)).map(|column| format!("`{column}`")).collect();
    missing.dedup();
    if !missing.is_empty() {
        let (from, missing) = (&export.from, missing.join(", "));
        return Err(RunError::Project(format!("export `{name}`: `{from}` has no column {missing}")));
    }
    let found = wanted.iter().filter_map(|column| {
        let is_key = export.mode == ExportMode::Upsert && export.key.contains(column);
        let field = schema.field_with_name(column).ok()?;
        let field = Field::new(export.name_there(column), field.data_type().clone(), !is_key);
        Some(Exported { column: column.clone(), field, is_key })
    });
    let found: Vec<Exported> = found.collect();
    report_doubles(name, &found)?;
    Ok(found)
}

fn report_doubles(name: &AssetName, found: &[Exported]) -> Result<(), RunError> {
    for (place, one) in found.iter().enumerate() {
        if found[..place].iter().any(|other| other.field.name() == one.field.name()) {
            let called = one.field.name();
            return Err(RunError::Project(format!("export `{name}` calls two columns `{called}`: mend `rename`")));
        }
    }
    Ok(())
}

/// The rows as the destination gets them.
pub(super) fn delivered_schema(columns: &[Exported]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|column| column.field.clone()).collect::<Vec<_>>()))
}
