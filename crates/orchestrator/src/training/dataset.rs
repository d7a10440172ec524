//! The training set: labels joined with features as they were known when the prediction would have been made.
//!
//! It is a table version of its own, so it is pinned, profiled, diffed and traced like any other.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use baton_core::asset::Model;
use baton_core::interval::MICROS_PER_SECOND;
use baton_core::{AssetName, TableVersion};
use baton_lake::{Change, TableLocation};

use crate::checks::{count, quoted};
use crate::error::RunError;
use crate::execution::Execution;
use crate::features::{FeatureTable, PREDICTED_AT, join_features};
use crate::sessions::session_of;
use crate::values::micros_at;
use crate::write::{Pass, Place};

/// The rows a model learns from, in time order.
pub(crate) struct TrainingSet {
    /// The stored version.
    pub(crate) version: TableVersion,
    /// All rows in one batch: keys, label time, target, slices, [`PREDICTED_AT`], features.
    pub(crate) rows: RecordBatch,
    /// Names of the feature columns, in model order.
    pub(crate) features: Vec<String>,
    /// Label time of each row, in microseconds.
    pub(crate) times: Vec<i64>,
}

impl Execution<'_> {
    pub(crate) async fn training_set(&self, asset: &AssetName, model: &Model) -> Result<TrainingSet, RunError> {
        let (rows, features, times) = self.training_rows(asset, model).await?;
        let version = self.store_training_set(asset, &rows).await?;
        Ok(TrainingSet { version, rows, features, times })
    }

    /// The rows of a training set, the names of its features, and the label time of each row.
    pub(crate) async fn training_rows(
        &self,
        asset: &AssetName,
        model: &Model,
    ) -> Result<(RecordBatch, Vec<String>, Vec<i64>), RunError> {
        let labels = self.labels(model).await?;
        let tables = self.feature_tables(model).await?;
        let rows = join_features(self.services, labels, &tables, self.as_of).await?;
        let features = tables.iter().flat_map(FeatureTable::feature_names).collect();
        let times = instants(asset, &rows, &model.labels.time)?;
        Ok((rows, features, times))
    }

    /// Labels that are known at the clock, oldest first, each with the instant of its prediction.
    async fn labels(&self, model: &Model) -> Result<(SchemaRef, Vec<RecordBatch>), RunError> {
        let labels = &model.labels;
        let mut columns: Vec<&String> = labels.keys.iter().collect();
        columns.extend(model.slices.iter().filter(|slice| !labels.keys.contains(slice)));
        columns.extend([&labels.time, &labels.target]);
        let names: Vec<String> = columns.into_iter().map(|name| quoted(name)).collect();
        let query = format!(
            "select {columns}, {} from {} where {} is not null and {time} is not null order by {time}, {columns}",
            prediction_instant(&labels.time, labels.predict_before),
            quoted(&labels.from),
            quoted(&labels.target),
            columns = names.join(", "),
            time = quoted(&labels.time),
        );
        let session = session_of(self.services, &self.working, [&labels.from], Some(self.as_of)).await?;
        Ok(session.query(&query).await?)
    }

    /// Labels that are known at the clock before and in the test part.
    pub(crate) async fn count_parts(&self, model: &Model) -> Result<(u64, u64), RunError> {
        let labels = &model.labels;
        let (_, test_from) = parts(model, self.as_of.timestamp_micros());
        let known = format!(
            "select {time} as at from {} where {} is not null and {time} is not null",
            quoted(&labels.from),
            quoted(&labels.target),
            time = quoted(&labels.time),
        );
        let session = session_of(self.services, &self.working, [&labels.from], Some(self.as_of)).await?;
        let before = format!("select 1 from ({known}) where at < to_timestamp_micros({test_from})");
        let (train, all) = (count(&session, &before).await?, count(&session, &known).await?);
        Ok((train, all - train))
    }

    async fn store_training_set(&self, asset: &AssetName, rows: &RecordBatch) -> Result<TableVersion, RunError> {
        let content = self.prepared.desired.assets.get(asset).map(baton_plan::DesiredAsset::content);
        let fingerprint = content.map_or_else(|| "training".to_owned(), |content| content.as_str().to_owned());
        let location = TableLocation::new(format!("{asset}__training"), fingerprint)?;
        let schema = rows.schema();
        let place = Place { location: &location, base: None, checks: &[] };
        let mut pass = Pass::new(self.services, place, &schema)?;
        pass.write(rows).await?;
        let written = pass.finish(self.as_of).await?;
        let info = self.commit_info(&baton_core::Fingerprint::of(["training set", asset.as_str()]));
        Ok(self.services.lake.commit(&location, &schema, None, Change::Replace(written.files), &info).await?)
    }
}

/// A SQL column: the instant at which the prediction is made.
pub(crate) fn prediction_instant(time: &str, before: i64) -> String {
    format!("{} - interval '{before} seconds' as {}", quoted(time), quoted(PREDICTED_AT))
}

/// A time column as microseconds.
pub(super) fn instants(asset: &AssetName, rows: &RecordBatch, column: &str) -> Result<Vec<i64>, RunError> {
    let array = rows
        .column_by_name(column)
        .ok_or_else(|| RunError::Project(format!("the labels of model `{asset}` have no column `{column}`")))?;
    Ok((0..array.len()).map(|row| micros_at(array, row).unwrap_or(i64::MIN)).collect())
}

/// Where the validation and the test part begin, in microseconds, counted back from `end`.
pub(crate) fn parts(model: &Model, end: i64) -> (i64, i64) {
    let test_from = end - model.split.test * MICROS_PER_SECOND;
    (test_from - model.split.validate * MICROS_PER_SECOND, test_from)
}
