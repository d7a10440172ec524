//! Rows from a data frame: JSON in one of four forms, or CSV.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use baton_core::scalar::Scalar;
use baton_serving::{Deployment, RequestRow};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::csv;
use super::error::MlflowError;
use crate::scalars::scalar_of;

/// A JSON body; exactly one of the four is given.
#[derive(Debug, Deserialize)]
struct FrameBody {
    dataframe_split: Option<SplitFrame>,
    dataframe_records: Option<Vec<Map<String, Value>>>,
    instances: Option<Vec<Value>>,
    inputs: Option<Value>,
}

/// Columns, and rows of lists.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SplitFrame {
    columns: Option<Vec<String>>,
    #[serde(rename = "index")]
    _index: Option<Vec<Value>>,
    data: Vec<Vec<Value>>,
}

const FORMS: &str = "`dataframe_split`, `dataframe_records`, `instances` or `inputs`";

/// The rows of a request.
pub(super) fn rows_of(
    headers: &HeaderMap,
    body: &[u8],
    deployment: &Deployment,
) -> Result<Vec<RequestRow>, MlflowError> {
    let rows = match media_type(headers)? {
        MediaType::Json => json_rows(body, deployment)?,
        MediaType::Csv => csv::rows_of(body, deployment)?,
    };
    if rows.is_empty() {
        return Err(MlflowError::bad_request("the request has no rows; send at least one"));
    }
    Ok(rows)
}

enum MediaType {
    Json,
    Csv,
}

fn media_type(headers: &HeaderMap) -> Result<MediaType, MlflowError> {
    let given = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let given = given.unwrap_or_default();
    let mut parts = given.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media_type = parts.next().unwrap_or_default();
    let charset = parts.find_map(|part| part.strip_prefix("charset=").map(|name| name.trim_matches('"').to_owned()));
    if charset.is_some_and(|name| name != "utf-8" && name != "utf8") {
        return Err(MlflowError::unsupported("The scoring server only supports UTF-8".to_owned()));
    }
    match media_type.as_str() {
        "application/json" => Ok(MediaType::Json),
        "text/csv" => Ok(MediaType::Csv),
        other => Err(MlflowError::unsupported(format!(
            "This predictor only supports the following content types: Types: ['text/csv', 'application/json']. Got \
             '{other}'."
        ))),
    }
}

fn json_rows(body: &[u8], deployment: &Deployment) -> Result<Vec<RequestRow>, MlflowError> {
    let body: FrameBody = serde_json::from_slice(body)
        .map_err(|error| MlflowError::bad_request(format!("the body is no JSON object with {FORMS}: {error}")))?;
    let FrameBody { dataframe_split, dataframe_records, instances, inputs } = body;
    match (dataframe_split, dataframe_records, instances, inputs) {
        (Some(frame), None, None, None) => split_rows(frame, deployment),
        (None, Some(records), None, None) => records.into_iter().map(record).collect(),
        (None, None, Some(instances), None) => {
            instances.into_iter().map(|instance| instance_row(instance, deployment)).collect()
        }
        (None, None, None, Some(inputs)) => input_rows(inputs, deployment),
        _ => Err(MlflowError::bad_request(format!("the body must hold exactly one of {FORMS}"))),
    }
}

fn split_rows(frame: SplitFrame, deployment: &Deployment) -> Result<Vec<RequestRow>, MlflowError> {
    let columns = frame.columns.unwrap_or_else(|| feature_names(deployment));
    frame.data.into_iter().map(|values| positional(&columns, values)).collect()
}

fn record(record: Map<String, Value>) -> Result<RequestRow, MlflowError> {
    record.into_iter().map(|(name, value)| Ok((name.clone(), plain(&name, value)?))).collect()
}

/// A row by names, by position, or of one feature.
fn instance_row(instance: Value, deployment: &Deployment) -> Result<RequestRow, MlflowError> {
    match instance {
        Value::Object(fields) => record(fields.into_iter().map(|(name, value)| (name, only_item(value))).collect()),
        Value::Array(values) => positional(&feature_names(deployment), values),
        value => positional(&feature_names(deployment), vec![value]),
    }
}

/// Columns by name, or a list of rows.
fn input_rows(inputs: Value, deployment: &Deployment) -> Result<Vec<RequestRow>, MlflowError> {
    match inputs {
        Value::Object(columns) => column_rows(columns),
        Value::Array(rows) => rows.into_iter().map(|row| instance_row(row, deployment)).collect(),
        _ => Err(MlflowError::bad_request("`inputs` must be an object of columns or a list of rows")),
    }
}

fn column_rows(columns: Map<String, Value>) -> Result<Vec<RequestRow>, MlflowError> {
    let mut rows: Vec<RequestRow> = Vec::new();
    for (place, (name, column)) in columns.into_iter().enumerate() {
        let values = match column {
            Value::Array(values) => values,
            value => vec![value],
        };
        if place == 0 {
            rows.resize_with(values.len(), RequestRow::new);
        }
        if values.len() != rows.len() {
            let (found, expected) = (values.len(), rows.len());
            let message = format!("column `{name}` has {found} values but the first column has {expected}");
            return Err(MlflowError::bad_request(message));
        }
        for (row, value) in rows.iter_mut().zip(values) {
            row.insert(name.clone(), plain(&name, only_item(value))?);
        }
    }
    Ok(rows)
}

pub(super) fn feature_names(deployment: &Deployment) -> Vec<String> {
    deployment.main().encoder.features().iter().map(|column| column.name.clone()).collect()
}

fn positional(columns: &[String], values: Vec<Value>) -> Result<RequestRow, MlflowError> {
    if values.len() != columns.len() {
        let (found, expected, names) = (values.len(), columns.len(), columns.join(", "));
        let message = format!("a row has {found} values but there are {expected} columns: {names}");
        return Err(MlflowError::bad_request(message));
    }
    columns.iter().zip(values).map(|(name, value)| Ok((name.clone(), plain(name, value)?))).collect()
}

/// Tensors of shape `[n, 1]` wrap each value in a list.
fn only_item(value: Value) -> Value {
    match value {
        Value::Array(mut items) if items.len() == 1 => items.remove(0),
        value => value,
    }
}

fn plain(column: &str, value: Value) -> Result<Scalar, MlflowError> {
    scalar_of(value).map_err(|found| {
        MlflowError::bad_request(format!("column `{column}` holds {found}; give text, a number, true, false or null"))
    })
}
