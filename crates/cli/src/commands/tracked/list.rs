//! `baton runs ls`: tracked runs that meet a filter, as a table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use baton_tracking::run::{Run, RunInfo};
use baton_tracking::{Tag, View};
use serde::Serialize;
use serde_json::{Number, Value, json};

use super::{all_experiments, search};
use crate::args::{TrackedListArguments, ViewName};
use crate::context::Context;
use crate::error::CliError;
use crate::exit::Outcome;
use crate::{output, render, wire};

/// Metrics and parameters that are shown unless others are asked for.
const METRICS: usize = 3;
const PARAMS: usize = 4;

/// Runs and what is shown of each.
pub(crate) struct RunTable {
    /// The runs.
    pub(crate) runs: Vec<Run>,
    /// What is shown, such as `metrics.loss`.
    pub(crate) columns: Vec<String>,
    /// Names of experiments by number.
    pub(crate) experiments: HashMap<i64, String>,
    /// What the next page is asked for with.
    pub(crate) next: Option<String>,
}

/// Lists runs.
pub(in crate::commands) async fn list(
    context: &Context,
    arguments: &TrackedListArguments,
) -> Result<Outcome, CliError> {
    let tracked = wire::tracked(context, arguments.filter.store.store.as_deref(), wire::Access::Read).await?;
    let view = match arguments.view {
        ViewName::Active => View::Active,
        ViewName::Deleted => View::Deleted,
        ViewName::All => View::All,
    };
    let page = search(&tracked, &arguments.filter, view, arguments.page_token.clone()).await?;
    let columns = match arguments.columns.as_slice() {
        [] => default_columns(&page.rows),
        asked => asked.iter().map(|column| checked(column)).collect::<Result<_, _>>()?,
    };
    let experiments = all_experiments(&tracked).await?.into_iter().collect();
    let table = RunTable { runs: page.rows, columns, experiments, next: page.next };
    if context.is_json() {
        output::print_json(&as_json(&table))?;
    } else {
        output::print(&render::tracked_runs(&table))?;
    }
    Ok(Outcome::Fine)
}

/// The metrics that most runs have, and the parameters that most runs have and not all the same.
fn default_columns(runs: &[Run]) -> Vec<String> {
    let mut metrics: BTreeMap<&str, usize> = BTreeMap::new();
    let mut params: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
    for run in runs {
        // What a machine did is rarely what runs are compared by.
        for metric in run.metrics.iter().filter(|metric| !metric.key.starts_with("system/")) {
            *metrics.entry(&metric.key).or_default() += 1;
        }
        for param in &run.params {
            let (count, values) = params.entry(&param.key).or_default();
            *count += 1;
            values.insert(&param.value);
        }
    }
    let mut metrics: Vec<_> = metrics.into_iter().collect();
    metrics.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut params: Vec<_> =
        params.into_iter().filter(|(_, (_, values))| values.len() > 1 || runs.len() == 1).collect();
    params.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let metrics = metrics.into_iter().take(METRICS).map(|(key, _)| format!("metrics.{key}"));
    metrics.chain(params.into_iter().take(PARAMS).map(|(key, _)| format!("params.{key}"))).collect()
}

/// A column whose kind is known: `metrics.…`, `params.…`, `tags.…`, or an attribute.
fn checked(column: &str) -> Result<String, CliError> {
    const ATTRIBUTES: [&str; 6] = ["run_id", "status", "user", "start_time", "end_time", "artifact_uri"];
    let column = column.trim();
    let kind = column.split_once('.').map(|(kind, _)| kind);
    if matches!(kind, Some("metrics" | "params" | "tags")) || ATTRIBUTES.contains(&column) {
        return Ok(column.to_owned());
    }
    let (metrics, params) = (format!("metrics.{column}"), format!("params.{column}"));
    Err(CliError::argument(
        format!("`{column}` is no column of a run"),
        format!("write `{metrics}`, `{params}` or `tags.{column}`, or one of {}", ATTRIBUTES.join(", ")),
    ))
}

impl RunTable {
    /// What a run has in a column, as text.
    pub(crate) fn cell(run: &Run, column: &str) -> Option<String> {
        let text = |texts: &[Tag], key: &str| texts.iter().find(|text| text.key == key).map(|text| text.value.clone());
        match column.split_once('.') {
            Some(("metrics", key)) => {
                run.metrics.iter().find(|metric| metric.key == key).map(|metric| figure(metric.value))
            }
            Some(("params", key)) => text(&run.params, key),
            Some(("tags", key)) => text(&run.tags, key),
            _ => attribute(&run.info, column),
        }
    }
}

fn attribute(info: &RunInfo, name: &str) -> Option<String> {
    Some(match name {
        "run_id" => info.run_id.clone(),
        "status" => info.status.clone(),
        "user" => info.user_id.clone(),
        "start_time" => render::milliseconds(info.start_time),
        "end_time" => render::milliseconds(info.end_time?),
        "artifact_uri" => info.artifact_uri.clone(),
        _ => return None,
    })
}

/// A metric's value in few signs.
pub(crate) fn figure(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    // What is infinite is kept as the largest number.
    if value.abs() >= f64::MAX {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if value == value.trunc() && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    if !(1e-4..1e6).contains(&value.abs()) {
        return format!("{value:.4e}");
    }
    let digits = (5 - value.abs().log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[derive(Serialize)]
struct Listed<'t> {
    runs: Vec<Value>,
    next_page_token: Option<&'t str>,
}

fn as_json(table: &RunTable) -> impl Serialize {
    let runs = table.runs.iter().map(|run| run_as_json(run, &table.experiments)).collect();
    Listed { runs, next_page_token: table.next.as_deref() }
}

/// A run as JSON; metrics that are no numbers are texts, as clients of MLflow read them.
pub(super) fn run_as_json(run: &Run, experiments: &HashMap<i64, String>) -> Value {
    let info = &run.info;
    let texts = |texts: &[Tag]| -> Value {
        texts.iter().map(|text| (text.key.clone(), Value::from(text.value.as_str()))).collect()
    };
    let metrics: Value = run.metrics.iter().map(|metric| (metric.key.clone(), number(metric.value))).collect();
    json!({
        "run_id": info.run_id,
        "name": info.name,
        "experiment_id": info.experiment.to_string(),
        "experiment": experiments.get(&info.experiment),
        "status": info.status,
        "lifecycle_stage": info.lifecycle.as_str(),
        "user": info.user_id,
        "start_time": info.start_time,
        "end_time": info.end_time,
        "artifact_uri": info.artifact_uri,
        "metrics": metrics,
        "params": texts(&run.params),
        "tags": texts(&run.tags),
    })
}

/// A number of JSON, or the text that stands for what JSON has no number for.
pub(super) fn number(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| figure(value).into(), Value::Number)
}
