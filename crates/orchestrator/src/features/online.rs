//! Bringing a feature view's latest values to the online store: what became known since the last time, in one write.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow::array::{ArrayRef, RecordBatch};
use baton_core::asset::FeatureView;
use baton_core::ports::OnlineRow;
use baton_core::scalar::{Scalar, entity_key};
use baton_core::{AssetName, Commit, Fingerprint, Kind, Pin, TableVersion, Timestamp, Version, failpoint};
use baton_engine::{AVAILABLE_AT, DataFile, SessionInput, TableFiles, TableInput};
use futures::TryStreamExt as _;

use super::feature_columns;
use crate::checks::quoted;
use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::report::rows_of;
use crate::services::Services;
use crate::sessions::inputs_of;
use crate::steps::{StepKey, StepOutput};
use crate::values::{micros_at, scalar_at};

impl Execution<'_> {
    /// Pins the view to its table's version and, for an online view, brings what became known since to the store.
    pub(crate) async fn materialize(&mut self, asset: &AssetName, view: &FeatureView) -> Result<StepOutcome, RunError> {
        let Some(from) = self.working.get(&view.from).filter(|pin| pin.version.is_readable()) else {
            return Err(RunError::Missing {
                what: "version of",
                name: view.from.to_string(),
                environment: self.environment.clone(),
                hint: "build it first with `baton apply`".to_owned(),
            });
        };
        let table = from.version.table().cloned();
        let Some(desired) = self.prepared.desired.assets.get(asset) else { return Ok(StepOutcome::up_to_date()) };
        let content = desired.content();
        let inputs = self.input_versions(asset);
        let previous = self.working.get(asset).cloned();
        let namespace = view.online.then(|| self.namespace(asset, &content, previous.as_ref()));
        let same_place = previous.as_ref().is_some_and(|pin| online_of(pin) == namespace.as_deref());
        if same_place && previous.as_ref().is_some_and(|pin| pin.inputs == inputs) {
            return Ok(StepOutcome::up_to_date());
        }
        let since = previous.as_ref().filter(|_| same_place).and_then(|pin| pin.known_through);
        let mut written = 0;
        if let Some(namespace) = &namespace {
            let before = previous.as_ref().filter(|_| same_place).and_then(|pin| pin.version.table());
            let since = since.zip(before);
            let reading = OnlineRead { view, pins: &self.working, since, as_of: self.as_of };
            if !same_place {
                self.services.online.drop_namespace(namespace)?;
            }
            written = bring_online(self.services, asset, &reading, namespace).await?;
        }
        failpoint::reach("features.online_written");
        let mut pin = self.bare_pin(asset, Kind::FeatureView, Version::FeatureView { table, online: namespace });
        pin.known_through = Some(self.as_of.timestamp_micros());
        pin.inputs = inputs;
        let key = StepKey::new("materialize", &content).reading(&pin.inputs).with("environment", &self.environment);
        self.record_output(asset, &key, &StepOutput::of(pin.clone()), Vec::new()).await?;
        self.working.insert(asset.clone(), pin);
        Ok(StepOutcome::done(format!("{} online", rows_of(written))).with_rows(written))
    }

    /// Where the view's online values are: one place as long as its content stays. A place that is begun is named by the
    /// commit before it, as values of an earlier life of the environment may lie where it was before.
    fn namespace(&self, asset: &AssetName, content: &Fingerprint, previous: Option<&Pin>) -> String {
        let prefix = format!("{}/{asset}/{}", self.environment, content.short());
        match previous.and_then(online_of) {
            Some(there) if there.starts_with(&prefix) => there.to_owned(),
            _ => {
                let base = self.base.as_ref().map_or("first", |commit| commit.id.short());
                format!("{prefix}/{base}")
            }
        }
    }
}

fn online_of(pin: &Pin) -> Option<&str> {
    match &pin.version {
        Version::FeatureView { online, .. } => online.as_deref(),
        _ => None,
    }
}

/// What is read to bring a view online.
struct OnlineRead<'a> {
    view: &'a FeatureView,
    /// The versions that the view's table, or what it reads if it is a view, is read at.
    pins: &'a BTreeMap<AssetName, Pin>,
    /// The clock of the last time, in microseconds, and the table version of then: rows of its files that were known
    /// by then are there already.
    since: Option<(i64, &'a TableVersion)>,
    as_of: Timestamp,
}

