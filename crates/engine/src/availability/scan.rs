//! Puts the full table behind the user's view of it, without what the logical clock does not know yet.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use baton_core::Timestamp;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::datasource::{TableProvider, provider_as_source, source_as_provider};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection, TableScan, TableScanBuilder, cast, lit};

use crate::AVAILABLE_AT;
use crate::table::VisibleTable;

/// `plan` over the full tables; rows that became known after `as_of` do not exist.
pub(crate) fn bind(plan: LogicalPlan, as_of: Option<Timestamp>) -> Result<LogicalPlan> {
    let bound = plan.transform_up_with_subqueries(|node| match &node {
        LogicalPlan::TableScan(scan) => match full_table(scan)? {
            Some(full) => Ok(Transformed::yes(bound_scan(scan, full, as_of, None)?)),
            None => Ok(Transformed::no(node)),
        },
        _ => Ok(Transformed::no(node)),
    })?;
    Ok(bound.data)
}

/// The table with system columns behind a scan of a planning table.
pub(super) fn full_table(scan: &TableScan) -> Result<Option<Arc<dyn TableProvider>>> {
    let provider = source_as_provider(&scan.source)?;
    Ok(provider.downcast_ref::<VisibleTable>().map(|table| Arc::clone(table.full())))
}

/// The scan's columns from `full`; with `known_as`, also when each row became known, under that name.
pub(super) fn bound_scan(
    scan: &TableScan,
    full: Arc<dyn TableProvider>,
    as_of: Option<Timestamp>,
    known_as: Option<&str>,
) -> Result<LogicalPlan> {
    let has_known = full.schema().column_with_name(AVAILABLE_AT).is_some();
    let known = Expr::Column(Column::new(Some(scan.table_name.clone()), AVAILABLE_AT));
    let source = provider_as_source(full);
    let mut plan = LogicalPlan::TableScan(TableScanBuilder::new(scan.table_name.clone(), source).build()?);
    if let (Some(as_of), true) = (as_of, has_known) {
        let limit = lit(instant(Some(as_of.timestamp_micros())));
        let visible = known.clone().is_null().or(as_instant(known.clone()).lt_eq(limit));
        plan = LogicalPlan::Filter(Filter::try_new(visible, Arc::new(plan))?);
    }
    let mut columns: Vec<Expr> = scan.projected_schema.columns().into_iter().map(Expr::Column).collect();
    if let Some(name) = known_as {
        let value = if has_known { as_instant(known) } else { lit(instant(None)) };
        columns.push(value.alias(name));
    }
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}

/// A point in time as a literal; `None` is null: always known.
pub(super) fn instant(micros: Option<i64>) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(micros, Some("UTC".into()))
}

fn as_instant(expression: Expr) -> Expr {
    cast(expression, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
}
