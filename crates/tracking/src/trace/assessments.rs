//! Judgements of traces: feedback, and what was expected.

use baton_core::time::timestamp_from_micros;
use baton_ledger::database::{Statement, Transaction};
use serde_json::{Map, Value};

use super::read;
use crate::{TrackingError, TrackingStore};

/// What changes about a judgement: the fields of its message, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AssessmentChange(pub Map<String, Value>);

impl TrackingStore {
    /// Keeps a judgement of a trace. One that it overrides is not valid any more.
    ///
    /// # Errors
    /// When there is no such trace, or it is neither feedback nor an expectation.
    pub async fn create_assessment(&self, trace_id: String, assessment: Value) -> Result<Value, TrackingError> {
        let now = self.now();
        self.write(move |transaction| {
            Box::pin(async move {
                let trace = read::row(transaction, &trace_id).await?.id;
                let overridden = assessment.get("overrides").and_then(Value::as_str).map(str::to_owned);
                if let Some(overridden) = overridden.filter(|id| !id.is_empty()) {
                    set_valid(transaction, &trace_id, &overridden, false).await?;
                }
                keep(transaction, trace, &trace_id, assessment, now).await
            })
        })
        .await
    }

    /// A judgement of a trace.
    ///
    /// # Errors
    /// When there is no such trace or judgement.
    pub async fn assessment(&self, trace_id: &str, assessment_id: &str) -> Result<Value, TrackingError> {
        let mut transaction = self.snapshot().await?;
        find(&mut transaction, trace_id, assessment_id).await
    }

    /// Changes a judgement.
    ///
    /// # Errors
    /// When there is no such trace or judgement, or feedback would become an expectation or the other way round.
    pub async fn update_assessment(
        &self,
        trace_id: String,
        assessment_id: String,
        change: AssessmentChange,
    ) -> Result<Value, TrackingError> {
        let now = self.now();
        self.write(move |transaction| {
            Box::pin(async move {
                let trace = read::row(transaction, &trace_id).await?.id;
                let mut known = find(transaction, &trace_id, &assessment_id).await?;
                apply(&mut known, change)?;
                known["last_update_time"] = time(now);
                keep(transaction, trace, &trace_id, known, now).await
            })
        })
        .await
    }

    /// Removes a judgement, if it is there; one that it overrode is valid again.
    ///
    /// # Errors
    /// When there is no such trace.
    pub async fn delete_assessment(&self, trace_id: String, assessment_id: String) -> Result<(), TrackingError> {
        self.write(move |transaction| {
            Box::pin(async move {
                let trace = read::row(transaction, &trace_id).await?.id;
                let Ok(known) = find(transaction, &trace_id, &assessment_id).await else { return Ok(()) };
                if let Some(overridden) = known.get("overrides").and_then(Value::as_str) {
                    set_valid(transaction, &trace_id, overridden, true).await?;
                }
                let delete = Statement::new("DELETE FROM assessments WHERE trace = $1 AND assessment_id = $2");
                transaction.execute(delete.bind(trace).bind(assessment_id)).await?;
                Ok(())
            })
        })
        .await
    }
}

/// Keeps a judgement of the trace in row `trace`, with what is not said filled in; the same again takes its place.
pub(super) async fn keep(
    transaction: &mut Transaction,
    trace: i64,
    trace_id: &str,
    mut assessment: Value,
    now: i64,
) -> Result<Value, TrackingError> {
    let (kind, value) = judged(&assessment)?;
    let fields =
        assessment.as_object_mut().ok_or_else(|| TrackingError::invalid("An assessment must be a message."))?;
    fields.insert("trace_id".to_owned(), trace_id.into());
    let fresh = || format!("a-{}", uuid::Uuid::new_v4().simple());
    let id = text(fields, "assessment_id").unwrap_or_else(fresh);
    fields.insert("assessment_id".to_owned(), id.clone().into());
    for name in ["create_time", "last_update_time"] {
        fields.entry(name).or_insert_with(|| time(now));
    }
    if kind == "feedback" {
        fields.entry("valid").or_insert(true.into());
    }
    let name = text(fields, "assessment_name").unwrap_or_default();
    let upsert = Statement::new(
        "INSERT INTO assessments (assessment_id, trace, name, kind, value, body) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (assessment_id) DO UPDATE SET name = excluded.name, kind = excluded.kind, value = excluded.value,
                                                   body = excluded.body",
    );
    let upsert = upsert.bind(id).bind(trace).bind(name).bind(kind).bind(value).bind(assessment.to_string());
    transaction.execute(upsert).await?;
    Ok(assessment)
}

/// What kind of judgement it is, and its value as searches compare it.
fn judged(assessment: &Value) -> Result<(&'static str, String), TrackingError> {
    for kind in ["feedback", "expectation", "issue"] {
        if let Some(judged) = assessment.get(kind).filter(|judged| !judged.is_null()) {
            let serialized = judged.get("serialized_value").and_then(|value| value.get("value"));
            let value = judged.get("value").or(serialized).unwrap_or(&Value::Null);
            return Ok((kind, value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
    }
    Err(TrackingError::invalid("An assessment must have `feedback` or an `expectation`."))
}

fn text(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// An instant in the protocol's JSON.
fn time(milliseconds: i64) -> Value {
    let instant = timestamp_from_micros(milliseconds.saturating_mul(1000));
    instant.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into()
}

fn apply(known: &mut Value, AssessmentChange(change): AssessmentChange) -> Result<(), TrackingError> {
    for (name, value) in change {
        match name.as_str() {
            "expectation" | "feedback" if known.get(&name).is_none() => {
                let (what, kind) =
                    if name == "feedback" { ("feedback", "an Expectation") } else { ("expectation", "a Feedback") };
                return Err(TrackingError::invalid(format!("Cannot update {what} value on {kind} assessment.")));
            }
            "metadata" => {
                let added = value.as_object().cloned().unwrap_or_default();
                match known.get_mut("metadata").and_then(Value::as_object_mut) {
                    Some(metadata) => metadata.extend(added),
                    None => known["metadata"] = Value::Object(added),
                }
            }
            _ => known[name] = value,
        }
    }
    Ok(())
}

async fn find(transaction: &mut Transaction, trace_id: &str, assessment_id: &str) -> Result<Value, TrackingError> {
    let trace = read::row(transaction, trace_id).await?.id;
    let select = Statement::new("SELECT body FROM assessments WHERE trace = $1 AND assessment_id = $2");
    let found: Option<(String,)> = transaction.one(select.bind(trace).bind(assessment_id)).await?;
    let missing =
        || TrackingError::missing(format!("Assessment with ID '{assessment_id}' not found for trace '{trace_id}'"));
    read::json(&found.ok_or_else(missing)?.0)
}

async fn set_valid(
    transaction: &mut Transaction,
    trace_id: &str,
    assessment_id: &str,
    valid: bool,
) -> Result<(), TrackingError> {
    let Ok(mut known) = find(transaction, trace_id, assessment_id).await else { return Ok(()) };
    known["valid"] = valid.into();
    let update = Statement::new("UPDATE assessments SET body = $2 WHERE assessment_id = $1");
    transaction.execute(update.bind(assessment_id).bind(known.to_string())).await?;
    Ok(())
}
