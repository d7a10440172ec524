//! Searching traces: filter, order, pages.

use baton_ledger::database::Statement;

use super::{NAME_TAG, PROMPTS_TAG, TraceInfo, pattern, read};
use crate::filter::{self, Comparison, Condition, Dialect, Literal, Operator};
use crate::page::{Column, Part};
use crate::search::{self, Pages};
use crate::{Page, TrackingError, TrackingStore, validate};

/// The metadata that says which run a trace is from.
pub(super) const RUN_KEY: &str = "mlflow.sourceRun";

/// Columns that every trace has a value of.
const ALWAYS_THERE: [&str; 4] = ["t.experiment", "t.request_time", "t.state", "t.trace_id"];

/// What to look for.
#[derive(Debug, Clone, Default)]
pub struct TraceSearch {
    /// The experiments to look in.
    pub experiment_ids: Vec<i64>,
    /// The filter as written.
    pub filter: String,
    /// Rows of a page.
    pub max_results: Option<i64>,
    /// `<key> [ASC|DESC]` each.
    pub order_by: Vec<String>,
    /// Where the last page ended.
    pub page_token: Option<String>,
}

impl TrackingStore {
    /// A page of traces, newest first.
    ///
    /// # Errors
    /// When the filter, the order, the size or the token cannot be understood.
    pub async fn search_traces(&self, wanted: &TraceSearch) -> Result<Page<TraceInfo>, TrackingError> {
        let rows = validate::max_results(wanted.max_results, 100, 500)?;
        let last = vec![Column::new("t.request_time", false), Column::new("t.trace_id", true)];
        let rows = i64::try_from(rows).unwrap_or(i64::MAX - 1);
        let pages = Pages::new(columns(&wanted.order_by)?, last, wanted.page_token.as_deref(), rows)?;
        let mut select = Statement::new(format!("SELECT {} FROM traces t WHERE t.experiment IN ", read::COLUMNS));
        search::push_list(&mut select, &wanted.experiment_ids);
        select.push(" AND ");
        let condition = filter::parse(&wanted.filter, Dialect::Plain)?;
        let mut transaction = self.snapshot().await?;
        push_condition(&mut select, &pattern::resolve(&mut transaction, condition, &wanted.experiment_ids).await?)?;
        if let Pages::Counted(_) = pages {
            push_order(&mut select, &wanted.order_by)?;
        }
        pages.push(&mut select);
        let (rows, next) = pages.cut(transaction.all::<read::Row>(select).await?, part);
        Ok(Page { rows: read::whole(&mut transaction, rows).await?, next })
    }
}

/// The columns of an order by which every trace has a place; none where something orders them that may be missing.
fn columns(order_by: &[String]) -> Result<Option<Vec<Column>>, TrackingError> {
    let of_key = |key: &filter::Order| {
        let of_trace = is_attribute(key.entity.as_deref());
        let column = order_column(&key.key).filter(|column| of_trace && ALWAYS_THERE.contains(column))?;
        Some(Column::new(column, key.ascending))
    };
    Ok(filter::order(order_by)?.iter().map(of_key).collect())
}

/// Adds `condition` on `traces t`.
pub(super) fn push_condition(select: &mut Statement, condition: &Condition) -> Result<(), TrackingError> {
    search::push_condition(select, condition, &mut push_comparison)
}

/// Whether what stands before the first point means the trace itself.
pub(super) fn is_attribute(entity: Option<&str>) -> bool {
    matches!(entity, None | Some("attribute" | "attributes" | "trace"))
}

fn part(row: &read::Row, column: &str) -> Part {
    match column {
        "t.experiment" => Part::Integer(row.experiment),
        "t.request_time" => Part::Integer(row.request_time),
        "t.state" => Part::Text(row.state.clone()),
        _ => Part::Text(row.trace_id.clone()),
    }
}

fn push_comparison(select: &mut Statement, comparison: &Comparison) -> Result<(), TrackingError> {
    match comparison.entity.as_deref() {
        None | Some("attribute" | "attributes" | "trace") => push_attribute(select, comparison),
        Some("tag" | "tags") => push_pair(select, "trace_tags", &comparison.key, comparison),
        Some("metadata" | "request_metadata") => push_pair(select, "trace_metadata", &comparison.key, comparison),
        Some("span") => push_span(select, comparison),
        Some(kind @ ("feedback" | "expectation")) => push_assessment(select, kind, comparison),
        Some(other) => Err(TrackingError::invalid(format!(
            "Invalid entity type '{other}'. Valid values are ['tag', 'request_metadata', 'attribute', 'span', 'feedback', \
             'expectation']"
        ))),
    }
}

