//! Figures of traces, spans and judgements over time and by what they have in common, as dashboards ask them.
//!
//! The definitions (which figures there are, by what they may be grouped, how they are called) are MLflow's.

use std::collections::BTreeMap;

use baton_ledger::database::Statement;
use baton_ledger::record;

use super::search;
use crate::filter::{self, Comparison, Condition, Dialect, Literal, Operator};
use crate::{TrackingError, TrackingStore, search as places};

/// The most groups of one answer.
const MOST_GROUPS: usize = 1000;

/// What figures are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Whole traces.
    Traces,
    /// Spans of traces.
    Spans,
    /// Judgements of traces that no other took the place of.
    Assessments,
}

/// How the values of a group become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregation {
    /// How many there are.
    Count,
    /// Their sum.
    Sum,
    /// Their mean.
    Average,
    /// A percentile between 0 and 100, between two values in proportion (Hyndman and Fan 1996, 7).
    Percentile(f64),
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct MetricQuery {
    /// The experiments.
    pub experiment_ids: Vec<i64>,
    /// What the figure is of.
    pub view: View,
    /// The figure, such as `latency`.
    pub metric: String,
    /// How values become one, in the order of the answer.
    pub aggregations: Vec<Aggregation>,
    /// What groups have in common, such as `trace_name`.
    pub dimensions: Vec<String>,
    /// Conditions that all must hold, one each, such as `trace.status = 'OK'`.
    pub filters: Vec<String>,
    /// Seconds of a group; without them, time makes no groups.
    pub interval: Option<i64>,
    /// From when, in milliseconds since 1970.
    pub from: Option<i64>,
    /// Until when, itself included.
    pub until: Option<i64>,
    /// The most groups of the answer.
    pub most: Option<usize>,
}

/// A group and its values.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricPoint {
    /// When the group begins, in milliseconds since 1970, if time makes groups.
    pub begins: Option<i64>,
    /// What its members have in common, in the order asked.
    pub dimensions: Vec<String>,
    /// One of each aggregation.
    pub values: Vec<f64>,
}

record! {
    struct Row {
        instant: i64,
        first: String,
        second: String,
        third: String,
        fourth: String,
        fifth: String,
        value: f64,
    }
}

const ALL: &[&str] = &["SUM", "AVG", "MIN", "MAX", "PERCENTILE"];
const SPREAD: &[&str] = &["AVG", "MIN", "MAX", "PERCENTILE"];
const COUNT: &[&str] = &["COUNT"];

/// A figure: its name, the aggregations and the dimensions that it has, and its value in SQL.
type Figure = (&'static str, &'static [&'static str], &'static [&'static str], &'static str);

macro_rules! of_metadata {
    ($key:literal, $field:literal) => {
        concat!(
            "(SELECT CASE WHEN json_valid(p.value) THEN p.value ->> '",
            $field,
            "' END FROM trace_metadata p WHERE p.trace = t.id AND p.key = '",
            $key,
            "')"
        )
    };
}

/// An attribute of a span, or a field of it: some programs send objects as such, others as JSON in a text.
macro_rules! of_span {
    ($key:literal, $field:literal) => {
        concat!(
            "(SELECT CASE WHEN json_valid(v.value) THEN coalesce(v.value ->> '$",
            $field,
            "', (SELECT coalesce(x.value ->> '$.value.double_value', x.value ->> '$.value.int_value')
                   FROM json_each(v.value, '$.values') x WHERE '.' || (x.value ->> '$.key') = '",
            $field,
            "')) ELSE v.value END FROM json_each(s.content, '$.attributes') a, json_each(a.value, '$.value') v
             WHERE a.value ->> 'key' = '",
            $key,
            "')"
        )
    };
}

const OF_TRACES: &[Figure] = &[
    ("trace_count", COUNT, &["trace_name", "trace_status"], "1"),
    ("session_count", COUNT, &[], "1"),
    ("latency", SPREAD, &["trace_name"], "t.execution_duration"),
    ("input_tokens", ALL, &["trace_name"], of_metadata!("mlflow.trace.tokenUsage", "$.input_tokens")),
    ("output_tokens", ALL, &["trace_name"], of_metadata!("mlflow.trace.tokenUsage", "$.output_tokens")),
    ("total_tokens", ALL, &["trace_name"], of_metadata!("mlflow.trace.tokenUsage", "$.total_tokens")),
    (
        "cache_read_input_tokens",
        ALL,
        &["trace_name"],
        of_metadata!("mlflow.trace.tokenUsage", "$.cache_read_input_tokens"),
    ),
    (
        "cache_creation_input_tokens",
        ALL,
        &["trace_name"],
        of_metadata!("mlflow.trace.tokenUsage", "$.cache_creation_input_tokens"),
    ),
];

const OF_SPANS: &[Figure] = &[
    ("span_count", COUNT, &["span_model_name", "span_model_provider", "span_name", "span_status", "span_type"], "1"),
    (
        "latency",
        SPREAD,
        &["span_name", "span_status"],
        "CASE WHEN s.end_time > 0 THEN (s.end_time - s.start_time) / 1000000 END",
    ),
    ("input_cost", ALL, &["span_model_name", "span_model_provider"], of_span!("mlflow.llm.cost", ".input_cost")),
    ("output_cost", ALL, &["span_model_name", "span_model_provider"], of_span!("mlflow.llm.cost", ".output_cost")),
    ("total_cost", ALL, &["span_model_name", "span_model_provider"], of_span!("mlflow.llm.cost", ".total_cost")),
];

/// `yes`, `no` and flags count as 1 and 0; other texts have no value.
const OF_ASSESSMENTS: &[Figure] = &[
    ("assessment_count", COUNT, &["assessment_name", "assessment_value"], "1"),
    (
        "assessment_value",
        SPREAD,
        &["assessment_name"],
        "CASE WHEN lower(trim(a.value)) IN ('yes', 'true') THEN 1 WHEN lower(trim(a.value)) IN ('no', 'false') THEN 0
              WHEN json_type(a.body, '$.' || a.kind || '.value') IN ('integer', 'real') THEN CAST(a.value AS REAL) END",
    ),
];

impl View {
    /// Its name in the protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Spans => "SPANS",
            Self::Assessments => "ASSESSMENTS",
        }
    }

    fn figures(self) -> &'static [Figure] {
        match self {
            Self::Traces => OF_TRACES,
            Self::Spans => OF_SPANS,
            Self::Assessments => OF_ASSESSMENTS,
        }
    }
}

