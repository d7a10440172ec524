//! What tables that are made for each of some values depend on besides what makes them: the values.

use std::collections::{BTreeMap, BTreeSet};

use baton_core::asset::{EachOf, ForEach, Table};
use baton_core::{AssetName, Fingerprint};
use baton_engine::fingerprint::Upstream;
use baton_engine::{ProblemKind, SqlProblem, TableFingerprints, analyze, fingerprints, sql, table_references};
use serde_json::json;

/// What the query of the values reads.
pub(super) fn references(table: &Table) -> Result<BTreeSet<String>, SqlProblem> {
    match table.for_each.as_deref() {
        Some(ForEach { values: EachOf::Query(query), .. }) => table_references(query).map_err(of_values),
        _ => Ok(BTreeSet::new()),
    }
}

/// All that is wrong with the values, and with what has no use for them.
pub(super) fn problems(name: &AssetName, table: &Table, upstream: &BTreeMap<String, Upstream>) -> Vec<SqlProblem> {
    let Some(each) = &table.for_each else { return Vec::new() };
    if table.python.as_ref().is_some_and(|python| python.context.is_none()) {
        let message = "the function has no parameter `ctx`: every value of `for_each`, which is `ctx.each`, would come to the same";
        return vec![SqlProblem::somewhere(message)];
    }
    let EachOf::Query(query) = &each.values else { return Vec::new() };
    let schemas = upstream.iter().map(|(input, known)| (input.clone(), known.schema.clone())).collect();
    analyze(&schemas, name, query).err().unwrap_or_default().into_iter().map(of_values).collect()
}

/// With what the values decide.
///
/// # Errors
/// What is wrong with the query of the values.
pub(super) fn with_values(
    table: &Table,
    computed: TableFingerprints,
    upstream: &BTreeMap<String, Upstream>,
) -> Result<TableFingerprints, Vec<SqlProblem>> {
    let Some(each) = &table.for_each else { return Ok(computed) };
    let asked = match &each.values {
        EachOf::Query(query) => Some(fingerprints(query, upstream)?),
        EachOf::List(_) => None,
    };
    let said = json!([each.name, each.values, each.data_type]).to_string();
    // A value stands in the query as any text of its type might: its own words tell the two apart.
    let words = sql::words(&table.sql).unwrap_or_default();
    let asked = asked.iter().flat_map(|asked| [&asked.rows].into_iter().chain(asked.columns.values()));
    let decides = [computed.rows.as_str(), &said, &words].into_iter().chain(asked.map(Fingerprint::as_str));
    Ok(TableFingerprints { rows: Fingerprint::of(decides), columns: computed.columns })
}

/// The place of a problem in the query of the values is no place in the file.
fn of_values(problem: SqlProblem) -> SqlProblem {
    let SqlProblem { line, column, length, message, .. } =
        SqlProblem::somewhere(format!("the query of `for_each`: {}", problem.message));
    let kind = match problem.kind {
        ProblemKind::Unrepeatable => ProblemKind::Invalid,
        kind => kind,
    };
    SqlProblem { kind, line, column, length, message, ..problem }
}
