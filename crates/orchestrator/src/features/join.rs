//! Features as they were known at each row's prediction time.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use baton_core::asset::Model;
use baton_core::interval::MICROS_PER_SECOND;
use baton_core::{AssetName, Timestamp};
use baton_engine::{AVAILABLE_AT, PitOptions, PointInTimeJoin, SessionInput, TableInput};

use super::{full_name, referenced_views};
use crate::checks::quoted;
use crate::error::RunError;
use crate::execution::Execution;
use crate::services::Services;
use crate::sessions::inputs_of;
use crate::values::micros_at;

/// The column of rows to be joined that says when their prediction is made.
pub(crate) const PREDICTED_AT: &str = "predicted_at";

/// A feature view at an exact table version, with the features that a model reads of it.
#[derive(Debug, Clone)]
pub(crate) struct FeatureTable {
    pub(crate) view: AssetName,
    pub(crate) from: AssetName,
    /// What stands behind the table, and behind what it reads if it is a view, by name.
    pub(crate) tables: BTreeMap<String, TableInput>,
    pub(crate) entity: Vec<String>,
    pub(crate) time: String,
    /// Seconds; 0 is for ever.
    pub(crate) ttl: i64,
    pub(crate) features: Vec<String>,
}

impl FeatureTable {
    /// The features' names in training sets and models.
    pub(crate) fn feature_names(&self) -> Vec<String> {
        self.features.iter().map(|feature| full_name(&self.view, feature)).collect()
    }
}

impl Execution<'_> {
    /// The feature views of a model at the versions of this run.
    pub(crate) async fn feature_tables(&self, model: &Model) -> Result<Vec<FeatureTable>, RunError> {
        let schema_of = |from: &str| self.prepared.schemas.get(from).cloned();
        let views = referenced_views(model, &self.prepared.project.assets, schema_of);
        let mut found = Vec::new();
        for (name, view, features) in views {
            let pin = self.working.get(&view.from).filter(|pin| pin.version.is_readable());
            if pin.is_none() {
                return Err(RunError::Missing {
                    what: "version of",
                    name: view.from.to_string(),
                    environment: self.environment.clone(),
                    hint: "build it first with `baton apply`".to_owned(),
                });
            }
            found.push(FeatureTable {
                view: name,
                from: view.from.clone(),
                tables: inputs_of(self.services, &self.working, [&view.from]).await?,
                entity: view.entity.clone(),
                time: view.time.clone(),
                ttl: view.ttl,
                features,
            });
        }
        Ok(found)
    }
}

/// Adds the features of `tables` to `rows`, as known at each row's [`PREDICTED_AT`] and at the clock. Rows keep their
/// order; none is dropped or doubled.
pub(crate) async fn join_features(
    services: &Services,
    rows: (SchemaRef, Vec<RecordBatch>),
    tables: &[FeatureTable],
    as_of: Timestamp,
) -> Result<RecordBatch, RunError> {
    let (schema, batches) = rows;
    let mut left = vec![concat_batches(&schema, &batches).map_err(RunError::rows("labels"))?];
    let Some(asked) = left.first().and_then(asked_interval) else { return without_rows(left, tables) };
    for table in tables {
        let right = read_features(services, table, asked, as_of).await?;
        let join = PointInTimeJoin {
            left_keys: table.entity.clone(),
            right_keys: table.entity.clone(),
            left_time: PREDICTED_AT.to_owned(),
            right_time: table.time.clone(),
            ttl_micros: table.ttl * MICROS_PER_SECOND,
            created: Some(AVAILABLE_AT.to_owned()),
            known_only: true,
        };
        let named: Vec<(String, String)> = table.features.iter().cloned().zip(table.feature_names()).collect();
        let options = PitOptions {
            memory_limit_bytes: services.engine.options().memory_limit_bytes / 2,
            spill_dir: services.engine.options().spill_dir.clone(),
        };
        left = tokio::task::spawn_blocking(move || join.join(&left, &right, &named, &options))
            .await
            .map_err(|error| RunError::Worker(error.to_string()))??;
    }
    let schema = left.first().map_or(schema, RecordBatch::schema);
    concat_batches(&schema, &left).map_err(RunError::rows("labels"))
}

/// The first and the last instant at which features are asked for; `None` without rows.
fn asked_interval(rows: &RecordBatch) -> Option<(i64, i64)> {
    let column = rows.column_by_name(PREDICTED_AT)?;
    let instants = (0..column.len()).filter_map(|row| micros_at(column, row));
    instants.fold(None, |span, instant| {
        let (first, last) = span.unwrap_or((instant, instant));
        Some((first.min(instant), last.max(instant)))
    })
}

/// No rows, with all columns that rows would have.
fn without_rows(mut rows: Vec<RecordBatch>, tables: &[FeatureTable]) -> Result<RecordBatch, RunError> {
    let names: Vec<String> = tables.iter().flat_map(FeatureTable::feature_names).collect();
    let schema = rows.pop().map_or_else(|| Arc::new(Schema::empty()), |batch| batch.schema());
    let added = names.iter().map(|name| Arc::new(Field::new(name, DataType::Float64, true)));
    let fields: Vec<_> = schema.fields().iter().cloned().chain(added).collect();
    Ok(RecordBatch::new_empty(Arc::new(Schema::new(fields))))
}

/// The view's rows that are known at the clock and can answer for `asked`: entity, time, features, and when each
/// became known.
async fn read_features(
    services: &Services,
    table: &FeatureTable,
    (first, last): (i64, i64),
    as_of: Timestamp,
) -> Result<Vec<RecordBatch>, RunError> {
    let columns: Vec<String> =
        table.entity.iter().chain([&table.time]).chain(&table.features).map(|name| quoted(name)).collect();
    let time = quoted(&table.time);
    let oldest = match table.ttl {
        0 => String::new(),
        ttl => format!(" and {time} >= to_timestamp_micros({})", first.saturating_sub(ttl * MICROS_PER_SECOND)),
    };
    let query = format!(
        "select {}, {AVAILABLE_AT} from system.{} where {time} <= to_timestamp_micros({last}){oldest}",
        columns.join(", "),
        quoted(&table.from)
    );
    let session = services.engine.session(SessionInput { tables: table.tables.clone(), as_of: Some(as_of) })?;
    let (schema, batches) = session.query(&query).await?;
    // A view without rows still has to be joined: its features are null.
    Ok(if batches.is_empty() { vec![RecordBatch::new_empty(schema)] } else { batches })
}
