//! Scoring an endpoint's rows by schedule: each row at its own prediction time, with what was known then.
//!
//! Predictions are a table of the environment, `<endpoint>_predictions`, versioned like any other.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use baton_core::asset::{Endpoint, Model, Scoring};
use baton_core::event::EventFilter;
use baton_core::interval::MICROS_PER_SECOND;
use baton_core::{
    AssetName, Definition, EventKind, Fingerprint, Interval, IntervalSet, Kind, Pin, TableVersion, Version, failpoint,
};
use baton_engine::AVAILABLE_AT;
use baton_lake::{Change, TableLocation};
use serde_json::json;

use crate::checks::quoted;
use crate::error::RunError;
use crate::execution::{Execution, StepOutcome};
use crate::features::{FeatureTable, PREDICTED_AT, join_features};
use crate::registry::LoadedVersion;
use crate::report::rows_of;
use crate::sessions::session_of;
use crate::training::prediction_instant;
use crate::values::scalar_at;
use crate::watch::deploy::served_of;
use crate::write::{Pass, Place};

/// The table of an endpoint's predictions.
pub(crate) fn predictions_of(endpoint: &AssetName) -> AssetName {
    AssetName::parse(&format!("{endpoint}_predictions")).unwrap_or_else(|_| endpoint.clone())
}

impl Execution<'_> {
    /// Scores rows whose prediction time has come since the last time.
    pub(crate) async fn score(&mut self, asset: &AssetName, endpoint: &Endpoint) -> Result<StepOutcome, RunError> {
        let Some(scoring) = &endpoint.score else { return Ok(StepOutcome::up_to_date()) };
        let Some(Definition::Model(model)) =
            self.prepared.project.assets.get(&endpoint.model.model).map(|found| &found.definition)
        else {
            return Ok(StepOutcome::up_to_date());
        };
        let Some(champion) = self.champion(&endpoint.model.model).await? else {
            return Ok(StepOutcome::up_to_date());
        };
        let version = &champion.version;
        let predictions = predictions_of(asset);
        let previous = self.working.get(&predictions).cloned();
        let Some(interval) = self.due(asset, previous.as_ref()).await? else { return Ok(StepOutcome::up_to_date()) };
        let revision = self.working.get(asset).map_or(0, |pin| served_of(pin).0);
        let scored = self.scored_rows(asset, (model, scoring), interval, &champion, revision).await?;
        let count = scored.num_rows();
        let pin = self.store_predictions(&predictions, previous.as_ref(), interval, &scored).await?;
        let body = json!({"rows": count, "model": version.reference(), "revision": revision, "interval": interval});
        self.pending.push(self.event(EventKind::EndpointScored, asset, asset.as_str(), body));
        self.working.insert(predictions, pin);
        let rows = count as u64;
        Ok(StepOutcome::done(format!("{} by {}", rows_of(rows), version.reference())).with_rows(rows))
    }

    /// The rows of `interval` with the predictions of a version, served by a revision of the endpoint.
    pub(crate) async fn scored_rows(
        &self,
        asset: &AssetName,
        (model, scoring): (&Model, &Scoring),
        interval: Interval,
        champion: &LoadedVersion,
        revision: u64,
    ) -> Result<RecordBatch, RunError> {
        let tables = self.feature_tables(model).await?;
        let rows = self.rows_to_score(model, scoring, interval).await?;
        let joined = join_features(self.services, rows, &tables, self.as_of).await?;
        let scores = match joined.num_rows() {
            0 => Vec::new(),
            count => champion.predictor.predict(&champion.stored.encoder.encode(&joined)?, count)?,
        };
        with_predictions(asset, &joined, &scores, champion.version.number, revision, &tables)
            .map_err(RunError::rows(asset))
    }

    /// From where scoring stopped (or the endpoint was first deployed) to the clock.
    async fn due(&self, asset: &AssetName, previous: Option<&Pin>) -> Result<Option<Interval>, RunError> {
        let end = self.as_of.timestamp_micros();
        let start = match previous.and_then(|pin| pin.intervals.end()) {
            Some(done) => done,
            None => self.first_deployed(asset).await?.unwrap_or(end),
        };
        let interval = Interval { start, end };
        Ok((!interval.is_empty()).then_some(interval))
    }

    async fn first_deployed(&self, asset: &AssetName) -> Result<Option<i64>, RunError> {
        let filter = EventFilter {
            environment: Some(self.environment.clone()),
            kinds: vec![EventKind::EndpointDeployed],
            asset: Some(asset.clone()),
            ..EventFilter::default()
        };
        let deployed = self.services.ledger.events(&filter).await?;
        Ok(deployed.first().map(|found| found.event.as_of.timestamp_micros()))
    }

    async fn rows_to_score(
        &self,
        model: &Model,
        scoring: &Scoring,
        interval: Interval,
    ) -> Result<(SchemaRef, Vec<RecordBatch>), RunError> {
        let labels = &model.labels;
        let columns: Vec<String> = labels.keys.iter().chain([&labels.time]).map(|name| quoted(name)).collect();
        let instant = prediction_instant(&labels.time, labels.predict_before);
        let before = labels.predict_before * MICROS_PER_SECOND;
        // A row that became known after its own prediction time would be a prediction made in hindsight.
        let query = format!(
            "select {columns}, {at} from (select {columns}, {instant}, {AVAILABLE_AT} as known from system.{table} where {time} >= to_timestamp_micros({}) and {time} < to_timestamp_micros({})) where known is null or known <= {at} order by {at}, {columns}",
            interval.start + before,
            interval.end + before,
            columns = columns.join(", "),
            table = quoted(&scoring.from),
            time = quoted(&labels.time),
            at = quoted(PREDICTED_AT),
        );
        let session = session_of(self.services, &self.working, [&scoring.from], Some(self.as_of)).await?;
        Ok(session.query(&query).await?)
    }

    /// Whether rows of `schema` can be added to those of a version: no column that both have changed its type.
    async fn keeps_types(&self, pin: &Pin, schema: &Schema) -> Result<bool, RunError> {
        let Some(table) = pin.version.table() else { return Ok(false) };
        let before = self.services.lake.snapshot(table).await?.schema().clone();
        let is_same = |field: &Field| {
            before.field_with_name(field.name()).map_or(true, |old| old.data_type() == field.data_type())
        };
        Ok(schema.fields().iter().all(|field| is_same(field)))
    }

    async fn store_predictions(
        &mut self,
        predictions: &AssetName,
        previous: Option<&Pin>,
        interval: Interval,
        rows: &RecordBatch,
    ) -> Result<Pin, RunError> {
        let schema = rows.schema();
        let stored = baton_lake::delta_schema(&schema)?;
        // The folder stays over model versions, as long as it can: what a version reads is in its rows.
        let previous = match previous {
            Some(pin) if self.keeps_types(pin, &stored).await? => Some(pin),
            _ => None,
        };
        let base: Option<&TableVersion> = previous.and_then(|pin| pin.version.table());
        let fingerprint = match self.working.contains_key(predictions) && base.is_none() {
            true => folder_of(&self.environment, predictions, Some(&schema)),
            false => folder_of(&self.environment, predictions, None),
        };
        // A copied environment goes on in the folder of the original: versions may branch there.
        let location = match base {
            Some(table) => TableLocation::parse(&table.location)?,
            None => TableLocation::new(predictions.as_str(), fingerprint.as_str())?,
        };
        let base = base.map(|table| table.version);
        let place = Place { location: &location, base, checks: &[] };
        let mut pass = Pass::new(self.services, place, &schema)?;
        pass.write(rows).await?;
        let written = pass.finish(self.as_of).await?;
        let change = match base {
            Some(_) => Change::ReplaceRange {
                column: PREDICTED_AT.to_owned(),
                start_micros: interval.start,
                end_micros: interval.end,
                files: written.files,
            },
            None => Change::Replace(written.files),
        };
        let info = self.commit_info(&fingerprint);
        let version = self.services.lake.commit(&location, &schema, base, change, &info).await?;
        failpoint::reach("score.after_commit");
        let snapshot = self.services.lake.snapshot(&version).await?;
        let mut pin = self.bare_pin(predictions, Kind::Table, Version::Table(version));
        pin.rows = Some(snapshot.rows());
        pin.digest = Some(snapshot.digest().to_string());
        pin.intervals = previous.map(|pin| pin.intervals.clone()).unwrap_or_default().union(&IntervalSet::of(interval));
        Ok(pin)
    }
}

