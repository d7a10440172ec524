//! Which plans give the same rows each time: functions that change from run to run, and plans whose values depend
//! on the order in which rows arrive (these run in one thread, where the order is fixed).

mod ties;

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan, Volatility};

pub(crate) use ties::break_ties;

/// Names of functions in `plan` whose value changes from call to call (`random`, `uuid`).
pub(crate) fn volatile_functions(plan: &LogicalPlan) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    visit_expressions(plan, &mut |_, expression| {
        if let Expr::ScalarFunction(call) = expression
            && call.func.signature().volatility == Volatility::Volatile
        {
            names.insert(call.name().to_owned());
        }
    });
    names
}

/// Whether `plan` asks for the clock: `now()`, `current_date` and their like.
pub(crate) fn reads_clock(plan: &LogicalPlan) -> bool {
    let mut reads = false;
    visit_expressions(plan, &mut |_, expression| {
        reads |=
            matches!(expression, Expr::ScalarFunction(call) if call.func.signature().volatility == Volatility::Stable);
    });
    reads
}

/// Whether values or rows depend on the order of arrival: sums of floating-point numbers, `array_agg` and its like,
/// window functions and limits whose ties are not broken.
pub(crate) fn depends_on_order(plan: &LogicalPlan) -> bool {
    let mut depends = false;
    let _ = plan.apply_with_subqueries(|node| {
        depends |= match node {
            LogicalPlan::Window(_) | LogicalPlan::Distinct(Distinct::On(_)) => true,
            LogicalPlan::Limit(limit) => !ties::are_broken(&limit.input),
            _ => false,
        };
        Ok(TreeNodeRecursion::Continue)
    });
    visit_expressions(plan, &mut |node, expression| {
        depends |= matches!(expression, Expr::AggregateFunction(call) if !is_order_free(call, node));
    });
    depends
}

/// Aggregates that give the same bits in any order of their input.
fn is_order_free(call: &AggregateFunction, node: &LogicalPlan) -> bool {
    let arguments_are = |wanted: fn(&DataType) -> bool| {
        let has_type =
            |argument: &Expr, input: &LogicalPlan| argument.get_type(input.schema()).is_ok_and(|found| wanted(&found));
        call.params.args.iter().all(|argument| node.inputs().iter().all(|input| has_type(argument, input)))
    };
    match call.func.name() {
        "count" | "min" | "max" | "bool_and" | "bool_or" | "bit_and" | "bit_or" | "bit_xor" | "approx_distinct"
        | "grouping" | "median" => true,
        "sum" => arguments_are(|found| found.is_integer() || found.is_decimal()),
        // An exact sum, divided once at the end. Of whole numbers, the average is computed in floating point.
        "avg" => arguments_are(DataType::is_decimal),
        _ => false,
    }
}

fn visit_expressions(plan: &LogicalPlan, visit: &mut impl FnMut(&LogicalPlan, &Expr)) {
    let _ = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                visit(node, part);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
}
