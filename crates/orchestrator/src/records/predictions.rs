//! Predictions of all endpoints: those of schedules, which are tables of the lake, and those that were answered over HTTP.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use baton_core::{Commit, Version};
use baton_engine::{Engine, RecordSource, SessionInput, TableInput, Wanted};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};

use super::shape::{Kind, Shape, schema_of, texts_of, unreadable};
use crate::checks::quoted;
use crate::watch::predictions_of;

/// The columns of predictions.
pub(super) const COLUMNS: Shape = &[
    ("prediction_id", Kind::Text),
    ("endpoint", Kind::Text),
    ("predicted_at", Kind::Time),
    ("model", Kind::Text),
    ("model_version", Kind::Integer),
    ("score", Kind::Number),
    ("is_scheduled", Kind::Flag),
    ("commit_id", Kind::Text),
    ("variant", Kind::Text),
    ("request_id", Kind::Text),
    ("keys", Kind::Text),
    ("features", Kind::Text),
];

/// Predictions of a commit's endpoints.
pub(super) struct Predictions {
    engine: Engine,
    scheduled: Vec<Scheduled>,
    served: Option<Arc<dyn RecordSource>>,
}

/// The table of an endpoint's scheduled predictions.
#[derive(Clone)]
struct Scheduled {
    endpoint: String,
    model: String,
    table: String,
    input: TableInput,
}

impl fmt::Debug for Predictions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Predictions")
    }
}

impl Predictions {
    pub(super) fn new(
        engine: Engine,
        commit: &Commit,
        tables: &BTreeMap<String, TableInput>,
        served: Option<Arc<dyn RecordSource>>,
    ) -> Self {
        let scheduled = commit.assets.iter().filter_map(|(name, pin)| {
            let Version::Endpoint { serves, .. } = &pin.version else { return None };
            let table = predictions_of(name).to_string();
            let model = serves.get("main").and_then(|main| main.split('@').next()).unwrap_or_default().to_owned();
            Some(Scheduled { endpoint: name.to_string(), model, input: tables.get(&table)?.clone(), table })
        });
        Self { engine, scheduled: scheduled.collect(), served }
    }
}

impl RecordSource for Predictions {
    fn schema(&self) -> SchemaRef {
        schema_of(COLUMNS)
    }

    fn read(&self, wanted: Wanted) -> BoxStream<'static, Result<RecordBatch, ArrowError>> {
        let asked = texts_of(&wanted.conditions, "endpoint");
        let is_asked = |endpoint: &str| asked.as_ref().is_none_or(|asked| asked.contains(&endpoint));
        let scheduled: Vec<Scheduled> =
            self.scheduled.iter().filter(|table| is_asked(&table.endpoint)).cloned().collect();
        let (engine, columns) = (self.engine.clone(), wanted.columns.clone());
        let scheduled = futures::stream::iter(scheduled).flat_map(move |table| {
            let (engine, columns) = (engine.clone(), columns.clone());
            futures::stream::once(async move { table.read(&engine, &columns).await }).try_flatten().boxed()
        });
        match &self.served {
            Some(served) => scheduled.chain(served.read(wanted)).boxed(),
            None => scheduled.boxed(),
        }
    }
}

impl Scheduled {
    async fn read(
        self,
        engine: &Engine,
        columns: &[usize],
    ) -> Result<BoxStream<'static, Result<RecordBatch, ArrowError>>, ArrowError> {
        let tables = BTreeMap::from([(self.table.clone(), self.input.clone())]);
        let session = engine.session(SessionInput { tables, as_of: None }).map_err(unreadable)?;
        let rows = session.query_stream(&self.sql(columns)).await.map_err(unreadable)?;
        let schema = Arc::new(schema_of(COLUMNS).project(columns)?);
        let batches = rows.map_err(unreadable).and_then(move |batch| {
            let columns = batch.columns().iter().zip(schema.fields());
            let cast = columns.map(|(column, field)| arrow::compute::cast(column, field.data_type()));
            let rows = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            let cast: Result<Vec<_>, ArrowError> = cast.collect();
            let batch = cast.and_then(|cast| RecordBatch::try_new_with_options(Arc::clone(&schema), cast, &rows));
            std::future::ready(batch)
        });
        Ok(batches.boxed())
    }

    fn sql(&self, columns: &[usize]) -> String {
        let text = |value: &str| format!("'{}'", value.replace('\'', "''"));
        let column = |place: &usize| match COLUMNS[*place].0 {
            "endpoint" => text(&self.endpoint),
            "model" => text(&self.model),
            "is_scheduled" => "true".to_owned(),
            name @ ("prediction_id" | "predicted_at" | "model_version" | "score") => name.to_owned(),
            _ => "null".to_owned(),
        };
        let named = columns.iter().enumerate().map(|(place, at)| format!("{} as c{place}", column(at)));
        let named: Vec<String> = named.collect();
        // A query that counts only reads no column; rows are counted by one.
        let named = if named.is_empty() { "1 as c0".to_owned() } else { named.join(", ") };
        format!("select {named} from system.{}", quoted(&self.table))
    }
}