impl Aggregation {
    /// Its name in the protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::Sum => "SUM",
            Self::Average => "AVG",
            Self::Percentile(_) => "PERCENTILE",
            Self::Minimum => "MIN",
            Self::Maximum => "MAX",
        }
    }

    /// Of values in ascending order, of which there is one at least.
    #[expect(clippy::cast_precision_loss, reason = "there are far less than 2^52 values")]
    fn of(self, values: &[f64]) -> f64 {
        let sum = || values.iter().sum::<f64>();
        match self {
            Self::Count => values.len() as f64,
            Self::Sum => sum(),
            Self::Average => sum() / values.len() as f64,
            Self::Percentile(percent) => percentile(values, percent),
            Self::Minimum => values.first().copied().unwrap_or(f64::NAN),
            Self::Maximum => values.last().copied().unwrap_or(f64::NAN),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place among far less than 2^52 values"
)]
fn percentile(values: &[f64], percent: f64) -> f64 {
    let place = percent / 100.0 * (values.len().saturating_sub(1)) as f64;
    let at = |place: f64| values.get(place as usize).copied().unwrap_or(f64::NAN);
    let (below, above) = (at(place.floor()), at(place.ceil()));
    below + (above - below) * place.fract()
}

impl TrackingStore {
    /// The figures of groups, by their beginnings and what they have in common; groups without values are left out.
    ///
    /// # Errors
    /// When there is no such figure, aggregation or dimension, or a filter cannot be understood.
    pub async fn trace_metrics(&self, query: &MetricQuery) -> Result<Vec<MetricPoint>, TrackingError> {
        let select = select(query)?;
        let mut transaction = self.snapshot().await?;
        let mut groups: BTreeMap<(Option<i64>, Vec<String>), Vec<f64>> = BTreeMap::new();
        if query.interval.is_none() && query.dimensions.is_empty() && query.aggregations == [Aggregation::Count] {
            // All together are a group, even of none.
            groups.insert((None, Vec::new()), Vec::new());
        }
        for row in transaction.all::<Row>(select).await? {
            let begins = query.interval.map(|seconds| {
                let length = seconds.saturating_mul(1000);
                row.instant.div_euclid(length).saturating_mul(length)
            });
            let common = [row.first, row.second, row.third, row.fourth, row.fifth]
                .into_iter()
                .take(query.dimensions.len())
                .collect();
            groups.entry((begins, common)).or_default().push(row.value);
        }
        let point = |((begins, dimensions), mut values): (_, Vec<f64>)| {
            values.sort_by(f64::total_cmp);
            let values = query.aggregations.iter().map(|aggregation| aggregation.of(&values)).collect();
            MetricPoint { begins, dimensions, values }
        };
        Ok(groups.into_iter().take(query.most.unwrap_or(MOST_GROUPS)).map(point).collect())
    }
}

