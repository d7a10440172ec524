//! Grouping and windows: what they make of keys and nulls, and which sums count a multiplied row again.

use std::collections::BTreeSet;

use datafusion::common::DFSchema;
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, Window, WindowFunctionDefinition};

use super::Inspector;
use super::expression::{column_index, columns_of};
use super::node::{ColumnFacts, Node};

/// Aggregates whose value changes when a row comes twice.
const ADDING: &[&str] = &["sum", "avg", "stddev", "stddev_pop", "var", "var_pop", "median", "approx_median"];

impl Inspector<'_> {
    pub(super) fn aggregate(&mut self, node: &Aggregate, input: Node) -> Node {
        let schema = node.input.schema();
        self.note_counted_again(node, schema, &input);
        let has_sets = node.group_expr.iter().any(|group| matches!(group, Expr::GroupingSet(_)));
        let mut output = Node::unknown(node.schema.fields().len());
        if has_sets {
            return output;
        }
        let groups: Vec<Option<usize>> = node.group_expr.iter().map(|group| column_index(group, schema)).collect();
        let grouped: BTreeSet<usize> = groups.iter().flatten().copied().collect();
        let is_one_row_a_group = input.is_unique_by(&grouped);
        let facts = node.group_expr.iter().map(|group| self.column(group, schema, &input)).collect::<Vec<_>>();
        let values =
            node.aggr_expr.iter().map(|value| self.aggregated(value, schema, &input, is_one_row_a_group, node));
        output.columns = facts.into_iter().chain(values).collect();
        let (keys, _) = input.moved(|index| groups.iter().position(|group| *group == Some(index)));
        keys.into_iter().for_each(|key| output.add_key(key));
        output.add_key((0..node.group_expr.len()).collect());
        output
    }

    fn aggregated(
        &mut self,
        value: &Expr,
        schema: &DFSchema,
        input: &Node,
        is_one_row_a_group: bool,
        node: &Aggregate,
    ) -> ColumnFacts {
        let Some(call) = call_of(value) else { return ColumnFacts::default() };
        let mut facts = ColumnFacts::default();
        if is_one_row_a_group {
            facts.same_row = self.column(value, schema, input).same_row;
        }
        if node.group_expr.is_empty() && !matches!(call.func.name(), "count" | "approx_distinct" | "array_agg") {
            facts.nulls.insert(self.cause(format!("`{}` over no rows is null", call.func.name())));
        }
        facts
    }

    /// Notes sums over a side of a join whose rows the other side multiplied.
    fn note_counted_again(&mut self, node: &Aggregate, schema: &DFSchema, input: &Node) {
        for value in &node.aggr_expr {
            let Some(call) = call_of(value).filter(|call| ADDING.contains(&call.func.name()) && !call.params.distinct)
            else {
                continue;
            };
            let read: BTreeSet<usize> =
                call.params.args.iter().flat_map(|argument| columns_of(argument, schema)).collect();
            let fan = input.fans.iter().find(|fan| !read.is_empty() && read.is_subset(&fan.own));
            if let Some(fan) = fan {
                let arguments: Vec<String> =
                    call.params.args.iter().map(|argument| argument.human_display().to_string()).collect();
                self.counted_again.push((format!("{}({})", call.func.name(), arguments.join(", ")), fan.join));
            }
        }
    }

    pub(super) fn window(&mut self, node: &Window, mut input: Node) -> Node {
        let schema = node.input.schema();
        for expression in &node.window_expr {
            let mut facts = ColumnFacts::default();
            let inner = match expression {
                Expr::Alias(alias) => &alias.expr,
                other => other,
            };
            if let Expr::WindowFunction(call) = inner
                && let WindowFunctionDefinition::WindowUDF(function) = &call.fun
            {
                let name = function.name();
                let within = call.params.partition_by.iter().map(|part| column_index(part, schema));
                facts.numbered_within = if name == "row_number" { within.collect() } else { None };
                if matches!(name, "lag" | "lead") && call.params.args.len() < 3 {
                    let end = if name == "lag" { "first" } else { "last" };
                    facts.nulls.insert(self.cause(format!("`{name}` has nothing for the {end} row")));
                }
            }
            input.columns.push(facts);
        }
        input
    }
}

fn call_of(value: &Expr) -> Option<&AggregateFunction> {
    match value {
        Expr::AggregateFunction(call) => Some(call),
        Expr::Alias(alias) => call_of(&alias.expr),
        _ => None,
    }
}
