//! Rows of runs.

use std::collections::BTreeMap;

use baton_ledger::database::{Statement, Transaction, Value};
use baton_tracking::input::DatasetInput;
use baton_tracking::metric::Metric;
use baton_tracking::run::WholeRun;
use sha2::{Digest as _, Sha256};

use super::{Writing, insert};
use crate::error::Result;

/// Writes a run and its files.
pub(super) async fn write(writing: &mut Writing, transaction: &mut Transaction, run_id: &str) -> Result<()> {
    let run = writing.from.store.whole_run(run_id).await?;
    let artifact_uri = writing.move_files(&run.info.artifact_uri).await?;
    let info = &run.info;
    let row = vec![
        run_id.into(),
        (&info.name).into(),
        "UNKNOWN".into(),
        "".into(),
        "".into(),
        (&info.user_id).into(),
        (&info.status).into(),
        info.start_time.into(),
        info.end_time.into(),
        "".into(),
        info.lifecycle.as_str().into(),
        artifact_uri.into(),
        info.experiment.into(),
        run.deleted_time.into(),
    ];
    let columns = "run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, source_version, \
                   lifecycle_stage, artifact_uri, experiment_id, deleted_time";
    insert(transaction, "runs", columns, vec![row]).await?;
    for (table, texts) in [("params", &run.params), ("tags", &run.tags)] {
        let rows = texts.iter().map(|text| vec![(&text.key).into(), (&text.value).into(), run_id.into()]).collect();
        insert(transaction, table, "key, value, run_uuid", rows).await?;
    }
    points(transaction, &run).await?;
    for input in &run.datasets {
        dataset(transaction, &run, input).await?;
    }
    links(transaction, &run).await?;
    writing.report.runs += 1;
    Ok(())
}

async fn points(transaction: &mut Transaction, run: &WholeRun) -> Result<()> {
    let columns = "key, value, timestamp, step, is_nan, run_uuid";
    let row = |point: &Metric| -> Vec<Value> {
        let is_nan = point.value.is_nan();
        let value = if is_nan { 0.0 } else { point.value };
        let run_id: Value = (&run.info.run_id).into();
        vec![(&point.key).into(), value.into(), point.timestamp.into(), point.step.into(), is_nan.into(), run_id]
    };
    insert(transaction, "metrics", columns, run.points.iter().map(row).collect()).await?;
    let mut latest: BTreeMap<&str, &Metric> = BTreeMap::new();
    for point in &run.points {
        // NaN counts as 0, which stands in its place.
        let place =
            |point: &Metric| (point.step, point.timestamp, if point.value.is_nan() { 0.0 } else { point.value });
        let kept = latest.entry(&point.key).or_insert(point);
        if place(point) > place(kept) {
            *kept = point;
        }
    }
    insert(transaction, "latest_metrics", columns, latest.into_values().map(row).collect()).await
}

/// An id that follows from what it is of, so that an export gives the same twice.
fn id_of(parts: &[&str]) -> String {
    let mut digits = hex::encode(Sha256::digest(parts.join("\0")));
    digits.truncate(32);
    digits
}

async fn dataset(transaction: &mut Transaction, run: &WholeRun, input: &DatasetInput) -> Result<()> {
    let (run_id, dataset) = (&run.info.run_id, &input.dataset);
    let id = id_of(&["dataset", &run.info.experiment.to_string(), &dataset.name, &dataset.digest]);
    let text = "INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source, dataset_schema, \
                dataset_profile) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
    let insert_dataset = Statement::new(text).bind(&id).bind(run.info.experiment).bind(&dataset.name);
    let insert_dataset = insert_dataset.bind(&dataset.digest).bind(&dataset.source_type).bind(&dataset.source);
    transaction.execute(insert_dataset.bind(&dataset.schema).bind(&dataset.profile)).await?;
    let input_id = id_of(&["input", run_id, &id]);
    link(transaction, &input_id, ["DATASET", &id, "RUN", run_id], 0).await?;
    let tags = input.tags.iter().map(|tag| vec![(&input_id).into(), (&tag.key).into(), (&tag.value).into()]).collect();
    insert(transaction, "input_tags", "input_uuid, name, value", tags).await
}

/// Models that a run read and made.
async fn links(transaction: &mut Transaction, run: &WholeRun) -> Result<()> {
    let run_id = run.info.run_id.as_str();
    for model_id in &run.models {
        let id = id_of(&["model input", run_id, model_id]);
        link(transaction, &id, ["RUN_INPUT", run_id, "MODEL_INPUT", model_id], 0).await?;
    }
    for output in &run.outputs {
        let id = id_of(&["model output", run_id, &output.model_id]);
        link(transaction, &id, ["RUN_OUTPUT", run_id, "MODEL_OUTPUT", &output.model_id], output.step).await?;
    }
    Ok(())
}

async fn link(transaction: &mut Transaction, id: &str, ends: [&str; 4], step: i64) -> Result<()> {
    let text = "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id, step) \
                VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    let insert = ends.iter().fold(Statement::new(text).bind(id), |insert, end| insert.bind(*end));
    transaction.execute(insert.bind(step)).await?;
    Ok(())
}
