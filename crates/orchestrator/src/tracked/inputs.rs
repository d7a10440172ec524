//! What a run read, in MLflow's words: a dataset a table version, with a source from which Delta readers open the same rows.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::{DataType, Schema};
use baton_core::{AssetName, Commit, Fingerprint, Pin, TableVersion, Version};
use baton_engine::{is_system_column, table_references};
use baton_tracking::Tag;
use baton_tracking::input::{Dataset, DatasetInput};
use serde_json::{Value, json};

use crate::error::RunError;
use crate::services::Services;

/// What a dataset was read for.
pub(super) const CONTEXT: &str = "mlflow.data.context";
/// The tag of an input that says which version it is.
pub(super) const VERSION: &str = "baton.version";

/// The table versions behind the named assets of `pins`, those behind views among them, as datasets.
pub(super) async fn datasets(
    services: &Services,
    pins: &BTreeMap<AssetName, Pin>,
    names: impl IntoIterator<Item = AssetName>,
    context: &str,
) -> Vec<DatasetInput> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let mut waiting: Vec<AssetName> = names.into_iter().collect();
    while let Some(name) = waiting.pop() {
        let Some(pin) = pins.get(&name).filter(|_| !seen.contains(&name)) else { continue };
        match &pin.version {
            Version::Table(table) | Version::FeatureView { table: Some(table), .. } => {
                found.push(dataset(services, &name, table, pin, context).await);
            }
            Version::View { .. } | Version::FeatureView { table: None, .. } => {
                waiting.extend(pin.inputs.keys().cloned());
            }
            _ => {}
        }
        seen.insert(name);
    }
    found.sort_by(|a, b| a.dataset.name.cmp(&b.dataset.name));
    found
}

/// A table version as a dataset.
async fn dataset(
    services: &Services,
    name: &AssetName,
    table: &TableVersion,
    pin: &Pin,
    context: &str,
) -> DatasetInput {
    let digest = pin.digest.as_ref().map_or_else(|| Fingerprint::of([table.to_string()]).to_string(), Clone::clone);
    version_as_dataset(services, (name, table), (&digest, pin.rows), context).await
}

/// The version of a table that is nobody's asset, or of one whose digest is known otherwise, as a dataset.
pub(super) async fn version_as_dataset(
    services: &Services,
    (name, table): (&str, &TableVersion),
    (digest, rows): (&str, Option<u64>),
    context: &str,
) -> DatasetInput {
    let path = services.lake.warehouse().join(&table.location);
    let source = json!({"path": path, "delta_table_version": table.version});
    // Rows that are gone have no columns to tell; the version is told all the same.
    let schema = services.lake.snapshot(table).await.ok().map(|snapshot| columns(snapshot.schema()).to_string());
    let dataset = Dataset {
        name: name.to_owned(),
        digest: digest.chars().take(36).collect(),
        source_type: "delta_table".to_owned(),
        source: source.to_string(),
        schema,
        profile: rows.map(|rows| json!({"num_rows": rows}).to_string()),
    };
    let tag = |key: &str, value: String| Tag { key: key.to_owned(), value };
    DatasetInput { dataset, tags: vec![tag(CONTEXT, context.to_owned()), tag(VERSION, table.to_string())] }
}

/// Columns as MLflow writes them.
fn columns(schema: &Schema) -> Value {
    let visible = schema.fields().iter().filter(|field| !is_system_column(field.name()));
    let column = |field: &arrow::datatypes::FieldRef| json!({"type": word(field.data_type()), "name": field.name(), "required": !field.is_nullable()});
    json!({"mlflow_colspec": visible.map(column).collect::<Vec<_>>()})
}

/// MLflow's word for a type.
fn word(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => "integer",
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "long",
        DataType::Float16 | DataType::Float32 => "float",
        DataType::Float64 | DataType::Decimal128(..) => "double",
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => "datetime",
        DataType::Binary | DataType::LargeBinary => "binary",
        _ => "string",
    }
}

/// The table versions of `commit` that a query reads, as inputs of a run.
///
/// # Errors
/// [`RunError::Engine`] for what is no SQL.
pub async fn inputs_of_query(services: &Services, commit: &Commit, sql: &str) -> Result<Vec<DatasetInput>, RunError> {
    let named = table_references(sql).map_err(|problem| baton_engine::EngineError::Sql(vec![problem]))?;
    let names = named.iter().filter_map(|name| AssetName::parse(name.strip_prefix("system.").unwrap_or(name)).ok());
    Ok(datasets(services, &commit.assets, names.collect::<Vec<_>>(), "query").await)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, TimeUnit};

    use super::*;

    #[test]
    fn columns_are_told_in_mlflows_types_and_system_columns_not_at_all() {
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
            Field::new("carrier", DataType::Utf8, true),
            Field::new("_available_at", DataType::Utf8, true),
        ]);
        let expected = json!({"mlflow_colspec": [
            {"type": "long", "name": "id", "required": true},
            {"type": "datetime", "name": "at", "required": false},
            {"type": "string", "name": "carrier", "required": false},
        ]});
        assert_eq!(columns(&schema), expected);
    }
}
