//! Rows that a join further up will not match are dropped where they are read.
//!
//! A hash join knows the keys of its one side before it asks for the other. DataFusion carries that knowledge to the scans
//! below, which use it to skip files and row groups; [`Sieve`] lets it drop rows, too, wherever work lies between a scan
//! and the join: other joins, aggregates. A filter that drops little is given up after some batches, so it costs little
//! where it is of no use. It never decides a result: the join itself still looks at every row.

mod exec;

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::config::ConfigOptions;
use datafusion::datasource::physical_plan::{FileSource as _, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_expr::utils::{collect_columns, reassign_expr_columns};
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::{ExecutionPlan, replace_children_if_necessary};

use exec::SieveExec;

/// Puts [`SieveExec`] above scans, after all other rules.
#[derive(Debug)]
pub(crate) struct Sieve;

/// The names of columns that a join looks up by itself in rows that come straight from a scan.
type OwnKeys = BTreeSet<String>;

impl PhysicalOptimizerRule for Sieve {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        sieved(plan, &OwnKeys::new())
    }

    fn name(&self) -> &'static str {
        "sieve"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn sieved(plan: Arc<dyn ExecutionPlan>, own: &OwnKeys) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(filters) = filters_of_scan(&plan, own) {
        return above(plan, filters);
    }
    let passed_on = |place: usize| match plan.downcast_ref::<HashJoinExec>() {
        Some(join) if place == 1 => names_of(join.on().iter().map(|(_, right)| right)),
        _ if plan.is::<FilterExec>() || plan.is::<ProjectionExec>() || plan.is::<RepartitionExec>() => own.clone(),
        _ => OwnKeys::new(),
    };
    let children = plan.children().into_iter().enumerate();
    let children =
        children.map(|(place, child)| sieved(Arc::clone(child), &passed_on(place))).collect::<Result<_>>()?;
    replace_children_if_necessary(plan, children)
}

/// What joins further up let through of a scan, or of a filter over it, without the join that reads it at once.
fn filters_of_scan(plan: &Arc<dyn ExecutionPlan>, own: &OwnKeys) -> Option<Vec<Arc<dyn PhysicalExpr>>> {
    let scan = match plan.downcast_ref::<FilterExec>() {
        Some(filter) => filter.input(),
        None => plan,
    };
    let (_, source) = scan.downcast_ref::<DataSourceExec>()?.downcast_to_file_source::<ParquetSource>()?;
    let predicate = source.filter()?;
    let is_of_use = |part: &Arc<dyn PhysicalExpr>| {
        part.is::<DynamicFilterPhysicalExpr>() && names_of(std::iter::once(part)) != *own
    };
    let filters: Vec<_> = split_conjunction(&predicate).into_iter().filter(|part| is_of_use(part)).cloned().collect();
    (!filters.is_empty()).then_some(filters)
}

/// Those of `filters` whose columns `plan` yields, above it.
fn above(plan: Arc<dyn ExecutionPlan>, filters: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = plan.schema();
    let filters: Vec<_> =
        filters.into_iter().filter_map(|filter| reassign_expr_columns(filter, &schema).ok()).collect();
    Ok(if filters.is_empty() { plan } else { Arc::new(SieveExec::new(plan, filters)) })
}

fn names_of<'e>(expressions: impl Iterator<Item = &'e Arc<dyn PhysicalExpr>>) -> OwnKeys {
    expressions.flat_map(collect_columns).map(|column| column.name().to_owned()).collect()
}
