//! Traces of other trackers, whole: found again by their ids.

use baton_ledger::database::{Statement, Transaction};

use super::spans::{self, NewSpan};
use super::{LOCATION_TAG, SPANS_TAG, TraceInfo, assessments, read, tags, write};
use crate::error::Result;
use crate::store::TrackingStore;
use crate::transfer::Kept;
use crate::{Tag, experiment};

/// A trace with its spans.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeTrace {
    /// What it was about.
    pub info: TraceInfo,
    /// Its spans.
    pub spans: Vec<NewSpan>,
    /// Runs that it was linked to.
    pub runs: Vec<String>,
}

impl TrackingStore {
    /// Keeps a trace of another tracker, as it is there.
    ///
    /// # Errors
    /// When its id is not usable, or another experiment has it.
    pub async fn keep_trace(&self, trace: WholeTrace) -> Result<Kept> {
        write::check_id(&trace.info.trace_id)?;
        self.write(move |transaction| Box::pin(keep(transaction, trace))).await
    }

    /// The ids of all traces of an experiment, oldest first.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn trace_ids(&self, experiment: i64) -> Result<Vec<String>> {
        let text = "SELECT trace_id FROM traces WHERE experiment = $1 ORDER BY request_time, trace_id";
        let rows = self.all::<(String,)>(Statement::new(text).bind(experiment)).await?;
        Ok(rows.into_iter().map(|(trace_id,)| trace_id).collect())
    }

    /// Runs that a trace was linked to.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn runs_of_trace(&self, trace_id: &str) -> Result<Vec<String>> {
        let text =
            "SELECT r.run_id FROM trace_runs r JOIN traces t ON t.id = r.trace WHERE t.trace_id = $1 ORDER BY r.run_id";
        let rows = self.all::<(String,)>(Statement::new(text).bind(trace_id)).await?;
        Ok(rows.into_iter().map(|(run_id,)| run_id).collect())
    }
}

async fn keep(transaction: &mut Transaction, trace: WholeTrace) -> Result<Kept> {
    let WholeTrace { info, spans, runs } = trace;
    let experiment = experiment::find(transaction, info.experiment_id).await?;
    let known = read::find_row(transaction, &info.trace_id).await?;
    if known.as_ref().is_some_and(|row| row.experiment != info.experiment_id) {
        return Err(write::elsewhere(&info.trace_id));
    }
    let before = content(transaction, &info.trace_id).await?;
    write_row(transaction, &info).await?;
    let id = read::row(transaction, &info.trace_id).await?.id;
    let places = [LOCATION_TAG, SPANS_TAG.0];
    let mut given: Vec<Tag> = info.tags.into_iter().filter(|tag| !places.contains(&tag.key.as_str())).collect();
    given.push(write::location_tag(&experiment.artifact_location, &info.trace_id));
    given.push(Tag { key: SPANS_TAG.0.to_owned(), value: SPANS_TAG.1.to_owned() });
    tags::set(transaction, "trace_tags", id, given).await?;
    tags::set(transaction, "trace_metadata", id, info.metadata).await?;
    for assessment in info.assessments {
        assessments::keep(transaction, id, &info.trace_id, assessment, info.request_time).await?;
    }
    spans::keep(transaction, id, spans).await?;
    for run_id in runs {
        let link = Statement::new("INSERT INTO trace_runs (trace, run_id) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        transaction.execute(link.bind(id).bind(run_id)).await?;
    }
    if known.is_none() {
        return Ok(Kept::New);
    }
    Ok(Kept::of(content(transaction, &info.trace_id).await? != before))
}

async fn write_row(transaction: &mut Transaction, info: &TraceInfo) -> Result<()> {
    let upsert = Statement::new(
        "INSERT INTO traces (trace_id, experiment, request_time, execution_duration, state, client_request_id,
                             request_preview, response_preview, is_told)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)
         ON CONFLICT (trace_id) DO UPDATE SET
            request_time = excluded.request_time, execution_duration = excluded.execution_duration, state = excluded.state,
            client_request_id = excluded.client_request_id, request_preview = excluded.request_preview,
            response_preview = excluded.response_preview, is_told = 1",
    );
    let upsert = upsert.bind(&info.trace_id).bind(info.experiment_id).bind(info.request_time);
    let upsert = upsert.bind(info.execution_duration).bind(&info.state).bind(&info.client_request_id);
    transaction.execute(upsert.bind(&info.request_preview).bind(&info.response_preview)).await?;
    Ok(())
}

/// All that is known of a trace, to tell whether it changed.
async fn content(transaction: &mut Transaction, trace_id: &str) -> Result<Option<(TraceInfo, Vec<(String,)>)>> {
    let Some(row) = read::find_row(transaction, trace_id).await? else { return Ok(None) };
    let select = Statement::new("SELECT content FROM spans WHERE trace = $1 ORDER BY span_id").bind(row.id);
    let spans = transaction.all(select).await?;
    Ok(read::whole(transaction, vec![row]).await?.pop().map(|info| (info, spans)))
}
