//! Rows of a run.

use baton_ledger::database::Statement;
use baton_tracking::input::{Dataset, DatasetInput, ModelOutput};
use baton_tracking::metric::Metric;
use baton_tracking::run::{RunInfo, STATUSES, WholeRun};

use super::{MlflowDatabase, lifecycle};
use crate::aside::Aside;
use crate::error::Result;

type RunRow = (
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<String>,
);

/// The tag that repeats a run's name, and the only one that has it in old databases.
const NAME_TAG: &str = "mlflow.runName";

/// Reads a run.
pub(super) async fn read(from: &MlflowDatabase, run_id: &str, aside: &mut Aside) -> Result<Option<WholeRun>> {
    let columns = [
        "name",
        "user_id",
        "status",
        "start_time:INTEGER",
        "end_time:INTEGER",
        "lifecycle_stage",
        "deleted_time:INTEGER",
        "artifact_uri",
    ];
    let text = format!("{} WHERE run_uuid = $1", from.select("runs", &columns));
    let Some(row) = from.all::<RunRow>(Statement::new(text).bind(run_id)).await?.pop() else { return Ok(None) };
    let (name, user_id, status, start_time, end_time, stage, deleted_time, artifact_uri) = row;
    let status = status.unwrap_or_default();
    if !STATUSES.contains(&status.as_str()) {
        aside.put(format!("run `{run_id}`"), format!("has status `{status}`, which is none"));
        return Ok(None);
    }
    let tags = from.texts("tags", ["key", "value"], "run_uuid = $1", run_id).await?;
    let tagged = || tags.iter().find(|tag| tag.key == NAME_TAG).map(|tag| tag.value.clone());
    let info = RunInfo {
        run_id: run_id.to_owned(),
        experiment: 0,
        name: name.filter(|name| !name.is_empty()).or_else(tagged).unwrap_or_default(),
        user_id: user_id.unwrap_or_default(),
        status,
        start_time: start_time.unwrap_or_default(),
        end_time,
        lifecycle: lifecycle(stage.as_deref()),
        artifact_uri: artifact_uri.unwrap_or_default(),
    };
    let links = |kind| links(from, run_id, kind);
    let models = links("MODEL_INPUT").await?.into_iter().map(|output| output.model_id).collect();
    Ok(Some(WholeRun {
        info,
        deleted_time,
        points: points(from, run_id, aside).await?,
        params: from.texts("params", ["key", "value"], "run_uuid = $1", run_id).await?,
        tags,
        datasets: datasets(from, run_id).await?,
        models,
        outputs: links("MODEL_OUTPUT").await?,
    }))
}

async fn points(from: &MlflowDatabase, run_id: &str, aside: &mut Aside) -> Result<Vec<Metric>> {
    let columns = ["key", "value:REAL", "timestamp:INTEGER", "step:INTEGER", "is_nan:INTEGER"];
    let text = format!("{} WHERE run_uuid = $1 ORDER BY \"key\", \"timestamp\"", from.select("metrics", &columns));
    type Row = (String, Option<f64>, Option<i64>, Option<i64>, Option<i64>);
    let mut points = Vec::new();
    for (key, value, timestamp, step, is_nan) in from.all::<Row>(Statement::new(text).bind(run_id)).await? {
        let (Some(value), Some(timestamp)) = (value, timestamp) else {
            aside.put(format!("metric `{key}` of run `{run_id}`"), "has a point without value or time");
            continue;
        };
        let value = if is_nan.unwrap_or_default() != 0 { f64::NAN } else { value };
        points.push(Metric { key, value, timestamp, step: step.unwrap_or_default(), ..Metric::default() });
    }
    Ok(points)
}

async fn datasets(from: &MlflowDatabase, run_id: &str) -> Result<Vec<DatasetInput>> {
    if !from.has("inputs") || !from.has("datasets") {
        return Ok(Vec::new());
    }
    let text = "SELECT i.input_uuid, d.name, d.digest, d.dataset_source_type, d.dataset_source, d.dataset_schema, d.dataset_profile \
                FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id \
                WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id = $1 ORDER BY d.name, d.digest";
    type Row = (String, String, String, String, String, Option<String>, Option<String>);
    let mut found = Vec::new();
    for (input, name, digest, source_type, source, schema, profile) in
        from.all::<Row>(Statement::new(text).bind(run_id)).await?
    {
        let dataset = Dataset { name, digest, source_type, source, schema, profile };
        let tags = from.texts("input_tags", ["name", "value"], "input_uuid = $1", &input).await?;
        found.push(DatasetInput { dataset, tags });
    }
    Ok(found)
}

/// Models that a run reads (`MODEL_INPUT`) or made (`MODEL_OUTPUT`).
async fn links(from: &MlflowDatabase, run_id: &str, kind: &str) -> Result<Vec<ModelOutput>> {
    if !from.has("inputs") {
        return Ok(Vec::new());
    }
    let columns = ["destination_id", "step:INTEGER"];
    let text =
        format!("{} WHERE source_id = $1 AND destination_type = $2 ORDER BY 2, 1", from.select("inputs", &columns));
    let rows: Vec<(String, Option<i64>)> = from.all(Statement::new(text).bind(run_id).bind(kind)).await?;
    let output = |(model_id, step): (String, Option<i64>)| ModelOutput { model_id, step: step.unwrap_or_default() };
    Ok(rows.into_iter().map(output).collect())
}
