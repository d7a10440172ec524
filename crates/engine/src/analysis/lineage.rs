//! Lineage from a plan, bottom-up: each node's columns and rows as sets of the tables' columns.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType};
use datafusion::logical_expr::{Distinct, Expr, Join, LogicalPlan, Union, Unnest, Window};

use super::TableColumn;

type Sources = BTreeSet<TableColumn>;

/// The lineage of one node.
#[derive(Debug, Clone, Default)]
pub(super) struct Lineage {
    /// For each output column, what it is computed from.
    pub(super) columns: Vec<Sources>,
    /// What decides which rows there are.
    pub(super) rows: Sources,
    /// What decides their order, which counts only below a limit.
    order: Sources,
}

/// The lineage of `plan`'s output.
pub(super) fn of(plan: &LogicalPlan) -> Lineage {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let table = scan.table_name.table().to_owned();
            let column = |name: &String| Sources::from([(table.clone(), name.clone())]);
            let columns = scan.projected_schema.fields().iter().map(|field| column(field.name())).collect();
            Lineage { columns, ..Lineage::default() }
        }
        LogicalPlan::Projection(node) => over(&node.input, |input, schema| Lineage {
            columns: node.expr.iter().map(|expression| sources(expression, schema, &input)).collect(),
            ..input
        }),
        LogicalPlan::Filter(node) => over(&node.input, |mut input, schema| {
            let decides = sources(&node.predicate, schema, &input);
            input.rows.extend(decides);
            input
        }),
        LogicalPlan::Sort(node) => over(&node.input, |mut input, schema| {
            input.order = node.expr.iter().flat_map(|key| sources(&key.expr, schema, &input)).collect();
            if node.fetch.is_some() {
                input.rows.extend(input.order.clone());
            }
            input
        }),
        LogicalPlan::Limit(node) => over(&node.input, |mut input, _| {
            input.rows.extend(input.order.clone());
            input
        }),
        LogicalPlan::Aggregate(node) => over(&node.input, |mut input, schema| {
            let keys: Vec<Sources> = group_keys(&node.group_expr).map(|key| sources(key, schema, &input)).collect();
            let values = node.aggr_expr.iter().map(|value| sources(value, schema, &input));
            let mut columns: Vec<Sources> = keys.iter().cloned().chain(values).collect();
            let all: Sources = keys.into_iter().flatten().collect();
            if let Some(missing) = node.schema.fields().len().checked_sub(columns.len()) {
                let grouping_id = columns.len() - node.aggr_expr.len();
                columns.splice(grouping_id..grouping_id, vec![all.clone(); missing]);
            }
            input.rows.extend(all);
            Lineage { columns, rows: input.rows, order: Sources::new() }
        }),
        LogicalPlan::Window(node) => window(node),
        LogicalPlan::Join(node) => join(node),
        LogicalPlan::Union(node) => union(node),
        LogicalPlan::Unnest(node) => unnest(node),
        LogicalPlan::SubqueryAlias(node) => of(&node.input),
        LogicalPlan::Subquery(node) => of(&node.subquery),
        LogicalPlan::Distinct(Distinct::All(input)) => over(input, |mut input, _| {
            input.rows.extend(input.columns.iter().flatten().cloned().collect::<Vec<_>>());
            input
        }),
        other => everything(other),
    }
}

fn over(input: &LogicalPlan, then: impl FnOnce(Lineage, &DFSchema) -> Lineage) -> Lineage {
    then(of(input), input.schema())
}

fn group_keys(expressions: &[Expr]) -> impl Iterator<Item = &Expr> {
    expressions.iter().flat_map(|expression| match expression {
        Expr::GroupingSet(set) => set.distinct_expr(),
        other => vec![other],
    })
}

fn window(node: &Window) -> Lineage {
    over(&node.input, |mut input, schema| {
        let added: Vec<Sources> = node.window_expr.iter().map(|call| sources(call, schema, &input)).collect();
        input.columns.extend(added);
        input
    })
}

fn join(node: &Join) -> Lineage {
    let (left, right) = (of(&node.left), of(&node.right));
    let mut rows: Sources = left.rows.iter().chain(&right.rows).cloned().collect();
    for (left_key, right_key) in &node.on {
        rows.extend(sources(left_key, node.left.schema(), &left));
        rows.extend(sources(right_key, node.right.schema(), &right));
    }
    let both = Lineage { columns: left.columns.iter().chain(&right.columns).cloned().collect(), ..Lineage::default() };
    if let Some(filter) = &node.filter
        && let Ok(schema) = node.left.schema().join(node.right.schema())
    {
        rows.extend(sources(filter, &schema, &both));
    }
    let columns = match node.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti => left.columns,
        JoinType::RightSemi | JoinType::RightAnti => right.columns,
        JoinType::LeftMark => left.columns.into_iter().chain([rows.clone()]).collect(),
        JoinType::RightMark => right.columns.into_iter().chain([rows.clone()]).collect(),
        _ => both.columns,
    };
    Lineage { columns, rows, order: Sources::new() }
}

fn union(node: &Union) -> Lineage {
    let mut all = Lineage { columns: vec![Sources::new(); node.schema.fields().len()], ..Lineage::default() };
    for input in &node.inputs {
        let lineage = of(input);
        all.rows.extend(lineage.rows);
        for (column, sources) in all.columns.iter_mut().zip(lineage.columns) {
            column.extend(sources);
        }
    }
    all
}

fn unnest(node: &Unnest) -> Lineage {
    let input = of(&node.input);
    let column = |index: &usize| input.columns.get(*index).cloned().unwrap_or_default();
    let columns = node.dependency_indices.iter().map(column).collect();
    let unnested = node.list_type_columns.iter().flat_map(|(index, _)| column(index));
    let rows = input.rows.iter().cloned().chain(unnested).collect();
    Lineage { columns, rows, order: Sources::new() }
}

/// For nodes that say nothing of their columns: every column may come from every input.
fn everything(plan: &LogicalPlan) -> Lineage {
    let mut all = Sources::new();
    for input in plan.inputs() {
        let lineage = of(input);
        all.extend(lineage.columns.into_iter().flatten().chain(lineage.rows));
    }
    Lineage { columns: vec![all.clone(); plan.schema().fields().len()], rows: all, order: Sources::new() }
}

/// What `expression` is computed from, over a node with `schema` and lineage `input`.
fn sources(expression: &Expr, schema: &DFSchema, input: &Lineage) -> Sources {
    let mut found = Sources::new();
    let _ = expression.apply(|part| {
        match part {
            Expr::Column(column) | Expr::OuterReferenceColumn(_, column) => {
                found.extend(
                    position(schema, column).and_then(|index| input.columns.get(index)).into_iter().flatten().cloned(),
                );
            }
            Expr::ScalarSubquery(subquery) => found.extend(all_of(&subquery.subquery)),
            Expr::Exists(exists) => found.extend(all_of(&exists.subquery.subquery)),
            Expr::InSubquery(within) => found.extend(all_of(&within.subquery.subquery)),
            Expr::SetComparison(comparison) => found.extend(all_of(&comparison.subquery.subquery)),
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

fn position(schema: &DFSchema, column: &Column) -> Option<usize> {
    schema.maybe_index_of_column(column)
}

fn all_of(subquery: &LogicalPlan) -> Sources {
    let lineage = of(subquery);
    lineage.columns.into_iter().flatten().chain(lineage.rows).collect()
}
