//! Of the parts of a filter those that are cheap to tell are looked at first.
//!
//! A part that follows parts which let few rows through looks at those few only. Dates and numbers are compared at a
//! fraction of the cost of texts, and texts at a fraction of that of patterns. Parts that can fail, such as a division, keep
//! their place, and all parts beside them: somebody may have put a condition before them that keeps them from failing.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode as _};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal, NotExpr,
};
use datafusion::physical_expr::{PhysicalExpr, conjunction, split_conjunction};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};

/// What it costs to compare two numbers is 1; the others are about so many times as much.
const TEXT: usize = 4;
const TEXTS: usize = 8;
const PATTERN: usize = 32;

const COMPARISONS: [Operator; 8] = [
    Operator::Eq,
    Operator::NotEq,
    Operator::Lt,
    Operator::LtEq,
    Operator::Gt,
    Operator::GtEq,
    Operator::IsDistinctFrom,
    Operator::IsNotDistinctFrom,
];

/// Puts the parts of each filter in the order of their cost.
#[derive(Debug)]
pub(crate) struct CheapestFirst;

impl PhysicalOptimizerRule for CheapestFirst {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let ordered = plan.transform_up(|plan| {
            let filter = plan.downcast_ref::<FilterExec>();
            let predicate =
                filter.and_then(|filter| cheapest_first(filter.predicate(), filter.input().schema().as_ref()));
            Ok(match (filter, predicate) {
                (Some(filter), Some(predicate)) => {
                    let filter = FilterExecBuilder::from(filter).with_predicate(predicate).build()?;
                    Transformed::yes(Arc::new(filter) as Arc<dyn ExecutionPlan>)
                }
                _ => Transformed::no(plan),
            })
        });
        ordered.map(|ordered| ordered.data)
    }

    fn name(&self) -> &'static str {
        "cheapest_first"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The parts in the order of their cost; `None` when one may fail, or when they are in that order.
fn cheapest_first(predicate: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<Arc<dyn PhysicalExpr>> {
    let parts = split_conjunction(predicate).into_iter().map(|part| Some((cost(part, schema)?, Arc::clone(part))));
    let mut parts: Vec<_> = parts.collect::<Option<_>>()?;
    if parts.is_sorted_by_key(|(cost, _)| *cost) {
        return None;
    }
    parts.sort_by_key(|(cost, _)| *cost);
    Some(conjunction(parts.into_iter().map(|(_, part)| part)))
}

/// What it costs to look at a row; `None` for what may fail, or is not known.
fn cost(part: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Option<usize> {
    if let Some(both) = part.downcast_ref::<BinaryExpr>() {
        return match both.op() {
            Operator::And | Operator::Or => Some(cost(both.left(), schema)? + cost(both.right(), schema)?),
            op if COMPARISONS.contains(op) => {
                let compared = is_value(both.left()) && is_value(both.right());
                compared.then(|| if is_number(both.left(), schema) { 1 } else { TEXT })
            }
            _ => None,
        };
    }
    if let Some(list) = part.downcast_ref::<InListExpr>() {
        let compared = is_value(list.expr()) && list.list().iter().all(is_value);
        return compared.then(|| if is_number(list.expr(), schema) { 2 } else { TEXTS });
    }
    if let Some(like) = part.downcast_ref::<LikeExpr>() {
        return (is_value(like.expr()) && like.pattern().is::<Literal>()).then_some(PATTERN);
    }
    if let Some(not) = part.downcast_ref::<NotExpr>() {
        return cost(not.arg(), schema);
    }
    let null = part.downcast_ref::<IsNullExpr>().map(IsNullExpr::arg);
    let of = null.or_else(|| part.downcast_ref::<IsNotNullExpr>().map(IsNotNullExpr::arg)).unwrap_or(part);
    is_value(of).then_some(0)
}

/// Whether it is there without being computed.
fn is_value(expression: &Arc<dyn PhysicalExpr>) -> bool {
    expression.is::<Column>() || expression.is::<Literal>()
}

fn is_number(expression: &Arc<dyn PhysicalExpr>, schema: &Schema) -> bool {
    expression.data_type(schema).is_ok_and(|data_type| data_type.is_primitive())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::{AsArray as _, RecordBatch};

    use crate::{Engine, EngineOptions, SessionInput, TableInput};

    /// The filter of the plan of a query over `t(n int, d date, s text)`.
    fn filter(condition: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let options = EngineOptions { memory_limit_bytes: 1 << 26, spill_dir: folder.path().to_owned(), threads: 1 };
        let engine = Engine::new(options).unwrap();
        let values = "select * from (values (1, date '2026-01-01', 'a'), (2, null, null)) as t(n, d, s)";
        let empty = engine.session(SessionInput::default()).unwrap();
        let (schema, batches): (_, Vec<RecordBatch>) = runtime.block_on(empty.query(values)).unwrap();
        let tables = BTreeMap::from([("t".to_owned(), TableInput::Batches { schema, batches })]);
        let session = engine.session(SessionInput { tables, as_of: None }).unwrap();
        let explain = format!("explain select n from t where {condition}");
        let (_, rows) = runtime.block_on(session.query(&explain)).unwrap();
        let plan = rows.iter().flat_map(|rows| rows.column(1).as_string::<i32>().iter().flatten()).last().unwrap();
        let filter = plan.lines().find_map(|line| line.trim().strip_prefix("FilterExec: ")).unwrap().to_owned();
        filter.split(", projection").next().unwrap().to_owned()
    }

    #[test]
    fn patterns_come_after_texts_and_texts_after_numbers() {
        let found = filter(
            "s like '%a%b%' and s in ('a', 'b', 'c', 'd', 'e') and s <> 'x' and n > 0 and d > date '2025-01-01'",
        );
        let places = ["n@", "s@2 !=", "IN (", "LIKE"].map(|part| found.find(part).unwrap());
        assert!(places.is_sorted(), "{found}");
    }

    #[test]
    fn what_may_fail_keeps_its_place() {
        let found = filter("s <> 'x' and 10 / n > 1 and n > 0");
        let places = ["s@", "/", "n@0 > 0"].map(|part| found.find(part).unwrap());
        assert!(places.is_sorted(), "{found}");
    }
}