fn push_attribute(select: &mut Statement, comparison: &Comparison) -> Result<(), TrackingError> {
    let numeric = match comparison.key.as_str() {
        "timestamp" | "timestamp_ms" => Some("t.request_time"),
        "execution_time" | "execution_time_ms" => Some("t.execution_duration"),
        "end_time" | "end_time_ms" => Some("(t.request_time + t.execution_duration)"),
        _ => None,
    };
    if let Some(column) = numeric {
        refuse_unless(comparison, comparison.operator.is_numeric())?;
        select.push(column);
        return search::push_number(select, comparison);
    }
    match comparison.key.as_str() {
        "name" => push_pair(select, "trace_tags", NAME_TAG, comparison),
        "prompt" => push_prompt(select, comparison),
        "run_id" => push_run(select, comparison),
        "text" => push_content(select, comparison),
        "status" => push_attribute_text(select, "t.state", comparison),
        "request_id" | "trace_id" => push_attribute_text(select, "t.trace_id", comparison),
        "client_request_id" => push_attribute_text(select, "t.client_request_id", comparison),
        other => Err(TrackingError::invalid(format!(
            "Invalid attribute key '{other}' specified. Valid keys are '{{'request_id', 'timestamp', 'timestamp_ms', \
             'execution_time', 'execution_time_ms', 'end_time', 'end_time_ms', 'status', 'client_request_id', 'name', 'run_id', \
             'prompt', 'text'}}'"
        ))),
    }
}

fn refuse_unless(comparison: &Comparison, fits: bool) -> Result<(), TrackingError> {
    if fits {
        return Ok(());
    }
    let (operator, key) = (comparison.operator.as_str(), &comparison.key);
    Err(TrackingError::invalid(format!("Invalid comparator '{operator}' for '{key}'")))
}

fn push_attribute_text(select: &mut Statement, column: &str, comparison: &Comparison) -> Result<(), TrackingError> {
    refuse_unless(comparison, search::compares_texts(comparison.operator))?;
    search::push_text(select, column, comparison)
}

/// A tag or metadata: present, absent, or as compared.
pub(super) fn push_pair(
    select: &mut Statement,
    table: &'static str,
    key: &str,
    comparison: &Comparison,
) -> Result<(), TrackingError> {
    select.push(if comparison.operator == Operator::IsNull { "NOT EXISTS" } else { "EXISTS" });
    select.push(" (SELECT 1 FROM ").push(table).push(" p WHERE p.trace = t.id AND p.key = ").push_bind(key);
    if !matches!(comparison.operator, Operator::IsNull | Operator::IsNotNull) {
        refuse_unless(comparison, search::compares_texts(comparison.operator))?;
        select.push(" AND ");
        search::push_text(select, "p.value", comparison)?;
    }
    select.push(")");
    Ok(())
}

/// The run that a trace is from, or one that it was linked to.
pub(super) fn push_run(select: &mut Statement, comparison: &Comparison) -> Result<(), TrackingError> {
    select.push("(");
    push_pair(select, "trace_metadata", RUN_KEY, comparison)?;
    select.push(" OR EXISTS (SELECT 1 FROM trace_runs r WHERE r.trace = t.id AND ");
    search::push_text(select, "r.run_id", comparison)?;
    select.push("))");
    Ok(())
}

/// `prompt = 'name/version'`: the list of linked prompts holds it.
fn push_prompt(select: &mut Statement, comparison: &Comparison) -> Result<(), TrackingError> {
    let (Operator::Equal, Literal::Text(text)) = (&comparison.operator, &comparison.value) else {
        let message = "Invalid comparator for prompt: only `=` with a quoted string is supported";
        return Err(TrackingError::invalid(message));
    };
    let Some((name, version)) = text.split_once('/').filter(|(_, version)| !version.contains('/')) else {
        return Err(TrackingError::invalid(format!(
            "Invalid prompt filter value '{text}'. Expected format is 'name/version'"
        )));
    };
    select.push("EXISTS (SELECT 1 FROM trace_tags p, json_each(p.value) l WHERE p.trace = t.id AND p.key = ");
    select.push_bind(PROMPTS_TAG).push(" AND l.value ->> 'name' = ").push_bind(name);
    select.push(" AND CAST(l.value ->> 'version' AS TEXT) = ").push_bind(version).push(")");
    Ok(())
}

fn push_content(select: &mut Statement, comparison: &Comparison) -> Result<(), TrackingError> {
    refuse_unless(comparison, matches!(comparison.operator, Operator::Like | Operator::ILike))?;
    select.push("EXISTS (SELECT 1 FROM spans s WHERE s.trace = t.id AND ");
    search::push_text(select, "s.content", comparison)?;
    select.push(")");
    Ok(())
}

