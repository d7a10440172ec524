//! Rows from CSV with a line of names. Features are read as the model takes them; other columns as whole numbers where
//! they are such, else as text. An empty field is missing.

use baton_core::scalar::Scalar;
use baton_ml::frame::FeatureKind;
use baton_serving::{Deployment, RequestRow};
use csv_core::{ReadRecordResult, Reader};

use super::error::MlflowError;

/// The rows of a request.
pub(super) fn rows_of(body: &[u8], deployment: &Deployment) -> Result<Vec<RequestRow>, MlflowError> {
    let mut records = records_of(body)?.into_iter();
    let names =
        records.next().ok_or_else(|| MlflowError::bad_request("the CSV is empty; its first line names the columns"))?;
    records.enumerate().map(|(place, fields)| row_of(deployment, &names, place, fields)).collect()
}

fn row_of(
    deployment: &Deployment,
    names: &[String],
    place: usize,
    fields: Vec<String>,
) -> Result<RequestRow, MlflowError> {
    if fields.len() != names.len() {
        let (found, expected) = (fields.len(), names.len());
        let message = format!("row {place} of the CSV has {found} fields but the first line names {expected} columns");
        return Err(MlflowError::bad_request(message));
    }
    let value_of = |(name, field): (&String, String)| Ok((name.clone(), value_of(deployment, name, place, field)?));
    names.iter().zip(fields).map(value_of).collect()
}

fn value_of(deployment: &Deployment, name: &str, place: usize, field: String) -> Result<Scalar, MlflowError> {
    if field.is_empty() {
        return Ok(Scalar::Null);
    }
    let column = deployment.main().encoder.features().iter().find(|column| column.name == name);
    match column.map(|column| &column.kind) {
        Some(FeatureKind::Categorical { .. }) => Ok(Scalar::Text(field)),
        Some(FeatureKind::Numeric) => number(&field).ok_or_else(|| {
            MlflowError::bad_request(format!("row {place} of the CSV gives `{field}` for `{name}`, which is a number"))
        }),
        None => Ok(field.parse().map_or(Scalar::Text(field), Scalar::Int)),
    }
}

fn number(field: &str) -> Option<Scalar> {
    match field {
        "true" | "True" | "TRUE" => Some(Scalar::Bool(true)),
        "false" | "False" | "FALSE" => Some(Scalar::Bool(false)),
        field => field.parse().map(Scalar::Float).ok(),
    }
}

fn records_of(body: &[u8]) -> Result<Vec<Vec<String>>, MlflowError> {
    let mut reader = Reader::new();
    let mut rest = body;
    // Unquoting shortens, so a record fits into as many bytes as the body has, and it has no more fields than bytes.
    let (mut text, mut ends) = (vec![0; body.len() + 1], vec![0; body.len() + 1]);
    let (mut length, mut fields) = (0, 0);
    let mut records = Vec::new();
    loop {
        let (result, read, written, ended) = reader.read_record(rest, &mut text[length..], &mut ends[fields..]);
        rest = &rest[read..];
        length += written;
        fields += ended;
        match result {
            // The next part is empty, which tells the reader that this was all.
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::Record => {
                records.push(fields_of(&text[..length], &ends[..fields])?);
                (length, fields) = (0, 0);
            }
            ReadRecordResult::End => return Ok(records),
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                return Err(MlflowError::bad_request("the CSV cannot be read: a record is longer than the body"));
            }
        }
    }
}

fn fields_of(text: &[u8], ends: &[usize]) -> Result<Vec<String>, MlflowError> {
    let text = std::str::from_utf8(text)
        .map_err(|_not_text| MlflowError::unsupported("The scoring server only supports UTF-8".to_owned()))?;
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts
        .zip(ends)
        .map(|(start, end)| text.get(start..*end).map(str::to_owned))
        .collect::<Option<_>>()
        .ok_or_else(|| MlflowError::bad_request("the CSV cannot be read: a field ends within a letter"))
}
