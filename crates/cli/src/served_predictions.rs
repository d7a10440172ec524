//! Predictions that endpoints answered over HTTP, as records of a query: read from their log when a query asks for them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use baton_core::time::timestamp_from_micros;
use baton_core::{Commit, Kind, Timestamp};
use baton_engine::{Comparand, Is, RecordSource, Wanted};
use baton_orchestrator::records::{Cell, batch_of, prediction_columns, schema_of};
use baton_serving::{PredictionLog, PredictionRecord};
use futures::StreamExt as _;
use futures::stream::BoxStream;

use crate::project::Workspace;
use crate::wire;

/// Rows of a batch.
const ROWS: usize = 8_192;

/// The log of a project's predictions.
pub(crate) struct ServedPredictions {
    folder: PathBuf,
    endpoints: Vec<String>,
}

impl ServedPredictions {
    /// Those of the endpoints of a commit; `None` where nothing was served yet.
    pub(crate) fn of(workspace: &Workspace, commit: &Commit) -> Option<Arc<dyn RecordSource>> {
        let folder = wire::prediction_folder(workspace.services());
        let endpoints = commit.assets.iter().filter(|(_, pin)| pin.kind == Kind::Endpoint);
        let endpoints = endpoints.map(|(name, _)| name.to_string()).collect();
        folder.is_dir().then(|| Arc::new(Self { folder, endpoints }) as Arc<dyn RecordSource>)
    }
}

impl fmt::Debug for ServedPredictions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ServedPredictions")
    }
}

impl RecordSource for ServedPredictions {
    fn schema(&self) -> SchemaRef {
        schema_of(prediction_columns())
    }

    fn read(&self, wanted: Wanted) -> BoxStream<'static, Result<RecordBatch, ArrowError>> {
        let folder = self.folder.clone();
        let endpoints = self.endpoints.iter().filter(|endpoint| is_wanted(&wanted, endpoint)).cloned();
        let endpoints: Vec<String> = endpoints.collect();
        // An endpoint at a time: a log is held in memory while its rows are taken.
        futures::stream::iter(endpoints)
            .then(move |endpoint| {
                let (folder, wanted) = (folder.clone(), wanted.clone());
                async move {
                    let reading = tokio::task::spawn_blocking(move || read(&folder, &endpoint, &wanted));
                    reading.await.map_err(|error| unreadable(&error))?
                }
            })
            .flat_map(|batches: Result<Vec<RecordBatch>, ArrowError>| match batches {
                Ok(batches) => futures::stream::iter(batches).map(Ok).boxed(),
                Err(error) => futures::stream::once(std::future::ready(Err(error))).boxed(),
            })
            .boxed()
    }
}

fn is_wanted(wanted: &Wanted, endpoint: &str) -> bool {
    wanted.conditions.iter().filter(|condition| condition.column == "endpoint").all(|condition| match &condition.is {
        Is::OneOf(values) => values.contains(&Comparand::Text(endpoint.to_owned())),
        _ => true,
    })
}

fn read(folder: &PathBuf, endpoint: &str, wanted: &Wanted) -> Result<Vec<RecordBatch>, ArrowError> {
    let log = PredictionLog::open(folder).map_err(|error| unreadable(&error))?;
    let (from, until) = window(wanted);
    let records = log.read_between(endpoint, from, until).map_err(|error| unreadable(&error))?;
    let rows: Vec<Vec<Cell>> = records.into_iter().map(row).collect();
    rows.chunks(ROWS).map(|rows| batch_of(prediction_columns(), rows, &wanted.columns)).collect()
}

/// The time that conditions ask for: from, and before.
fn window(wanted: &Wanted) -> (Timestamp, Timestamp) {
    let (mut from, mut until) = (i64::MIN, i64::MAX);
    for condition in wanted.conditions.iter().filter(|condition| condition.column == "predicted_at") {
        match &condition.is {
            Is::AtLeast(Comparand::Micros(micros)) => from = from.max(*micros),
            Is::AtMost(Comparand::Micros(micros)) => until = until.min(micros.saturating_add(1)),
            _ => {}
        }
    }
    // Years that calendars know.
    let bounded = |micros: i64| timestamp_from_micros(micros.clamp(-62_135_596_800_000_000, 253_402_300_799_000_000));
    (bounded(from), bounded(until))
}

fn row(record: PredictionRecord) -> Vec<Cell> {
    let json = |value: Result<String, serde_json::Error>| Cell::maybe(value.ok(), Cell::Text);
    let variant = serde_json::to_value(record.variant).ok();
    let variant = variant.and_then(|variant| variant.as_str().map(str::to_owned));
    vec![
        Cell::Text(record.id),
        Cell::Text(record.endpoint),
        Cell::Time(record.at),
        Cell::Text(record.model),
        Cell::integer(record.version),
        Cell::Number(record.score),
        Cell::Flag(false),
        Cell::maybe(record.commit, Cell::Text),
        Cell::maybe(variant, Cell::Text),
        Cell::maybe(record.request_id, Cell::Text),
        json(serde_json::to_string(&record.keys)),
        json(serde_json::to_string(&record.features)),
    ]
}

fn unreadable(error: &dyn std::error::Error) -> ArrowError {
    ArrowError::ExternalError(error.to_string().into())
}
