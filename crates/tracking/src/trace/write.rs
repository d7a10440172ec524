//! Telling of traces, linking and deleting them.

use baton_ledger::database::{Statement, Transaction};

use super::{LOCATION_TAG, TraceInfo, assessments, read, tags};
use crate::{Tag, TrackingError, TrackingStore, experiment, search};

/// Traces that one request may link.
const MOST_LINKED: usize = 100;

impl TrackingStore {
    /// Tells of a whole trace; told again, what is new is added to what is known.
    ///
    /// # Errors
    /// When the experiment is missing or deleted, or the trace is another experiment's.
    pub async fn start_trace(&self, told: TraceInfo) -> Result<TraceInfo, TrackingError> {
        check_id(&told.trace_id)?;
        let now = self.now();
        self.write(move |transaction| Box::pin(start(transaction, told, now))).await
    }

    /// Deletes traces of an experiment: those up to an instant, those named, and of them the oldest so many. Answers how many.
    ///
    /// # Errors
    /// When it is not said which, or in two ways at once.
    pub async fn delete_traces(
        &self,
        experiment_id: i64,
        until: Option<i64>,
        most: Option<i64>,
        trace_ids: Vec<String>,
    ) -> Result<u64, TrackingError> {
        check_scope(until, most, &trace_ids)?;
        self.write(move |transaction| {
            Box::pin(async move {
                let mut delete =
                    Statement::new("DELETE FROM traces WHERE id IN (SELECT id FROM traces WHERE experiment = ");
                delete.push_bind(experiment_id);
                if let Some(until) = until {
                    delete.push(" AND request_time <= ").push_bind(until);
                }
                if !trace_ids.is_empty() {
                    delete.push(" AND trace_id IN ");
                    search::push_list(&mut delete, &trace_ids);
                }
                delete.push(" ORDER BY request_time, trace_id LIMIT ").push_bind(most.unwrap_or(i64::MAX)).push(")");
                Ok(transaction.execute(delete).await?)
            })
        })
        .await
    }

    /// Links traces to a run, so that a search by the run finds them.
    ///
    /// # Errors
    /// When there are too many.
    pub async fn link_traces(&self, trace_ids: Vec<String>, run_id: String) -> Result<(), TrackingError> {
        if trace_ids.len() > MOST_LINKED {
            let message = format!(
                "Cannot link more than {MOST_LINKED} traces to a run in a single request. Provided {} traces.",
                trace_ids.len()
            );
            return Err(TrackingError::invalid(message));
        }
        self.write(move |transaction| {
            Box::pin(async move {
                for trace_id in &trace_ids {
                    let link = Statement::new(
                        "INSERT INTO trace_runs (trace, run_id) SELECT id, $2 FROM traces WHERE trace_id = $1
                         ON CONFLICT (trace, run_id) DO NOTHING",
                    );
                    transaction.execute(link.bind(trace_id).bind(&run_id)).await?;
                }
                Ok(())
            })
        })
        .await
    }
}

fn check_scope(until: Option<i64>, most: Option<i64>, trace_ids: &[String]) -> Result<(), TrackingError> {
    let message = match (until, trace_ids.is_empty()) {
        (None, true) => "Either `max_timestamp_millis` or `trace_ids` must be specified.",
        (Some(_), false) => "Only one of `max_timestamp_millis` and `trace_ids` can be specified.",
        (None, false) if most.is_some() => "`max_traces` can't be specified if `trace_ids` is specified.",
        _ if most.is_some_and(|most| most <= 0) => "`max_traces` must be a positive integer.",
        _ => return Ok(()),
    };
    Err(TrackingError::invalid(message))
}

/// Refuses an id that would be a detour in the path of the trace's files.
pub(super) fn check_id(trace_id: &str) -> Result<(), TrackingError> {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_');
    if (1..=50).contains(&trace_id.len()) && trace_id.chars().all(is_plain) {
        return Ok(());
    }
    Err(TrackingError::invalid(format!(
        "Invalid trace ID '{trace_id}': it must have 1 to 50 letters, digits, '-' and '_'."
    )))
}

async fn start(transaction: &mut Transaction, told: TraceInfo, now: i64) -> Result<TraceInfo, TrackingError> {
    let experiment = experiment::active(transaction, told.experiment_id).await?;
    let known = read::find_row(transaction, &told.trace_id).await?;
    if known.as_ref().is_some_and(|row| row.experiment != told.experiment_id) {
        return Err(elsewhere(&told.trace_id));
    }
    let upsert = Statement::new(
        "INSERT INTO traces (trace_id, experiment, request_time, execution_duration, state, client_request_id,
                             request_preview, response_preview, is_told)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)
         ON CONFLICT (trace_id) DO UPDATE SET
            request_time = excluded.request_time, execution_duration = excluded.execution_duration, state = excluded.state,
            client_request_id = coalesce(excluded.client_request_id, traces.client_request_id),
            request_preview = coalesce(excluded.request_preview, traces.request_preview),
            response_preview = coalesce(excluded.response_preview, traces.response_preview), is_told = 1",
    );
    let upsert = upsert
        .bind(&told.trace_id)
        .bind(told.experiment_id)
        .bind(told.request_time)
        .bind(told.execution_duration)
        .bind(&told.state)
        .bind(&told.client_request_id)
        .bind(&told.request_preview)
        .bind(&told.response_preview);
    transaction.execute(upsert).await?;
    let id = read::row(transaction, &told.trace_id).await?.id;
    let mut given = told.tags;
    given.push(location_tag(&experiment.artifact_location, &told.trace_id));
    tags::set(transaction, "trace_tags", id, given).await?;
    tags::set(transaction, "trace_metadata", id, told.metadata).await?;
    for assessment in told.assessments {
        assessments::keep(transaction, id, &told.trace_id, assessment, now).await?;
    }
    read::info(transaction, &told.trace_id).await
}

pub(super) fn elsewhere(trace_id: &str) -> TrackingError {
    TrackingError::invalid(format!("Trace with ID '{trace_id}' already exists in another experiment."))
}

/// Where the files of a trace are.
pub(super) fn location_tag(artifact_location: &str, trace_id: &str) -> Tag {
    let root = artifact_location.trim_end_matches('/');
    Tag { key: LOCATION_TAG.to_owned(), value: format!("{root}/traces/{trace_id}/artifacts") }
}
