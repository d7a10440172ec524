//! One way to write what can be written in several: `b < a` for `a > b`, operands of `=`, `and`, `+` in one order.
//!
//! Only rewrites that give the same bits on every row; sums of more than two terms are not regrouped, because floating
//! point would tell.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

/// `expression` in its one form.
pub(super) fn canonical(expression: Expr) -> Expr {
    let kept = expression.clone();
    expression.transform_up(|part| Ok(Transformed::yes(one_form(part)))).map_or(kept, |found| found.data)
}

fn one_form(part: Expr) -> Expr {
    match part {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => binary(*left, op, *right),
        Expr::Between(between) if !between.negated => {
            let least = binary((*between.expr).clone(), Operator::GtEq, *between.low);
            binary(least, Operator::And, binary(*between.expr, Operator::LtEq, *between.high))
        }
        Expr::InList(InList { expr, mut list, negated }) => match (list.len(), list.pop()) {
            (1, Some(only)) => binary(*expr, if negated { Operator::NotEq } else { Operator::Eq }, only),
            (_, last) => {
                let list = list.into_iter().chain(last);
                Expr::InList(InList { expr, list: in_order(list), negated })
            }
        },
        other => other,
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    let (left, op, right) = match op {
        Operator::Gt => (right, Operator::Lt, left),
        Operator::GtEq => (right, Operator::LtEq, left),
        op => (left, op, right),
    };
    match op {
        Operator::And | Operator::Or => chain(left, op, right),
        op if is_symmetric(op) && right.to_string() < left.to_string() => plain(right, op, left),
        op => plain(left, op, right),
    }
}

/// Whether the operands can change places on every type that has the operator.
fn is_symmetric(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
            | Operator::Plus
            | Operator::Multiply
            | Operator::BitwiseAnd
            | Operator::BitwiseOr
            | Operator::BitwiseXor
    )
}

/// All operands of a chain of `and` or of `or`, in order and once.
fn chain(left: Expr, op: Operator, right: Expr) -> Expr {
    let mut operands = Vec::new();
    flatten(left, op, &mut operands);
    flatten(right, op, &mut operands);
    let mut ordered = in_order(operands).into_iter();
    let Some(first) = ordered.next() else { return Expr::default() };
    ordered.fold(first, |chain, operand| plain(chain, op, operand))
}

fn flatten(expression: Expr, op: Operator, into: &mut Vec<Expr>) {
    match expression {
        Expr::BinaryExpr(BinaryExpr { left, op: inner, right }) if inner == op => {
            flatten(*left, op, into);
            flatten(*right, op, into);
        }
        other => into.push(other),
    }
}

fn in_order(expressions: impl IntoIterator<Item = Expr>) -> Vec<Expr> {
    let mut seen = BTreeSet::new();
    let mut keyed: Vec<(String, Expr)> =
        expressions.into_iter().map(|expression| (expression.to_string(), expression)).collect();
    keyed.retain(|(text, _)| seen.insert(text.clone()));
    keyed.sort_by(|one, other| one.0.cmp(&other.0));
    keyed.into_iter().map(|(_, expression)| expression).collect()
}

fn plain(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })
}
