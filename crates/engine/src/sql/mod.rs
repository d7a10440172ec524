//! SQL text to logical plan: parsing, which tables a text reads, what may run where.

mod output;
mod parameter;
mod place;
mod problem;
mod recovery;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::common::TableReference;
use datafusion::execution::SessionState;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{ObjectName, Spanned, Statement as SqlStatement, visit_relations};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use futures::FutureExt;

use crate::error::{EngineError, ProblemKind, SqlProblem};
use crate::session::RECORDS;

pub(crate) use output::{ensure_table_query, output_problems, stored_output, stored_types, within};
pub use parameter::{bind, words};
pub(crate) use place::Place;
pub(crate) use problem::problems_of;

/// The tables that a SELECT reads, without names of its own CTEs; parses only, so schemas need not be known.
///
/// # Errors
/// A [`SqlProblem`] when the text is not one SQL statement.
pub fn table_references(sql: &str) -> Result<BTreeSet<String>, SqlProblem> {
    let statement = parse(sql, DEFAULT_RECURSION)?;
    references(sql, &statement)
}

const DEFAULT_RECURSION: usize = 50;

pub(crate) fn parse_statement(state: &SessionState, sql: &str) -> Result<Statement, SqlProblem> {
    parse(sql, state.config_options().sql_parser.recursion_limit.get())
}

fn parse(sql: &str, recursion: usize) -> Result<Statement, SqlProblem> {
    let syntax = |error| problem::first_problem(sql, &error);
    let mut statements = DFParserBuilder::new(sql)
        .with_dialect(&GenericDialect {})
        .with_recursion_limit(recursion)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(syntax)?;
    match (statements.pop_front(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (Some(_), false) => Err(SqlProblem::somewhere("more than one statement: write one, without a `;` in between")),
        (None, _) => Err(SqlProblem::somewhere("no SQL here: write a SELECT")),
    }
}

fn references(sql: &str, statement: &Statement) -> Result<BTreeSet<String>, SqlProblem> {
    Ok(relations(sql, statement)?.iter().map(ToString::to_string).collect())
}

fn relations(sql: &str, statement: &Statement) -> Result<Vec<TableReference>, SqlProblem> {
    let (mut tables, _ctes) =
        resolve_table_references(statement, true).map_err(|error| problem::first_problem(sql, &error))?;
    tables.retain(|table| table.schema() != Some("information_schema"));
    Ok(tables)
}

/// The plan of `statement`, which was parsed from `sql`, or all that is wrong with it.
pub(crate) fn plan_statement(
    state: &SessionState,
    sql: &str,
    statement: Statement,
) -> Result<LogicalPlan, Vec<SqlProblem>> {
    let unknown = unknown_tables(state, sql, &statement)?;
    if !unknown.is_empty() {
        return Err(unknown);
    }
    match planned(state, sql, statement.clone()) {
        Ok(plan) => Ok(plan),
        Err(problems) => Err(recovery::further_problems(state, sql, statement, problems)),
    }
}

/// One attempt at planning. Every provider here is in memory, so the future is ready at once.
fn planned(state: &SessionState, sql: &str, statement: Statement) -> Result<LogicalPlan, Vec<SqlProblem>> {
    match state.statement_to_plan(statement).now_or_never() {
        Some(Ok(plan)) => Ok(plan),
        Some(Err(error)) => {
            let found = problems_of(sql, &error).into_iter();
            Err(found.map(|problem| problem::with_near_functions(state, problem)).collect())
        }
        None => Err(vec![SqlProblem::somewhere("planning had to wait for a table")]),
    }
}

fn unknown_tables(state: &SessionState, sql: &str, statement: &Statement) -> Result<Vec<SqlProblem>, Vec<SqlProblem>> {
    let (public, system, records) = (tables_of(state, "public"), tables_of(state, "system"), tables_of(state, RECORDS));
    let mut missing = relations(sql, statement).map_err(|problem| vec![problem])?;
    missing.retain(|table| match table.schema() {
        None => !public.contains(table.table()),
        Some("system") => !system.contains(table.table()),
        Some(RECORDS) => !records.contains(table.table()),
        Some(_) => true,
    });
    let mut problems = Vec::new();
    let Statement::Statement(inner) = statement else { return Ok(problems) };
    let _ = visit_relations(inner, |relation: &ObjectName| {
        let name = relation.0.last().map(ToString::to_string).unwrap_or_default();
        let name = name.trim_matches(['"', '\'', '`']);
        if let Some(table) = missing.iter().find(|table| table.table().eq_ignore_ascii_case(name)) {
            problems.push(unknown_table(sql, &table.to_string(), relation, &public));
        }
        ControlFlow::<()>::Continue(())
    });
    Ok(problems)
}

fn unknown_table(sql: &str, table: &str, relation: &ObjectName, known: &BTreeSet<String>) -> SqlProblem {
    let span = relation.span();
    let place = Place::between(sql, span.start.line, span.start.column, span.end.line, span.end.column);
    SqlProblem {
        kind: ProblemKind::UnknownTable,
        unknown_name: Some(table.to_owned()),
        candidates: known.iter().cloned().collect(),
        ..place.problem(format!("there is no table `{table}`"))
    }
}

fn tables_of(state: &SessionState, schema: &str) -> BTreeSet<String> {
    let catalog = state.catalog_list().catalog("datafusion");
    let schema = catalog.and_then(|catalog| catalog.schema(schema));
    schema.map(|schema| schema.table_names().into_iter().collect()).unwrap_or_default()
}

/// Refuses everything that could change something.
pub(crate) fn ensure_read_only(statement: &Statement) -> Result<(), EngineError> {
    let reads = match statement {
        Statement::Statement(inner) => matches!(
            inner.as_ref(),
            SqlStatement::Query(_)
                | SqlStatement::Explain { .. }
                | SqlStatement::ExplainTable { .. }
                | SqlStatement::ShowVariable { .. }
                | SqlStatement::ShowTables { .. }
                | SqlStatement::ShowColumns { .. }
                | SqlStatement::ShowFunctions { .. }
        ),
        Statement::Explain(explain) => return ensure_read_only(&explain.statement),
        _ => false,
    };
    if reads { Ok(()) } else { Err(EngineError::NotReadOnly { statement: first_word(&statement.to_string()) }) }
}

/// Refuses plans that change something in a part of them (`WITH x AS (INSERT …)`, `EXPLAIN INSERT …`).
pub(crate) fn ensure_read_only_plan(plan: &LogicalPlan) -> Result<(), EngineError> {
    let only_reading = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    only_reading
        .verify_plan(plan)
        .map_err(|_| EngineError::NotReadOnly { statement: first_word(&plan.display().to_string()) })
}

fn first_word(text: &str) -> String {
    text.split(|character: char| !character.is_ascii_alphabetic()).next().unwrap_or(text).to_uppercase()
}
