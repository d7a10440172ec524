//! Window functions: a row waits for every row that its functions look at.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::common::{Column, Result};
use datafusion::functions_aggregate::min_max::max_udaf;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Expr, LogicalPlan, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
};

use super::walk::{Step, Stop, Tracked, Walk, later, stop};

/// A window node that also finds the last instant over what each function looks at.
pub(super) fn track(walk: &mut Walk, node: Window) -> Step {
    let columns: Vec<Expr> = node.schema.columns().into_iter().map(Expr::Column).collect();
    let input = walk.step(Arc::unwrap_or_clone(node.input))?;
    if input.known.is_constant() {
        let window = Window::try_new(node.window_expr, Arc::new(input.plan))?;
        return Ok(Tracked { plan: LogicalPlan::Window(window), known: input.known });
    }
    let mut spans: Vec<WindowFunctionParams> = Vec::new();
    for expression in &node.window_expr {
        let span = looked_at(expression, &input)?;
        if !spans.contains(&span) {
            spans.push(span);
        }
    }
    let mut expressions = node.window_expr;
    let mut instants = vec![input.known()];
    for span in spans {
        let name = walk.fresh("last");
        expressions.push(last_instant(span).alias(&name));
        instants.push(Expr::Column(Column::new_unqualified(name)));
    }
    let window = Window::try_new(expressions, Arc::new(input.plan))?;
    walk.with_known(columns, later(instants), LogicalPlan::Window(window))
}

/// `input` with the last instant of all its rows under `name`.
pub(super) fn with_last_of_all(input: &Tracked, name: &str) -> Result<LogicalPlan> {
    let span = WindowFunctionParams {
        args: vec![input.known()],
        partition_by: Vec::new(),
        order_by: Vec::new(),
        window_frame: everything(),
        filter: None,
        null_treatment: None,
        distinct: false,
    };
    let window = Window::try_new(vec![last_instant(span).alias(name)], Arc::new(input.plan.clone()))?;
    Ok(LogicalPlan::Window(window))
}

fn last_instant(params: WindowFunctionParams) -> Expr {
    Expr::from(WindowFunction { fun: WindowFunctionDefinition::AggregateUDF(max_udaf()), params })
}

/// The window over which the last instant must be taken for `expression`.
fn looked_at(expression: &Expr, input: &Tracked) -> Result<WindowFunctionParams, Stop> {
    let call = match expression {
        Expr::Alias(alias) => return looked_at(&alias.expr, input),
        Expr::WindowFunction(call) => call,
        _ => return Err(stop("a window expression of this form", "compute it in a subquery")),
    };
    let params = &call.params;
    let window_frame = match &call.fun {
        WindowFunctionDefinition::AggregateUDF(_) => params.window_frame.clone(),
        WindowFunctionDefinition::WindowUDF(function) => match function.name() {
            "first_value" | "last_value" | "nth_value" => params.window_frame.clone(),
            "row_number" | "rank" | "dense_rank" => up_to_current(params),
            "lag" if looks_back(params) => up_to_current(params),
            _ => everything(),
        },
    };
    Ok(WindowFunctionParams {
        args: vec![input.known()],
        partition_by: params.partition_by.clone(),
        order_by: params.order_by.clone(),
        window_frame,
        filter: None,
        null_treatment: None,
        distinct: false,
    })
}

/// `lag` with a negative offset looks ahead.
fn looks_back(params: &WindowFunctionParams) -> bool {
    match params.args.get(1) {
        None => true,
        Some(Expr::Literal(ScalarValue::Int64(Some(offset)), _)) => *offset >= 0,
        Some(_) => false,
    }
}

/// From the first row of the partition to the current one and its peers.
fn up_to_current(params: &WindowFunctionParams) -> WindowFrame {
    if params.order_by.is_empty() { everything() } else { WindowFrame::new(Some(false)) }
}

/// The whole partition.
fn everything() -> WindowFrame {
    WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
        WindowFrameBound::Following(ScalarValue::UInt64(None)),
    )
}