fn select(query: &MetricQuery) -> Result<Statement, TrackingError> {
    let &(name, .., value) = check(query)?;
    let is_cost = query.view == View::Spans && name.ends_with("_cost");
    let instant = if query.view == View::Spans { "s.start_time / 1000000" } else { "t.request_time" };
    let mut dimensions: Vec<&str> = query.dimensions.iter().map(|dimension| dimension_column(dimension)).collect();
    let bucket =
        query.interval.map_or_else(String::new, |seconds| format!("{instant} / {}, ", seconds.saturating_mul(1000)));
    dimensions.resize(5, "''");
    let [first, second, third, fourth, fifth] = dimensions[..] else {
        return Err(TrackingError::invalid("Metrics have five dimensions at most, each given once."));
    };
    let joined = match query.view {
        View::Traces => "",
        View::Spans => " JOIN spans s ON s.trace = t.id",
        View::Assessments => " JOIN assessments a ON a.trace = t.id AND coalesce(a.body ->> '$.valid', 1) <> 0",
    };
    let mut select = Statement::new(format!(
        "SELECT instant, first, second, third, fourth, fifth, value FROM (SELECT {instant} AS instant, {first} AS first,
                {second} AS second, {third} AS third, {fourth} AS fourth, {fifth} AS fifth, CAST({value} AS REAL) AS value
           FROM traces t{joined} WHERE t.experiment IN "
    ));
    places::push_list(&mut select, &query.experiment_ids);
    let told = if is_cost { instant } else { "t.request_time" };
    if let Some(from) = query.from {
        select.push(" AND ").push(told).push(" >= ").push_bind(from);
    }
    if let Some(until) = query.until {
        select.push(" AND ").push(told).push(" <= ").push_bind(until);
    }
    for filter in &query.filters {
        select.push(" AND ");
        push_filter(&mut select, query.view, filter)?;
    }
    if name == "session_count" {
        const SESSION: &str =
            "(SELECT p.value FROM trace_metadata p WHERE p.trace = t.id AND p.key = 'mlflow.trace.session')";
        // Of several traces of a session in one group, one counts.
        select.push(" AND ").push(SESSION).push(" IS NOT NULL GROUP BY ").push(&bucket).push(SESSION);
    }
    select.push(") WHERE value IS NOT NULL");
    for column in ["first", "second", "third", "fourth", "fifth"] {
        select.push(" AND ").push(column).push(" IS NOT NULL");
    }
    Ok(select)
}

/// The figure, if all that is asked of it can be answered.
fn check(query: &MetricQuery) -> Result<&'static Figure, TrackingError> {
    let figures = query.view.figures();
    let Some(figure) = figures.iter().find(|figure| figure.0 == query.metric) else {
        let known = shown(figures.iter().map(|figure| figure.0));
        return Err(TrackingError::invalid(format!("metric_name must be one of {known}, got '{}'", query.metric)));
    };
    let (_, aggregations, dimensions, _) = figure;
    let asked = query.aggregations.iter().map(|aggregation| aggregation.as_str());
    let wrong = unknown(asked, aggregations);
    if !wrong.is_empty() {
        let mut supported = aggregations.to_vec();
        supported.sort_unstable();
        let (wrong, supported) = (shown(wrong), shown(supported));
        return Err(TrackingError::invalid(format!(
            "Found invalid aggregation_type(s): {wrong}. Supported aggregation types: {supported}"
        )));
    }
    let wrong = unknown(query.dimensions.iter().map(String::as_str), dimensions);
    if !wrong.is_empty() {
        let (wrong, supported) = (shown(wrong), shown(dimensions.iter().copied()));
        return Err(TrackingError::invalid(format!(
            "Found invalid dimension(s): {wrong}. Supported dimensions: {supported}"
        )));
    }
    match query.interval {
        Some(seconds) if seconds < 1 => {
            Err(TrackingError::invalid(format!("time_interval_seconds must be positive, got {seconds}")))
        }
        Some(_) if query.from.is_none() || query.until.is_none() => {
            Err(TrackingError::invalid("start_time_ms and end_time_ms are required if time_interval_seconds is set"))
        }
        _ => Ok(figure),
    }
}

/// Those that are not known, each once and in order.
fn unknown<'a>(asked: impl Iterator<Item = &'a str>, known: &[&str]) -> Vec<&'a str> {
    let mut wrong: Vec<&str> = asked.filter(|name| !known.contains(name)).collect();
    wrong.sort_unstable();
    wrong.dedup();
    wrong
}

/// Names as Python shows a list of them.
fn shown<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("'{name}'")).collect();
    format!("[{}]", names.join(", "))
}

