//! Spans as they come in. Until the client tells of the trace, the trace is what its spans say.

use baton_ledger::database::{Statement, Transaction};
use serde_json::Value;

use super::{NAME_TAG, SPANS_TAG, read, tags, write};
use crate::{Tag, TrackingError, TrackingStore, experiment};

const NANOSECONDS_OF_MILLISECOND: i64 = 1_000_000;

/// A span that came in.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSpan {
    /// The trace.
    pub trace_id: String,
    /// 16 hex digits.
    pub span_id: String,
    /// The span that it is part of; none of the root.
    pub parent_span_id: Option<String>,
    /// What was done.
    pub name: String,
    /// What kind of work it is, in the program's words.
    pub kind: String,
    /// `OK`, `ERROR` or `UNSET`.
    pub status: &'static str,
    /// Nanoseconds since 1970.
    pub start_time: i64,
    /// Nanoseconds since 1970; 0 while it runs.
    pub end_time: i64,
    /// What went in, if it says.
    pub inputs: Option<String>,
    /// What came out, if it says.
    pub outputs: Option<String>,
    /// Tags that it gives to its trace.
    pub trace_tags: Vec<Tag>,
    /// The span in the protocol's JSON.
    pub content: Value,
}

impl TrackingStore {
    /// Keeps spans, all or none; their traces are made where they are missing.
    ///
    /// # Errors
    /// When the experiment is missing or deleted, or a trace is another experiment's.
    pub async fn log_spans(&self, experiment_id: i64, spans: Vec<NewSpan>) -> Result<(), TrackingError> {
        spans.iter().try_for_each(|span| write::check_id(&span.trace_id))?;
        self.write(move |transaction| {
            Box::pin(async move {
                let experiment = experiment::active(transaction, experiment_id).await?;
                let mut rest = spans;
                while let Some(trace_id) = rest.first().map(|span| span.trace_id.clone()) {
                    let (of_trace, others): (Vec<_>, Vec<_>) =
                        rest.into_iter().partition(|span| span.trace_id == trace_id);
                    log(transaction, experiment_id, &experiment.artifact_location, &trace_id, of_trace).await?;
                    rest = others;
                }
                Ok(())
            })
        })
        .await
    }
}

async fn log(
    transaction: &mut Transaction,
    experiment_id: i64,
    artifact_location: &str,
    trace_id: &str,
    spans: Vec<NewSpan>,
) -> Result<(), TrackingError> {
    let known = read::find_row(transaction, trace_id).await?;
    if known.as_ref().is_some_and(|row| row.experiment != experiment_id) {
        return Err(write::elsewhere(trace_id));
    }
    let id = match &known {
        Some(row) => row.id,
        None => begin(transaction, experiment_id, trace_id, &spans).await?,
    };
    let mut given = vec![write::location_tag(artifact_location, trace_id)];
    given.push(Tag { key: SPANS_TAG.0.to_owned(), value: SPANS_TAG.1.to_owned() });
    given.extend(spans.iter().flat_map(|span| span.trace_tags.clone()));
    let is_told = known.is_some_and(|row| row.is_told != 0);
    let root = spans.iter().find(|span| span.parent_span_id.is_none());
    if let Some(root) = root.filter(|_| !is_told && !given.iter().any(|tag| tag.key == NAME_TAG)) {
        given.push(Tag { key: NAME_TAG.to_owned(), value: root.name.clone() });
    }
    tags::set(transaction, "trace_tags", id, given).await?;
    if !is_told {
        derive(transaction, id, &spans).await?;
    }
    keep(transaction, id, spans).await
}

async fn begin(
    transaction: &mut Transaction,
    experiment_id: i64,
    trace_id: &str,
    spans: &[NewSpan],
) -> Result<i64, TrackingError> {
    let start = spans.iter().map(|span| span.start_time).min().unwrap_or_default() / NANOSECONDS_OF_MILLISECOND;
    let insert =
        "INSERT INTO traces (trace_id, experiment, request_time, state, is_told) VALUES ($1, $2, $3, 'IN_PROGRESS', 0)";
    transaction.execute(Statement::new(insert).bind(trace_id).bind(experiment_id).bind(start)).await?;
    Ok(read::row(transaction, trace_id).await?.id)
}

/// Lets the trace be what its spans say: it spans them all, and is as its root.
async fn derive(transaction: &mut Transaction, id: i64, spans: &[NewSpan]) -> Result<(), TrackingError> {
    let start = spans.iter().map(|span| span.start_time).min().unwrap_or_default() / NANOSECONDS_OF_MILLISECOND;
    let end = spans.iter().map(|span| span.end_time).max().unwrap_or_default() / NANOSECONDS_OF_MILLISECOND;
    let root = spans.iter().find(|span| span.parent_span_id.is_none());
    let state = root.map(|root| if root.status == "ERROR" { "ERROR" } else { "OK" });
    let update = Statement::new(
        "UPDATE traces SET request_time = min(request_time, $2),
                execution_duration = max(request_time + coalesce(execution_duration, 0), $3) - min(request_time, $2),
                state = coalesce($4, state), request_preview = coalesce($5, request_preview),
                response_preview = coalesce($6, response_preview)
          WHERE id = $1",
    );
    let preview = |text: Option<&String>| text.map(|text| text.chars().take(1000).collect::<String>());
    let update = update
        .bind(id)
        .bind(start)
        .bind(end)
        .bind(state)
        .bind(preview(root.and_then(|root| root.inputs.as_ref())))
        .bind(preview(root.and_then(|root| root.outputs.as_ref())));
    transaction.execute(update).await?;
    Ok(())
}

pub(super) async fn keep(transaction: &mut Transaction, id: i64, spans: Vec<NewSpan>) -> Result<(), TrackingError> {
    let row = |span: NewSpan| {
        vec![
            id.into(),
            span.span_id.into(),
            span.parent_span_id.into(),
            span.name.into(),
            span.kind.into(),
            span.status.into(),
            span.start_time.into(),
            span.end_time.into(),
            span.content.to_string().into(),
        ]
    };
    let head =
        "INSERT INTO spans (trace, span_id, parent_span_id, name, kind, status, start_time, end_time, content) VALUES ";
    let tail =
        " ON CONFLICT (trace, span_id) DO UPDATE SET parent_span_id = excluded.parent_span_id, name = excluded.name,
                 kind = excluded.kind, status = excluded.status, start_time = excluded.start_time,
                 end_time = excluded.end_time, content = excluded.content";
    for insert in Statement::inserts(head, spans.into_iter().map(row).collect(), tail) {
        transaction.execute(insert).await?;
    }
    Ok(())
}
