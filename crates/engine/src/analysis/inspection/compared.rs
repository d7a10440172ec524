//! Text that is compared with a number or a time: valid SQL, and each row's text is read as what stands on the other side,
//! so that the query fails at the first one that cannot be.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};

use crate::sql::Place;

/// A comparison that reads text as something else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextComparison {
    /// Line of the text in the query, from 1.
    pub line: usize,
    /// Column in the line, from 1.
    pub column: usize,
    /// Characters covered.
    pub length: usize,
    /// The text, as the query writes it.
    pub text: String,
    /// What it is compared with.
    pub other: String,
    /// What it is read as: `number`, `date` or `time`.
    pub read_as: &'static str,
}

/// All of them in the plan of `sql`, in the order of the text, one for each text that is compared.
pub(super) fn text_comparisons(plan: &LogicalPlan, sql: &str) -> Vec<TextComparison> {
    let mut found = Vec::new();
    let _ = plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        if let LogicalPlan::Join(join) = node {
            found.extend(join.on.iter().filter_map(|(left, right)| comparison(left, right, &schema, sql)));
        }
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                found.extend(compared(part).iter().filter_map(|(left, right)| comparison(left, right, &schema, sql)));
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    found.sort();
    // One of a list of values is enough to say it.
    found.dedup_by(|next, first| (next.line, next.column, &next.text) == (first.line, first.column, &first.text));
    found
}

/// The pairs of values that an expression compares.
fn compared(expression: &Expr) -> Vec<(&Expr, &Expr)> {
    match expression {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_comparison(*op) => vec![(left, right)],
        Expr::Between(Between { expr, low, high, .. }) => vec![(expr, low), (expr, high)],
        Expr::InList(InList { expr, list, .. }) => list.iter().map(|value| (&**expr, value)).collect(),
        _ => Vec::new(),
    }
}

fn is_comparison(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn comparison(left: &Expr, right: &Expr, schema: &DFSchema, sql: &str) -> Option<TextComparison> {
    let (text, other) = [(left, right), (right, left)].into_iter().find(|(text, _)| is_text(text, schema))?;
    let read_as = match other.get_type(schema).ok()? {
        kind if kind.is_numeric() => "number",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Timestamp(..) => "time",
        _ => return None,
    };
    let place = text.column_refs().into_iter().min().and_then(|column| place_of(sql, column));
    let (line, column, length) = place.map_or((1, 1, 1), Place::parts);
    Some(TextComparison { line, column, length, text: shown(text), other: shown(other), read_as })
}

/// Whether a value is text that differs from row to row; a literal is read once, while the query is planned.
fn is_text(expression: &Expr, schema: &DFSchema) -> bool {
    let is_text = |kind: DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    !expression.column_refs().is_empty() && expression.get_type(schema).is_ok_and(is_text)
}

fn place_of(sql: &str, column: &Column) -> Option<Place> {
    let span = column.spans().first().map(|span| Place::of_span(sql, &span));
    span.or_else(|| Place::of_word(sql, &column.name))
}

/// An expression in the words of SQL, without the table before a column.
fn shown(expression: &Expr) -> String {
    match expression {
        Expr::Column(column) => column.name.clone(),
        Expr::Literal(value, _) => value.to_string(),
        other => other.human_display().to_string(),
    }
}
