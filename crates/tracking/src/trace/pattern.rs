//! Regular expressions in searches of traces.
//!
//! The database knows none: `x RLIKE 'pattern'` becomes `x IN (…)` of those values that match.

use baton_ledger::database::{Statement, Transaction};
use regex::Regex;

use super::{NAME_TAG, search};
use crate::filter::{Comparison, Condition, Literal, Operator};
use crate::{TrackingError, search as places};

/// `condition` without regular expressions, for traces of `experiments`.
///
/// # Errors
/// When a pattern is none, and those of the database.
pub(super) async fn resolve(
    transaction: &mut Transaction,
    mut condition: Condition,
    experiments: &[i64],
) -> Result<Condition, TrackingError> {
    for comparison in patterns(&mut condition) {
        let (Literal::Text(text), Some(select)) = (&comparison.value, candidates(comparison, experiments)) else {
            continue;
        };
        let wrong = |error| TrackingError::invalid(format!("Invalid regular expression '{text}': {error}"));
        let pattern = Regex::new(text).map_err(wrong)?;
        let values: Vec<(String,)> = transaction.all(select).await?;
        let matching = values.into_iter().map(|(value,)| value).filter(|value| pattern.is_match(value)).collect();
        (comparison.operator, comparison.value) = (Operator::In, Literal::List(matching));
    }
    Ok(condition)
}

/// The comparisons with a regular expression.
fn patterns(condition: &mut Condition) -> Vec<&mut Comparison> {
    match condition {
        Condition::Is(comparison) if comparison.operator == Operator::RLike => vec![comparison],
        Condition::Is(_) => Vec::new(),
        Condition::Not(inner) => patterns(inner),
        Condition::All(parts) | Condition::Any(parts) => parts.iter_mut().flat_map(patterns).collect(),
    }
}

/// The values that are compared; none of what cannot be compared so, which the search says.
fn candidates(comparison: &Comparison, experiments: &[i64]) -> Option<Statement> {
    const ATTRIBUTES: &str = "(SELECT s.trace, a.value ->> 'key' AS key, CAST(v.value AS TEXT) AS value
                               FROM spans s, json_each(s.content, '$.attributes') a, json_each(a.value, '$.value') v)";
    const RUNS: &str = "(SELECT trace, value FROM trace_metadata WHERE key = 'mlflow.sourceRun'
                         UNION SELECT trace, run_id FROM trace_runs)";
    let key = comparison.key.as_str();
    let (column, table, named) = match (comparison.entity.as_deref(), key) {
        (Some("tag" | "tags"), key) => ("p.value", "trace_tags", Some(("p.key", key))),
        (Some("metadata" | "request_metadata"), key) => ("p.value", "trace_metadata", Some(("p.key", key))),
        (Some("feedback" | "expectation"), key) => ("p.value", "assessments", Some(("p.name", key))),
        (Some("span"), "name") => ("p.name", "spans", None),
        (Some("span"), "type") => ("p.kind", "spans", None),
        (Some("span"), "status") => ("p.status", "spans", None),
        (Some("span"), key) => ("p.value", ATTRIBUTES, Some(("p.key", key.strip_prefix("attributes.")?))),
        (entity, "name") if search::is_attribute(entity) => ("p.value", "trace_tags", Some(("p.key", NAME_TAG))),
        (entity, "run_id") if search::is_attribute(entity) => ("p.value", RUNS, None),
        (entity, "status") if search::is_attribute(entity) => ("p.state", OF_TRACES, None),
        (entity, "request_id" | "trace_id") if search::is_attribute(entity) => ("p.trace_id", OF_TRACES, None),
        (entity, "client_request_id") if search::is_attribute(entity) => ("p.client_request_id", OF_TRACES, None),
        _ => return None,
    };
    let mut select = Statement::new(format!(
        "SELECT DISTINCT {column} FROM {table} p JOIN traces t ON t.id = p.trace WHERE {column} IS NOT NULL AND t.experiment IN "
    ));
    places::push_list(&mut select, experiments);
    if let Some((column, key)) = named {
        select.push(" AND ").push(column).push(" = ").push_bind(key);
    }
    Some(select)
}

/// What a trace itself says, with the trace as the other tables name it.
const OF_TRACES: &str = "(SELECT id AS trace, trace_id, state, client_request_id FROM traces)";