/// Where predictions go: once a feature has changed its type, a folder by the types, as no reader could take in both.
fn folder_of(environment: &str, predictions: &AssetName, types: Option<&Schema>) -> Fingerprint {
    let mut parts = vec!["predictions".to_owned(), environment.to_owned(), predictions.to_string()];
    let fields = types.into_iter().flat_map(|schema| schema.fields().iter());
    parts.extend(fields.map(|field| format!("{} {}", field.name(), field.data_type())));
    Fingerprint::of(parts)
}

/// Adds id, score, decision and versions; a prediction's id is the same whenever it is made again.
fn with_predictions(
    endpoint: &AssetName,
    rows: &RecordBatch,
    scores: &[f64],
    number: u32,
    revision: u64,
    tables: &[FeatureTable],
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let count = rows.num_rows();
    let ids: StringArray = (0..count).map(|row| Some(prediction_id(endpoint, rows, row, tables))).collect();
    let added: Vec<(&str, ArrayRef)> = vec![
        ("prediction_id", Arc::new(ids)),
        ("score", Arc::new(Float64Array::from(scores.to_vec()))),
        ("predicted", Arc::new(scores.iter().map(|score| Some(*score >= 0.5)).collect::<BooleanArray>())),
        ("model_version", Arc::new(Int64Array::from(vec![i64::from(number); count]))),
        ("revision", Arc::new(Int64Array::from(vec![revision.cast_signed(); count]))),
    ];
    let mut fields: Vec<Field> = rows.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut columns = rows.columns().to_vec();
    for (name, array) in added {
        fields.push(Field::new(name, array.data_type().clone(), true));
        columns.push(array);
    }
    let known_at = rows.column_by_name(PREDICTED_AT).cloned();
    if let Some(known_at) = known_at {
        let data_type = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        columns.push(arrow::compute::cast(&known_at, &data_type)?);
        fields.push(Field::new(AVAILABLE_AT, data_type, true));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Endpoint, entity keys and prediction time decide the id.
fn prediction_id(endpoint: &AssetName, rows: &RecordBatch, row: usize, tables: &[FeatureTable]) -> String {
    let is_feature =
        |name: &str| tables.iter().any(|table| table.feature_names().iter().any(|feature| feature == name));
    let schema = rows.schema();
    let keys = schema.fields().iter().zip(rows.columns()).filter(|(field, _)| !is_feature(field.name()));
    let values: Vec<_> = keys.map(|(_, column)| scalar_at(column, row)).collect();
    let parts = [endpoint.as_str().as_bytes().to_vec(), baton_core::scalar::entity_key(&values)];
    Fingerprint::of(parts).as_str().to_owned()
}
