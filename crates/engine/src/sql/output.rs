//! What a table's query must yield: named columns of types that the lake stores, inside the interval that is built.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, TimeUnit};
use baton_core::Interval;
use datafusion::common::{Column, DFSchema, DataFusionError, ScalarValue};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection, cast, col, lit};

use super::place::Place;
use super::problems_of;
use crate::determinism::volatile_functions;
use crate::error::{EngineError, ProblemKind, SqlProblem};
use crate::is_system_column;

/// Refuses what is not a SELECT, and functions whose value changes from run to run.
pub(crate) fn ensure_table_query(sql: &str, plan: &LogicalPlan) -> Result<(), Vec<SqlProblem>> {
    match plan {
        LogicalPlan::Ddl(_)
        | LogicalPlan::Dml(_)
        | LogicalPlan::Copy(_)
        | LogicalPlan::Statement(_)
        | LogicalPlan::Explain(_)
        | LogicalPlan::Analyze(_)
        | LogicalPlan::DescribeTable(_) => {
            return Err(vec![SqlProblem::somewhere("a table is made by a SELECT; this statement is something else")]);
        }
        _ => {}
    }
    let problems: Vec<SqlProblem> = volatile_functions(plan)
        .into_iter()
        .map(|name| {
            let message = format!(
                "`{name}()` gives another value each time, so the table could not be built again: derive the value from columns"
            );
            let place = Place::of_word(sql, &name);
            let problem = place.map_or_else(|| SqlProblem::somewhere(&message), |place| place.problem(&message));
            SqlProblem { kind: ProblemKind::Unrepeatable, ..problem }
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// What is wrong with the output columns of a table's query.
pub(crate) fn output_problems(sql: &str, schema: &DFSchema) -> Vec<SqlProblem> {
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for field in schema.fields() {
        let name = field.name().as_str();
        let message = if !seen.insert(name) {
            format!("two output columns are called `{name}`: rename one with `as`")
        } else if is_system_column(name) {
            format!("the output column `{name}` begins with `_`, which is kept for system columns: rename it with `as`")
        } else if name.contains([' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '=']) {
            format!("the output column `{name}` needs a name: write `… as some_name`")
        } else {
            continue;
        };
        problems.push(match Place::of_word(sql, name) {
            Some(place) => place.problem(message),
            None => SqlProblem::somewhere(message),
        });
    }
    problems
}

/// The types in which the lake stores the columns of `schema`, in order.
pub(crate) fn stored_types(schema: &DFSchema) -> Result<Vec<DataType>, Vec<SqlProblem>> {
    if let Ok(stored) = baton_lake::delta_schema(schema.as_arrow()) {
        return Ok(stored.fields().iter().map(|field| field.data_type().clone()).collect());
    }
    let refused = schema.fields().iter().filter_map(|field| {
        let alone = Schema::new(vec![Arc::clone(field)]);
        baton_lake::delta_schema(&alone).err().map(|_| {
            let (name, kind) = (field.name(), field.data_type());
            SqlProblem::somewhere(format!("the column `{name}` is {kind}, which no table can store: cast it"))
        })
    });
    Err(refused.collect())
}

/// `plan` with plain output names and stored types.
pub(crate) fn stored_output(plan: LogicalPlan) -> Result<LogicalPlan, Vec<SqlProblem>> {
    let problems = output_problems("", plan.schema());
    if !problems.is_empty() {
        return Err(problems);
    }
    let types = stored_types(plan.schema())?;
    let expressions = plan.schema().iter().zip(types).map(|((qualifier, field), stored)| {
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        let value = if stored == *field.data_type() { column } else { cast(column, stored) };
        value.alias(field.name())
    });
    let expressions: Vec<Expr> = expressions.collect();
    let projection = Projection::try_new(expressions, Arc::new(plan));
    projection.map(LogicalPlan::Projection).map_err(|error| problems_of("", &error))
}

/// `plan` kept to rows whose `time_column` is inside `interval`.
pub(crate) fn within(
    plan: LogicalPlan,
    time_column: Option<&str>,
    interval: Interval,
) -> Result<LogicalPlan, EngineError> {
    let name = time_column.unwrap_or_default();
    let wrong = |reason: &str| EngineError::TimeColumn { column: name.to_owned(), reason: reason.to_owned() };
    let field =
        plan.schema().field_with_unqualified_name(name).map_err(|_| wrong("is not among the output columns"))?;
    let time = col(Column::new_unqualified(name));
    let (time, zone) = match field.data_type() {
        DataType::Timestamp(_, zone) => (time, zone.clone()),
        DataType::Date32 => (cast(time, DataType::Timestamp(TimeUnit::Microsecond, None)), None),
        _ => return Err(wrong("is neither a timestamp nor a date: cast it in the query")),
    };
    let instant = |micros| lit(ScalarValue::TimestampMicrosecond(Some(micros), zone.clone()));
    let inside = time.clone().gt_eq(instant(interval.start)).and(time.lt(instant(interval.end)));
    let failed = |error: DataFusionError| EngineError::Sql(problems_of("", &error));
    Ok(LogicalPlan::Filter(Filter::try_new(inside, Arc::new(plan)).map_err(failed)?))
}
