//! What is tracked, a page at a time; conditions on runs, keys, names, steps and times go to the database.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow::array::{TimestampMicrosecondArray, new_empty_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use baton_engine::{Comparand, Condition, Is, RecordSource, Wanted};
use baton_tracking::TrackingStore;
use baton_tracking::tables::{After, ColumnKind, Only, TrackedTable, Values};
use futures::StreamExt as _;
use futures::stream::BoxStream;

use super::shape::unreadable;
use crate::tracked::RunTracking;

/// Rows of a page.
const PAGE: usize = 8_192;
const MICROS: i64 = 1_000;

/// A table of what is tracked.
pub(super) struct Tracked {
    tracking: Arc<dyn RunTracking>,
    table: TrackedTable,
}

impl Tracked {
    pub(super) fn new(tracking: Arc<dyn RunTracking>, table: TrackedTable) -> Self {
        Self { tracking, table }
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Tracked").field(&self.table).finish()
    }
}

impl RecordSource for Tracked {
    fn schema(&self) -> SchemaRef {
        schema(self.table)
    }

    fn expected_rows(&self) -> Option<usize> {
        Some(expected_rows(self.table))
    }

    fn read(&self, wanted: Wanted) -> BoxStream<'static, Result<RecordBatch, ArrowError>> {
        let (tracking, table) = (Arc::clone(&self.tracking), self.table);
        let opened = async move { tracking.store().await.map_err(unreadable) };
        futures::stream::once(opened)
            .flat_map(move |store| match store {
                Ok(Some(store)) => pages(store, table, wanted.clone()),
                // Nothing is tracked yet.
                Ok(None) => futures::stream::empty().boxed(),
                Err(error) => futures::stream::once(std::future::ready(Err(error))).boxed(),
            })
            .boxed()
    }
}

/// How far a table was read.
struct Reading {
    store: TrackingStore,
    table: TrackedTable,
    wanted: Wanted,
    only: Vec<Only>,
    after: Option<After>,
    /// Rows that are still of use.
    left: usize,
    ended: bool,
}

fn pages(
    store: TrackingStore,
    table: TrackedTable,
    wanted: Wanted,
) -> BoxStream<'static, Result<RecordBatch, ArrowError>> {
    let only = wanted.conditions.iter().filter_map(|condition| only(table, condition)).collect();
    let left = wanted.most.unwrap_or(usize::MAX);
    let reading = Reading { store, table, wanted, only, after: None, left, ended: left == 0 };
    futures::stream::try_unfold(reading, |mut reading| async move {
        Ok(reading.next().await?.map(|batch| (batch, reading)))
    })
    .boxed()
}

impl Reading {
    async fn next(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.ended {
            return Ok(None);
        }
        let page = self.store.table_page(self.table, &self.only, self.after.take(), self.left.min(PAGE));
        let page = page.await.map_err(unreadable)?;
        self.left -= page.rows.min(self.left);
        self.after = page.next;
        self.ended = self.after.is_none() || self.left == 0;
        batch(self.table, page.columns, page.rows, &self.wanted.columns).map(Some)
    }
}

/// About how many rows a table has. Only which of two has more is of use: points are many to a run.
fn expected_rows(table: TrackedTable) -> usize {
    match table {
        TrackedTable::Experiments => 100,
        TrackedTable::ModelVersions => 1_000,
        TrackedTable::Runs => 10_000,
        TrackedTable::Inputs => 20_000,
        TrackedTable::Params | TrackedTable::Tags | TrackedTable::LatestMetrics => 200_000,
        TrackedTable::Metrics => 10_000_000,
    }
}

