//! Events of OpenLineage as they come in: held to the specification, and cut down to what is kept.

use baton_core::time::parse_instant;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ExternalName;

/// Types that a run's event may have.
const TYPES: [&str; 6] = ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"];

/// What an event told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// The job; `None` when it told of a dataset alone.
    pub job: Option<ExternalName>,
    /// The tool, as it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// What is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<ReportedDataset>,
    /// What is written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<ReportedDataset>,
}

/// A dataset of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedDataset {
    /// Its name.
    #[serde(flatten)]
    pub name: ExternalName,
    /// Its columns, as far as they were told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    /// Other names of the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<ExternalName>,
}

impl Reported {
    /// Reads an event: of a run, of a job, or of a dataset.
    ///
    /// # Errors
    /// What of the specification it does not keep.
    pub fn parse(event: &Value) -> Result<Self, String> {
        let text = |key: &str| event.get(key).and_then(Value::as_str);
        let time = text("eventTime").ok_or("`eventTime` is missing")?;
        parse_instant(time).ok_or_else(|| format!("`eventTime` is `{time}`, which is no instant"))?;
        for key in ["producer", "schemaURL"] {
            text(key).filter(|url| url.contains(':')).ok_or_else(|| format!("`{key}` is no address"))?;
        }
        if let Some(dataset) = event.get("dataset") {
            if event.get("job").is_some() || event.get("run").is_some() {
                return Err("an event of a dataset has neither `job` nor `run`".to_owned());
            }
            let outputs = vec![dataset_of(dataset, "dataset")?];
            return Ok(Self { job: None, tool: None, inputs: Vec::new(), outputs });
        }
        if let Some(run) = event.get("run") {
            let id = run.get("runId").and_then(Value::as_str).unwrap_or_default();
            if !is_uuid(id) {
                return Err(format!("`run.runId` is `{id}`, which is no UUID"));
            }
        }
        if let Some(kind) = text("eventType").filter(|kind| !TYPES.contains(kind)) {
            return Err(format!("`eventType` is `{kind}`, and has to be one of {}", TYPES.join(", ")));
        }
        let job = event.get("job").ok_or("`job` is missing")?;
        let tool = job.pointer("/facets/jobType/integration").and_then(Value::as_str);
        Ok(Self {
            job: Some(name_of(job, "job")?),
            tool: tool.map(str::to_owned),
            inputs: datasets_of(event, "inputs")?,
            outputs: datasets_of(event, "outputs")?,
        })
    }
}

fn datasets_of(event: &Value, key: &str) -> Result<Vec<ReportedDataset>, String> {
    match event.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(datasets)) => datasets.iter().map(|dataset| dataset_of(dataset, key)).collect(),
        Some(_) => Err(format!("`{key}` is no list")),
    }
}

fn dataset_of(dataset: &Value, at: &str) -> Result<ReportedDataset, String> {
    let items = |path: &str| dataset.pointer(path).and_then(Value::as_array).into_iter().flatten();
    let columns = items("/facets/schema/fields").filter_map(|field| field.get("name")?.as_str());
    let aliases = items("/facets/symlinks/identifiers").filter_map(|alias| name_of(alias, at).ok());
    Ok(ReportedDataset {
        name: name_of(dataset, at)?,
        columns: columns.map(str::to_owned).collect(),
        aliases: aliases.collect(),
    })
}

fn name_of(value: &Value, at: &str) -> Result<ExternalName, String> {
    let text = |key: &str| {
        let found = value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        found.map(str::to_owned).ok_or_else(|| format!("`{key}` of `{at}` is missing"))
    };
    Ok(ExternalName { namespace: text("namespace")?, name: text("name")? })
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.chars().all(|letter| letter == '-' || letter.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> Value {
        json!({
            "eventType": "COMPLETE", "eventTime": "2026-11-21T06:00:03.512Z", "producer": "https://airflow",
            "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
            "run": {"runId": "0194c1b2-6f3a-7c7e-9d2f-3f6f2d6a1b11"},
            "job": {"namespace": "airflow", "name": "load", "facets": {"jobType": {"integration": "AIRFLOW"}}},
            "inputs": [{"namespace": "s3://raw", "name": "orders"}],
            "outputs": [{"namespace": "postgres://db:5432", "name": "shop.public.orders", "facets": {
                "schema": {"fields": [{"name": "id", "type": "int"}]},
                "symlinks": {"identifiers": [{"namespace": "hive", "name": "shop.orders", "type": "TABLE"}]},
            }}],
        })
    }

    #[test]
    fn what_is_kept_of_an_event() {
        let reported = Reported::parse(&event()).unwrap();
        assert_eq!(reported.job.as_ref().unwrap().to_string(), "airflow/load");
        assert_eq!(reported.tool.as_deref(), Some("AIRFLOW"));
        assert_eq!(reported.inputs[0].name.to_string(), "s3://raw/orders");
        assert_eq!((reported.outputs[0].columns.join(" "), reported.outputs[0].aliases.len()), ("id".to_owned(), 1));
        let kept: Reported = serde_json::from_value(json!(reported)).unwrap();
        assert_eq!(kept, reported);
    }

    #[test]
    fn events_are_held_to_the_specification() {
        for (pointer, value, expected) in [
            ("/eventTime", json!("soon"), "`eventTime` is `soon`, which is no instant"),
            ("/producer", Value::Null, "`producer` is no address"),
            ("/run/runId", json!("7"), "`run.runId` is `7`, which is no UUID"),
            ("/eventType", json!("DONE"), "`eventType` is `DONE`, and has to be one of START"),
            ("/job/name", json!(""), "`name` of `job` is missing"),
            ("/inputs/0/namespace", Value::Null, "`namespace` of `inputs` is missing"),
        ] {
            let mut event = event();
            *event.pointer_mut(pointer).unwrap() = value;
            let refused = Reported::parse(&event).unwrap_err();
            assert!(refused.starts_with(expected), "{pointer}: {refused}");
        }
        let mut event = event();
        event["dataset"] = json!({"namespace": "n", "name": "d"});
        assert_eq!(Reported::parse(&event).unwrap_err(), "an event of a dataset has neither `job` nor `run`");
    }
}