fn push_span(select: &mut Statement, comparison: &Comparison) -> Result<(), TrackingError> {
    let column = match comparison.key.as_str() {
        "name" => "s.name",
        "type" => "s.kind",
        "status" => "s.status",
        "content" => return push_content(select, comparison),
        key => match key.strip_prefix("attributes.").filter(|attribute| !attribute.is_empty()) {
            Some(attribute) => return push_span_attribute(select, attribute, comparison),
            None => {
                return Err(TrackingError::invalid(format!(
                    "Invalid span attribute '{key}'. Supported attributes: name, status, type, attributes.<attribute_name>."
                )));
            }
        },
    };
    refuse_unless(comparison, search::compares_texts(comparison.operator))?;
    select.push("EXISTS (SELECT 1 FROM spans s WHERE s.trace = t.id AND ");
    search::push_text(select, column, comparison)?;
    select.push(")");
    Ok(())
}

/// Attributes are a list of keys, each with a value in a field named after its type.
fn push_span_attribute(select: &mut Statement, attribute: &str, comparison: &Comparison) -> Result<(), TrackingError> {
    refuse_unless(comparison, search::compares_texts(comparison.operator))?;
    select.push(
        "EXISTS (SELECT 1 FROM spans s, json_each(s.content, '$.attributes') a, json_each(a.value, '$.value') v
                  WHERE s.trace = t.id AND a.value ->> 'key' = ",
    );
    select.push_bind(attribute).push(" AND ");
    search::push_text(select, "CAST(v.value AS TEXT)", comparison)?;
    select.push(")");
    Ok(())
}

fn push_assessment(select: &mut Statement, kind: &str, comparison: &Comparison) -> Result<(), TrackingError> {
    select.push(if comparison.operator == Operator::IsNull { "NOT EXISTS" } else { "EXISTS" });
    select.push(" (SELECT 1 FROM assessments a WHERE a.trace = t.id AND a.kind = ").push_bind(kind);
    select.push(" AND a.name = ").push_bind(&comparison.key);
    match &comparison.value {
        Literal::None => {}
        Literal::Number(..) => {
            select.push(" AND CAST(a.value AS REAL)");
            search::push_number(select, comparison)?;
        }
        _ => {
            refuse_unless(comparison, search::compares_texts(comparison.operator))?;
            select.push(" AND ");
            search::push_text(select, "a.value", comparison)?;
        }
    }
    select.push(")");
    Ok(())
}

fn push_order(select: &mut Statement, order_by: &[String]) -> Result<(), TrackingError> {
    select.push(" ORDER BY ");
    for key in filter::order(order_by)? {
        match (key.entity.as_deref(), key.key.as_str()) {
            (None | Some("attribute" | "attributes" | "trace"), name) => match order_column(name) {
                Some(column) => drop(select.push(column)),
                None => {
                    return Err(TrackingError::invalid(format!("Invalid order_by attribute key '{name}' specified.")));
                }
            },
            (Some("tag" | "tags"), name) => push_ordered(select, "trace_tags", name),
            (Some("metadata" | "request_metadata"), name) => push_ordered(select, "trace_metadata", name),
            (Some(other), _) => {
                return Err(TrackingError::invalid(format!(
                    "Invalid order_by entity `{other}` with key `{}`",
                    key.key
                )));
            }
        }
        select.push(if key.ascending { " ASC NULLS LAST, " } else { " DESC NULLS LAST, " });
    }
    select.push("t.request_time DESC, t.trace_id ASC");
    Ok(())
}

fn order_column(name: &str) -> Option<&'static str> {
    let column = match name {
        "experiment_id" => "t.experiment",
        "timestamp" | "timestamp_ms" => "t.request_time",
        "execution_time" | "execution_time_ms" => "t.execution_duration",
        "end_time" | "end_time_ms" => "(t.request_time + t.execution_duration)",
        "status" => "t.state",
        "request_id" | "trace_id" => "t.trace_id",
        "name" => "(SELECT p.value FROM trace_tags p WHERE p.trace = t.id AND p.key = 'mlflow.traceName')",
        "run_id" => "(SELECT p.value FROM trace_metadata p WHERE p.trace = t.id AND p.key = 'mlflow.sourceRun')",
        _ => return None,
    };
    Some(column)
}

fn push_ordered(select: &mut Statement, table: &'static str, key: &str) {
    select
        .push("(SELECT p.value FROM ")
        .push(table)
        .push(" p WHERE p.trace = t.id AND p.key = ")
        .push_bind(key)
        .push(")");
}