/// Fills `namespace` with the latest values of `commit`, from nothing.
pub(crate) async fn rebuild_online(
    services: &Services,
    asset: &AssetName,
    view: &FeatureView,
    commit: &Commit,
    namespace: &str,
) -> Result<u64, RunError> {
    services.online.drop_namespace(namespace)?;
    let reading = OnlineRead { view, pins: &commit.assets, since: None, as_of: commit.as_of };
    bring_online(services, asset, &reading, namespace).await
}

async fn bring_online(
    services: &Services,
    asset: &AssetName,
    reading: &OnlineRead<'_>,
    namespace: &str,
) -> Result<u64, RunError> {
    let mut written = 0;
    for (tables, since) in parts_to_read(services, reading).await? {
        written += bring_part(services, asset, reading, (tables, since), namespace).await?;
    }
    Ok(written)
}

/// Files that were there the last time, of which only what became known or due since is read, and new files, which are
/// read whole: a table can be built long after its rows were known. So is all that a view yields.
async fn parts_to_read(services: &Services, reading: &OnlineRead<'_>) -> Result<Vec<Part>, RunError> {
    let from = &reading.view.from;
    let table = reading.pins.get(from).and_then(|pin| pin.version.table());
    let (Some(table), Some((since, before))) = (table, reading.since) else {
        return Ok(vec![(inputs_of(services, reading.pins, [from]).await?, None)]);
    };
    let all = TableFiles::from(services.lake.snapshot(table).await?.as_ref());
    let before = services.lake.snapshot(before).await?;
    let there: BTreeSet<&Path> = before.files().iter().map(|file| file.path.as_path()).collect();
    let (old, new) = all.files.into_iter().partition(|file| there.contains(file.path.as_path()));
    let part = |files: Vec<DataFile>| {
        BTreeMap::from([(from.to_string(), TableInput::Files(TableFiles { schema: all.schema.clone(), files }))])
    };
    Ok(vec![(part(old), Some(since)), (part(new), None)])
}

/// What is read, and the clock of the last time, in microseconds, where only what is newer counts.
type Part = (BTreeMap<String, TableInput>, Option<i64>);

async fn bring_part(
    services: &Services,
    asset: &AssetName,
    reading: &OnlineRead<'_>,
    (tables, since): Part,
    namespace: &str,
) -> Result<u64, RunError> {
    let view = reading.view;
    let session = services.engine.session(SessionInput { tables, as_of: Some(reading.as_of) })?;
    let schema = session.query_stream(&format!("select * from {}", quoted(&view.from))).await?.schema();
    let features = feature_columns(view, &schema);
    let mut stream = session.query_stream(&latest_query(reading, since, &features)).await?;
    let mut written = 0;
    while let Some(batch) = stream.try_next().await? {
        let rows = online_rows(&batch, view.entity.len(), features.len());
        written += services.online.upsert(namespace, &rows)?.written;
        services.progress.advanced(asset, written, written);
    }
    Ok(written)
}

/// Rows that are known and due: keys, event time, known time, features. With `since`, only those that were not then.
fn latest_query(reading: &OnlineRead<'_>, since: Option<i64>, features: &[String]) -> String {
    let view = reading.view;
    let time = quoted(&view.time);
    let columns: Vec<String> = view
        .entity
        .iter()
        .chain([&view.time])
        .map(|name| quoted(name))
        .chain([AVAILABLE_AT.to_owned()])
        .chain(features.iter().map(|name| quoted(name)))
        .collect();
    let clock = format!("to_timestamp_micros({})", reading.as_of.timestamp_micros());
    let newer = match since {
        Some(since) => {
            format!(" and ({AVAILABLE_AT} > to_timestamp_micros({since}) or {time} > to_timestamp_micros({since}))")
        }
        None => String::new(),
    };
    format!(
        "select {} from system.{} where {time} <= {clock} and ({AVAILABLE_AT} is null or {AVAILABLE_AT} <= {clock}){newer}",
        columns.join(", "),
        quoted(&view.from)
    )
}

fn online_rows(batch: &RecordBatch, entities: usize, features: usize) -> Vec<OnlineRow> {
    let columns: &[ArrayRef] = batch.columns();
    let row = |index: usize| -> Option<OnlineRow> {
        let keys: Vec<Scalar> = columns[..entities].iter().map(|column| scalar_at(column, index)).collect();
        let event_at = micros_at(&columns[entities], index)?;
        let values = &columns[entities + 2..entities + 2 + features];
        Some(OnlineRow {
            key: entity_key(&keys),
            event_at,
            created_at: micros_at(&columns[entities + 1], index).unwrap_or(event_at),
            values: values.iter().map(|column| scalar_at(column, index)).collect(),
        })
    };
    (0..batch.num_rows()).filter_map(row).collect()
}
