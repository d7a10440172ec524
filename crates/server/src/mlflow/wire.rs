//! Messages of the protocol that several answers hold, and how its values are written.

use std::fmt::Write as _;

use baton_tracking::input::{Dataset, DatasetInput, ModelOutput};
use baton_tracking::metric::Metric;
use baton_tracking::run::{Run, RunInfo};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// An answer that says nothing but that it worked.
#[derive(Debug, Serialize)]
pub(super) struct Empty {}

/// A key and its text.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Tag {
    key: String,
    value: String,
}

impl From<baton_tracking::Tag> for Tag {
    fn from(tag: baton_tracking::Tag) -> Self {
        Self { key: tag.key, value: tag.value }
    }
}

/// Messages of tags.
pub(super) fn tags(tags: Vec<baton_tracking::Tag>) -> Vec<Tag> {
    tags.into_iter().map(Tag::from).collect()
}

/// What a run is.
#[derive(Debug, Serialize)]
pub(super) struct RunInfoMessage {
    run_uuid: String,
    experiment_id: String,
    run_name: String,
    user_id: String,
    status: String,
    start_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<i64>,
    artifact_uri: String,
    lifecycle_stage: &'static str,
    run_id: String,
}

impl From<RunInfo> for RunInfoMessage {
    fn from(info: RunInfo) -> Self {
        Self {
            run_uuid: info.run_id.clone(),
            experiment_id: info.experiment.to_string(),
            run_name: info.name,
            user_id: info.user_id,
            status: info.status,
            start_time: info.start_time,
            end_time: info.end_time,
            artifact_uri: info.artifact_uri,
            lifecycle_stage: info.lifecycle.as_str(),
            run_id: info.run_id,
        }
    }
}

/// A run with what it logged.
#[derive(Debug, Serialize)]
pub(super) struct RunMessage {
    info: RunInfoMessage,
    data: RunDataMessage,
    inputs: RunInputsMessage,
    #[serde(skip_serializing_if = "Option::is_none")]
    outputs: Option<RunOutputsMessage>,
}

#[derive(Debug, Serialize)]
struct RunDataMessage {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    metrics: Vec<MetricMessage>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

#[derive(Debug, Serialize)]
struct RunInputsMessage {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dataset_inputs: Vec<DatasetInputMessage>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_inputs: Vec<ModelInputMessage>,
}

#[derive(Debug, Serialize)]
struct DatasetInputMessage {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    dataset: DatasetMessage,
}

#[derive(Debug, Serialize)]
struct DatasetMessage {
    name: String,
    digest: String,
    source_type: String,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<String>,
}

#[derive(Debug, Serialize)]
struct ModelInputMessage {
    model_id: String,
}

#[derive(Debug, Serialize)]
struct RunOutputsMessage {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    model_outputs: Vec<ModelOutputMessage>,
}

#[derive(Debug, Serialize)]
struct ModelOutputMessage {
    model_id: String,
    step: i64,
}

impl RunMessage {
    /// A run that just began: its answer does not speak of outputs.
    pub(super) fn new_run(run: Run) -> Self {
        Self { outputs: None, ..Self::from(run) }
    }
}

impl From<Run> for RunMessage {
    fn from(run: Run) -> Self {
        let metrics = run.metrics.into_iter().map(MetricMessage::from).collect();
        let model_inputs = run.models.into_iter().map(|model_id| ModelInputMessage { model_id }).collect();
        let dataset_inputs = run.datasets.into_iter().map(DatasetInputMessage::from).collect();
        let output = |ModelOutput { model_id, step }| ModelOutputMessage { model_id, step };
        Self {
            info: run.info.into(),
            data: RunDataMessage { metrics, params: tags(run.params), tags: tags(run.tags) },
            inputs: RunInputsMessage { dataset_inputs, model_inputs },
            outputs: Some(RunOutputsMessage { model_outputs: run.outputs.into_iter().map(output).collect() }),
        }
    }
}

impl From<DatasetInput> for DatasetInputMessage {
    fn from(input: DatasetInput) -> Self {
        let Dataset { name, digest, source_type, source, schema, profile } = input.dataset;
        Self { tags: tags(input.tags), dataset: DatasetMessage { name, digest, source_type, source, schema, profile } }
    }
}

/// A point of a metric.
#[derive(Debug, Serialize)]
pub(super) struct MetricMessage {
    key: String,
    #[serde(serialize_with = "double")]
    value: f64,
    timestamp: i64,
    step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
}

impl From<Metric> for MetricMessage {
    fn from(metric: Metric) -> Self {
        let Metric { key, value, timestamp, step, model_id, dataset_name, dataset_digest } = metric;
        Self { key, value, timestamp, step, dataset_name, dataset_digest, model_id, run_id: None }
    }
}

impl MetricMessage {
    /// With the run that logged it.
    pub(super) fn of_run(metric: Metric, run_id: String) -> Self {
        Self { run_id: Some(run_id), ..Self::from(metric) }
    }
}

/// A number; NaN is a text, as JSON has no word for it.
pub(super) fn double<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        value if value.is_nan() => serializer.serialize_str("NaN"),
        value if *value == f64::INFINITY => serializer.serialize_str("Infinity"),
        value if *value == f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
        value => serializer.serialize_f64(*value),
    }
}

/// A value as Python's `json.dumps(value, sort_keys=True, separators=(",", ":"))` writes it.
pub(super) fn python_json(value: &Value) -> String {
    let mut text = String::new();
    for letter in sorted(value).to_string().chars() {
        if letter.is_ascii() {
            text.push(letter);
        } else {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                // Writing to a text does not fail.
                let _written = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(fields.into_iter().collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Expected by `json.dumps(value, sort_keys=True, separators=(",", ":"))` of Python 3.11.
    #[test]
    fn values_are_shown_as_python_shows_them() {
        let value = json!({"b": [1, 2.5, null, true], "a": "né\u{1F600}\"\n"});
        assert_eq!(python_json(&value), r#"{"a":"n\u00e9\ud83d\ude00\"\n","b":[1,2.5,null,true]}"#);
    }
}