fn schema(table: TrackedTable) -> SchemaRef {
    let fields = table.columns().iter().map(|column| Field::new(column.name, data_type(column.kind), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Text => DataType::Utf8,
        ColumnKind::Integer => DataType::Int64,
        ColumnKind::Number => DataType::Float64,
        ColumnKind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

fn batch(table: TrackedTable, columns: Vec<Values>, rows: usize, wanted: &[usize]) -> Result<RecordBatch, ArrowError> {
    let schema = Arc::new(schema(table).project(wanted)?);
    let mut columns: Vec<Option<Values>> = columns.into_iter().map(Some).collect();
    let mut take = |place: usize| match columns.get_mut(place).and_then(Option::take) {
        Some(values) => array(values),
        None => new_empty_array(&DataType::Utf8),
    };
    let arrays = wanted.iter().map(|place| take(*place)).collect();
    RecordBatch::try_new_with_options(schema, arrays, &RecordBatchOptions::new().with_row_count(Some(rows)))
}

fn array(values: Values) -> ArrayRef {
    match values {
        Values::Texts(texts) => Arc::new(StringArray::from(texts)),
        Values::Integers(integers) => Arc::new(Int64Array::from(integers)),
        Values::Numbers(numbers) => Arc::new(Float64Array::from(numbers)),
        Values::Times(times) => {
            let micros = times.into_iter().map(|time| time.map(|millis| millis.saturating_mul(MICROS)));
            Arc::new(TimestampMicrosecondArray::from_iter(micros).with_timezone("UTC"))
        }
    }
}

/// A condition in the words of the store; none where it has none for it. Instants are rounded so that no row is lost.
fn only(table: TrackedTable, condition: &Condition) -> Option<Only> {
    let column = table.columns().iter().find(|column| column.name == condition.column)?.name;
    Some(match &condition.is {
        Is::OneOf(values) => match values.as_slice() {
            [Comparand::Integer(value)] => Only::AtLeast(column, *value),
            values => Only::OneOf(column, values.iter().map(text).collect::<Option<_>>()?),
        },
        Is::AtLeast(Comparand::Integer(value)) => Only::AtLeast(column, *value),
        Is::AtMost(Comparand::Integer(value)) => Only::AtMost(column, *value),
        Is::AtLeast(Comparand::Micros(micros)) => Only::AtLeast(column, micros.div_euclid(MICROS)),
        Is::AtMost(Comparand::Micros(micros)) => Only::AtMost(column, micros.div_euclid(MICROS)),
        Is::AtLeast(_) | Is::AtMost(_) => return None,
    })
}

fn text(value: &Comparand) -> Option<String> {
    match value {
        Comparand::Text(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use baton_core::time::{FixedClock, timestamp_from_micros};
    use baton_tracking::metric::Metric;
    use baton_tracking::run::{Batch, NewRun, PromisedRun};
    use baton_tracking::{StoreOptions, TrackingError};
    use futures::TryStreamExt as _;

    use super::*;
    use crate::tracked::HostedRun;

    struct Kept(Option<TrackingStore>);

    #[async_trait]
    impl RunTracking for Kept {
        async fn store(&self) -> Result<Option<TrackingStore>, TrackingError> {
            Ok(self.0.clone())
        }

        async fn host(&self, _promised: PromisedRun) -> Result<Option<Box<dyn HostedRun>>, TrackingError> {
            Ok(None)
        }
    }

    async fn store() -> (TrackingStore, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock(timestamp_from_micros(1_000_000)));
        let options = StoreOptions { clock, artifact_root: "mlflow-artifacts:/".to_owned() };
        (TrackingStore::open(&folder.path().join("tracking.db"), options).await.unwrap(), folder)
    }

    /// The id of a run with so many points of `loss` and of `rmse`.
    async fn run(store: &TrackingStore, points: i64) -> String {
        let run = store.create_run(NewRun::default()).await.unwrap().info.run_id;
        for key in ["loss", "rmse"] {
            let point =
                |step| Metric { key: key.to_owned(), value: step as f64, timestamp: 5, step, ..Metric::default() };
            let metrics = (0..points).map(point).collect();
            store.log_batch(run.clone(), Batch { metrics, ..Batch::default() }).await.unwrap();
        }
        run
    }

    async fn rows(source: &Tracked, conditions: Vec<Condition>, most: Option<usize>) -> Vec<RecordBatch> {
        let wanted = Wanted { columns: vec![2, 3], conditions, most };
        source.read(wanted).try_collect().await.unwrap()
    }

    fn count(batches: &[RecordBatch]) -> usize {
        batches.iter().map(RecordBatch::num_rows).sum()
    }

    #[tokio::test]
    async fn only_points_of_the_run_and_key_that_are_asked_for_are_read() {
        let (store, _folder) = store().await;
        let (one, _other) = (run(&store, 40).await, run(&store, 500).await);
        let source = Tracked::new(Arc::new(Kept(Some(store))), TrackedTable::Metrics);
        let text = |column: &str, value: &str| Condition {
            column: column.to_owned(),
            is: Is::OneOf(vec![Comparand::Text(value.to_owned())]),
        };
        assert_eq!(count(&rows(&source, Vec::new(), None).await), 1_080);
        assert_eq!(count(&rows(&source, vec![text("run_id", &one)], None).await), 80);
        let late = Condition { column: "step".to_owned(), is: Is::AtLeast(Comparand::Integer(30)) };
        let found = rows(&source, vec![text("run_id", &one), text("key", "loss"), late], None).await;
        assert_eq!(count(&found), 10);
        assert_eq!((found[0].num_columns(), found[0].schema().field(0).name().as_str()), (2, "value"));
        assert_eq!(count(&rows(&source, Vec::new(), Some(7)).await), 7);
    }

    #[tokio::test]
    async fn where_nothing_is_tracked_there_are_no_rows() {
        let source = Tracked::new(Arc::new(Kept(None)), TrackedTable::Runs);
        assert_eq!(count(&rows(&source, Vec::new(), None).await), 0);
    }

    #[test]
    fn instants_are_rounded_so_that_no_row_is_lost() {
        let condition = |is| Condition { column: "logged_at".to_owned(), is };
        let at_least = condition(Is::AtLeast(Comparand::Micros(5_500)));
        assert_eq!(only(TrackedTable::Metrics, &at_least), Some(Only::AtLeast("logged_at", 5)));
        let at_most = condition(Is::AtMost(Comparand::Micros(-1)));
        assert_eq!(only(TrackedTable::Metrics, &at_most), Some(Only::AtMost("logged_at", -1)));
        let unknown = Condition { column: "other".to_owned(), ..at_most };
        assert_eq!(only(TrackedTable::Metrics, &unknown), None);
    }
}