fn dimension_column(dimension: &str) -> &'static str {
    match dimension {
        "trace_name" => "(SELECT p.value FROM trace_tags p WHERE p.trace = t.id AND p.key = 'mlflow.traceName')",
        "trace_status" => "t.state",
        "span_name" => "s.name",
        "span_type" => "s.kind",
        "span_status" => "s.status",
        "span_model_name" => of_span!("mlflow.llm.model", ""),
        "span_model_provider" => of_span!("mlflow.llm.provider", ""),
        "assessment_name" => "a.name",
        // Its value as JSON, texts in quotes.
        _ => {
            "CASE WHEN json_type(a.body, '$.' || a.kind || '.value') = 'text' THEN json_quote(a.value) ELSE a.value END"
        }
    }
}

/// One comparison of what is written `view.entity` or `view.entity.key`, by `=`.
fn push_filter(select: &mut Statement, view: View, text: &str) -> Result<(), TrackingError> {
    let comparison = match filter::parse(text, Dialect::Plain)? {
        Condition::Is(comparison) => comparison,
        Condition::All(mut parts) if parts.len() == 1 => match parts.pop() {
            Some(Condition::Is(comparison)) => comparison,
            _ => return Err(several(text)),
        },
        _ => return Err(several(text)),
    };
    if comparison.operator != Operator::Equal {
        let operator = comparison.operator.as_str();
        return Err(TrackingError::invalid(format!(
            "Invalid comparator: '{operator}', only '=' operator is supported"
        )));
    }
    if !matches!(comparison.value, Literal::Text(_)) {
        let key = &comparison.key;
        return Err(TrackingError::invalid(format!(
            "Expected a quoted string value for {key} value (e.g. 'my-value')."
        )));
    }
    let (entity, key) = (comparison.entity.clone().unwrap_or_default(), comparison.key.clone());
    match (entity.as_str(), view) {
        ("span", View::Traces | View::Assessments) => Err(wrong_view("span", View::Spans, view)),
        ("assessment", View::Traces | View::Spans) => Err(wrong_view("assessment", View::Assessments, view)),
        _ => push_comparison(select, &entity, &key, &comparison),
    }
}

fn push_comparison(
    select: &mut Statement,
    entity: &str,
    key: &str,
    comparison: &Comparison,
) -> Result<(), TrackingError> {
    let column = match (entity, key) {
        ("trace", "status") => "t.state",
        ("span", "name") => "s.name",
        ("span", "status") => "s.status",
        ("span", "type") => "s.kind",
        ("assessment", "name") => "a.name",
        ("assessment", "type") => "a.kind",
        ("trace", key) => match key.split_once('.').map(|(table, key)| (table, unquoted(key))) {
            Some(("metadata", search::RUN_KEY)) => return search::push_run(select, comparison),
            Some(("metadata", key)) => return search::push_pair(select, "trace_metadata", key, comparison),
            Some(("tag", key)) => return search::push_pair(select, "trace_tags", key, comparison),
            _ => return Err(no_entity(entity, key, "['status', 'tag', 'metadata']")),
        },
        ("span", key) => return Err(no_entity(entity, key, "['name', 'status', 'type']")),
        ("assessment", key) => return Err(no_entity(entity, key, "['name', 'type']")),
        _ => {
            return Err(TrackingError::invalid(format!(
                "Invalid view type '{entity}'. Valid values are ['trace', 'span', 'assessment']"
            )));
        }
    };
    places::push_text(select, column, comparison)
}

fn unquoted(key: &str) -> &str {
    key.trim_matches(['`', '"'])
}

fn several(text: &str) -> TrackingError {
    TrackingError::invalid(format!("Invalid filter: '{text}'. Expected one filter clause."))
}

fn wrong_view(entity: &str, only: View, view: View) -> TrackingError {
    let (only, view) = (only.as_str(), view.as_str());
    TrackingError::invalid(format!("Filtering by {entity} is only supported for {only} view type, got {view}"))
}

fn no_entity(view: &str, entity: &str, valid: &str) -> TrackingError {
    TrackingError::invalid(format!(
        "Invalid entity '{entity}' specified for view type '{view}'. Valid entities are {valid}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected by `numpy.quantile` of the same values.
    #[test]
    fn percentiles_lie_between_two_values_in_proportion() {
        let values = [1.0, 2.0, 4.0, 8.0];
        for (percent, expected) in [(0.0, 1.0), (50.0, 3.0), (90.0, 6.8), (100.0, 8.0)] {
            assert!((percentile(&values, percent) - expected).abs() < 1e-12, "{percent}");
        }
        assert!((percentile(&[5.0], 75.0) - 5.0).abs() < 1e-12);
    }
}
