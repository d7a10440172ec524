//! Puts the full table behind the user's view of it, without what the logical clock does not know yet.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, TimeUnit};
use baton_core::Timestamp;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, ScalarValue};
use datafusion::datasource::{TableProvider, provider_as_source, source_as_provider};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection, TableScan, TableScanBuilder, cast, lit, when};

use super::walk::later;
use crate::AVAILABLE_AT;
use crate::table::{FilesTable, VisibleTable};

/// `plan` over the full tables; rows that became known after `as_of` do not exist.
pub(crate) fn bind(plan: LogicalPlan, as_of: Option<Timestamp>) -> Result<LogicalPlan> {
    let bound = plan.transform_up_with_subqueries(|node| match &node {
        LogicalPlan::TableScan(scan) => match full_table(scan)? {
            Some(full) => {
                let as_of = as_of.filter(|_| known_at_once(scan, full.as_ref(), as_of).is_none());
                Ok(Transformed::yes(bound_scan(scan, full, as_of, None)?))
            }
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

/// The one instant at which all rows of `full` became known, where its statistics say so and the clock has passed it:
/// rows of one delivery, or of a table without system columns (`Some(None)`: always).
pub(super) fn known_at_once(
    scan: &TableScan,
    full: &dyn TableProvider,
    as_of: Option<Timestamp>,
) -> Option<Option<i64>> {
    if !late_columns(scan, &full.schema()).is_empty() {
        return None;
    }
    if full.schema().column_with_name(AVAILABLE_AT).is_none() {
        return Some(None);
    }
    let known = full.downcast_ref::<FilesTable>()?.only_instant(AVAILABLE_AT)?;
    as_of.is_none_or(|as_of| known <= as_of.timestamp_micros()).then_some(Some(known))
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
    let full_columns = full.schema();
    let source = provider_as_source(full);
    let mut plan = LogicalPlan::TableScan(TableScanBuilder::new(scan.table_name.clone(), source).build()?);
    if let (Some(as_of), true) = (as_of, has_known) {
        let limit = lit(instant(Some(as_of.timestamp_micros())));
        let visible = known.clone().is_null().or(as_instant(known.clone()).lt_eq(limit));
        plan = LogicalPlan::Filter(Filter::try_new(visible, Arc::new(plan))?);
    }
    let late = late_columns(scan, &full_columns);
    let mut columns: Vec<Expr> = scan
        .projected_schema
        .columns()
        .into_iter()
        .map(|column| match (as_of, late.iter().find(|(name, _)| *name == column.name)) {
            (Some(as_of), Some((_, since))) => value_as_known(column, since.clone(), as_of),
            _ => Ok(Expr::Column(column)),
        })
        .collect::<Result<_>>()?;
    if let Some(name) = known_as {
        let row = if has_known { as_instant(known) } else { lit(instant(None)) };
        let values = late.into_iter().map(|(_, since)| since);
        columns.push(later([row].into_iter().chain(values).collect()).alias(name));
    }
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(plan))?))
}

/// Of the scan's columns those whose value became known later than their row, with when: the column `_x_available_at`
/// says so of column `x`.
fn late_columns(scan: &TableScan, full: &Schema) -> Vec<(String, Expr)> {
    let names = scan.projected_schema.columns().into_iter().map(|column| column.name);
    let since = |name: String| {
        let known = format!("_{name}{AVAILABLE_AT}");
        full.column_with_name(&known)?;
        Some((name, as_instant(Expr::Column(Column::new(Some(scan.table_name.clone()), known)))))
    };
    names.filter_map(since).collect()
}

/// The column, null where its value is not known yet.
fn value_as_known(column: Column, since: Expr, as_of: Timestamp) -> Result<Expr> {
    let limit = lit(instant(Some(as_of.timestamp_micros())));
    let (table, name) = (column.relation.clone(), column.name.clone());
    let is_known = since.clone().is_null().or(since.lt_eq(limit));
    Ok(when(is_known, Expr::Column(column)).end()?.alias_qualified(table, name))
}

/// A point in time as a literal; `None` is null: always known.
pub(super) fn instant(micros: Option<i64>) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(micros, Some("UTC".into()))
}

fn as_instant(expression: Expr) -> Expr {
    cast(expression, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
}
