//! What a table's SQL reads and yields, found from its logical plan without running it.

pub mod inspection;
mod lineage;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;

use crate::availability::prepare;
use crate::determinism::reads_clock;
use crate::engine::new_state;
use crate::error::{EngineError, SqlProblem};
use crate::session::register;
use crate::sql::{
    ensure_table_query, output_problems, parse_statement, plan_statement, problems_of, stored_types, table_references,
};
use crate::table::TableInput;

/// A column of a table: `(table, column)`.
pub type TableColumn = (String, String);

/// What a SELECT reads and yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analysis {
    /// The output columns in order: name, type as stored, whether it can be null.
    pub schema: Vec<(String, DataType, bool)>,
    /// For each output column, the columns of tables that its values are computed from.
    pub column_lineage: BTreeMap<String, BTreeSet<TableColumn>>,
    /// The columns that decide which rows exist: filters, join keys, group keys, limits' order.
    pub row_lineage: BTreeSet<TableColumn>,
    /// The tables that are read.
    pub reads: BTreeSet<String>,
    /// Whether the result depends on the clock beyond which rows it sees (`now()`, `current_date`).
    pub reads_clock: bool,
}

/// Analyses `sql`, the query of table `name`, over `tables`.
///
/// # Errors
/// All problems that can be found in one pass, in the order of the text.
pub fn analyze(tables: &BTreeMap<String, SchemaRef>, name: &str, sql: &str) -> Result<Analysis, Vec<SqlProblem>> {
    let reads = table_references(sql).map_err(|problem| vec![problem])?;
    if reads.contains(name) {
        return Err(vec![SqlProblem::somewhere(format!("`{name}` reads itself: a table cannot be its own input"))]);
    }
    let (state, plan) = plan_over(tables, sql)?;
    let types = stored_types(plan.schema())?;
    let fields = plan.schema().fields().iter().zip(types);
    let schema: Vec<_> = fields.map(|(field, kind)| (field.name().clone(), kind, field.is_nullable())).collect();
    let reads_clock = reads_clock(&plan);
    let prepared = prepare(plan, &state).map_err(|error| problems_of(sql, &error))?;
    let lineage = lineage::of(&prepared);
    let names = schema.iter().map(|(name, _, _)| name.clone());
    Ok(Analysis {
        column_lineage: names.zip(lineage.columns).collect(),
        row_lineage: lineage.rows,
        reads,
        schema,
        reads_clock,
    })
}

/// The checked plan of `sql` over tables without rows, before anything is rewritten.
pub(crate) fn plan_over(
    tables: &BTreeMap<String, SchemaRef>,
    sql: &str,
) -> Result<(SessionState, LogicalPlan), Vec<SqlProblem>> {
    static PLANNING: LazyLock<SessionState> = LazyLock::new(|| new_state(1, None, None));
    let mut state = PLANNING.clone();
    let inputs = tables.iter().map(|(name, schema)| (name.clone(), TableInput::Schema(SchemaRef::clone(schema))));
    register(&mut state, &inputs.collect(), None).map_err(|error| match error {
        EngineError::Sql(problems) => problems,
        other => vec![SqlProblem::somewhere(other.to_string())],
    })?;
    let statement = parse_statement(&state, sql).map_err(|problem| vec![problem])?;
    let plan = plan_statement(&state, sql, statement)?;
    let mut problems = ensure_table_query(sql, &plan).err().unwrap_or_default();
    problems.extend(output_problems(sql, plan.schema()));
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok((state, plan))
}
